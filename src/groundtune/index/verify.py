"""Holds the index against the sources, passage by passage, without trusting anything that a sync noted down.

All is compared but the vectors: they are tied to their texts by a digest, and a sample of them is made anew.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

import numpy as np

from groundtune.errors import UserError
from groundtune.index.chunk import chunk
from groundtune.index.store import Store, embedded_text
from groundtune.index.sync import version_of
from groundtune.types import Document, LeftOut, Passage, Source, Unchanged
from groundtune.workspace import digest

SAMPLE = 64  # passages that are embedded again
SAME = 0.98  # cosine of two vectors of one text, however they were batched


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that stands in the index otherwise than in its source, or "" for the index as a whole."""

    document: str
    what: str


def verify(index: Store, sources: Mapping[str, Source], passage_chars: int) -> list[Difference]:
    """Where the index differs from what a sync would make it now; every document is read anew.

    Raises UserError where a source cannot be read.
    """
    found = [Difference("", fault) for fault in index.faults()]
    versions = index.versions()
    there: set[str] = set()
    sample: list[tuple[float, str, str]] = []  # by chance: another one each time
    for name, source in sources.items():
        owned = index.known(name)
        for document in _read(source, there):
            if document.id not in there:
                there.add(document.id)
                passages = chunk(document, passage_chars)
                found += _compare(index, document, passages, passage_chars, owned, versions)
                drawn = [(random.random(), document.id, embedded_text(passage)) for passage in passages]
                sample = nsmallest(SAMPLE, sample + drawn)
    found += _wrong_vectors(index, {text: id for _, id, text in sample})
    return found + [Difference(id, "it is in the index but in no source") for id in sorted(versions.keys() - there)]


def _wrong_vectors(index: Store, texts: Mapping[str, str]) -> Iterator[Difference]:
    """texts: with the document that each stands in. What is not in the index is not compared."""
    held = {text: np.frombuffer(vector, np.float32) for text, vector in index.vectors_of(texts).items()}
    for (text, vector), right in zip(held.items(), index.embedder.embed(list(held)) if held else (), strict=True):
        if vector.shape != right.shape or not vector @ right >= SAME:
            yield Difference(texts[text], "the vector of a passage is another one than its text's")


def _read(source: Source, there: set[str]) -> Iterator[Document]:
    """Every document; those that cannot be read just now count as there."""

    def leave_out(item: LeftOut) -> None:
        if item.passing:
            there.add(item.id)

    for found in source.documents({}, leave_out):
        if isinstance(found, Unchanged):  # nothing was said to be known
            raise UserError(f"{type(source).__name__} did not read {found.id}", "a source reads what is not in `known`")
        yield found


def _compare(
    index: Store,
    document: Document,
    passages: Sequence[Passage],
    passage_chars: int,
    owned: Mapping[str, str],
    versions: Mapping[str, str],
) -> Iterator[Difference]:
    if document.id not in versions:
        yield Difference(document.id, "it is not in the index")
        return
    if document.id not in owned:
        yield Difference(document.id, "the index has it from another source")
    if versions[document.id] != version_of(document, passage_chars):
        yield Difference(document.id, "it has changed since the last sync")
        return
    readers = json.dumps(sorted(document.readers))
    expected = [
        (p.text, p.start, p.end, p.title, p.heading, p.page, readers, digest(embedded_text(p))) for p in passages
    ]
    held = [
        (p.text, p.start, p.end, p.title, p.heading, p.page, names, key)
        for p, names, key in index.passages_of(document.id)
    ]
    if held != expected:
        yield Difference(document.id, f"{len(held)} passages are held where {len(expected)} others are expected")
