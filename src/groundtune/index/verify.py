"""Holds the index against the sources, passage by passage, without trusting anything that a sync noted down.

All is compared but the vectors: they are tied to their texts by a digest, and a sample of them is made anew.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest

import numpy as np

from groundtune.errors import UserError
from groundtune.index.chunk import chunk
from groundtune.index.store import Store, embedded_text
from groundtune.index.sync import version_of
from groundtune.types import Document, LeftOut, Passage, Reader, Source, Unchanged
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
    check = _Check(index, passage_chars)
    found = [Difference("", fault) for fault in index.faults()]
    for name, source in sources.items():
        owned = index.known(name)
        for document in _read(source, owned, check.there):
            if document.id not in check.there:
                check.there.add(document.id)
                found += check.document(document, owned)
    return [*found, *check.texts(), *check.vectors(), *check.surplus()]


def _read(source: Source, owned: Iterable[str], there: set[str]) -> Iterator[Document]:
    """Every document; those that cannot be read just now count as there."""

    def leave_out(item: LeftOut) -> None:
        if item.passing:
            there.add(item.id)

    for found in source.documents(dict.fromkeys(owned, ""), leave_out):
        if isinstance(found, Unchanged):  # no stamp was said to be known
            raise UserError(
                f"{type(source).__name__} did not read {found.id}", "an empty stamp in `known` fits nothing"
            )
        yield found


class _Check:
    """A comparison under way."""

    def __init__(self, index: Store, passage_chars: int) -> None:
        self.there: set[str] = set()  # what the sources hold
        self._index = index
        self._passage_chars = passage_chars
        self._versions = index.versions()
        self._texts: dict[str, str] = {}  # digests of the texts of those documents that are alike so far
        self._groups: set[str] = set()
        self._sample: list[tuple[float, str, str]] = []  # by chance, so another one each time

    def document(self, document: Document, owned: Mapping[str, str]) -> Iterator[Difference]:
        """owned: what the index has from the document's source."""
        id = document.id
        if id not in self._versions:
            yield Difference(id, "it is not in the index")
            return
        if id not in owned:
            yield Difference(id, "the index has it from another source")
        if self._versions[id] != version_of(document, self._passage_chars):
            yield Difference(id, "it has changed since the last sync")
            return
        passages = chunk(document, self._passage_chars)
        texts = [embedded_text(passage) for passage in passages]
        readers = json.dumps(sorted(document.readers))
        expected = [(*_content(p), readers, digest(text)) for p, text in zip(passages, texts, strict=True)]
        held = [(*_content(p), names, key) for p, names, key in self._index.passages_of(id)]
        if held != expected:
            yield Difference(id, f"{len(held)} passages are held where {len(expected)} others are expected")
        self._texts[id] = digest(document.text)
        self._groups |= document.readers
        self._sample = nsmallest(SAMPLE, self._sample + [(random.random(), id, text) for text in texts])

    def texts(self) -> Iterator[Difference]:
        """Documents whose whole text is held otherwise."""
        held = self._index.documents(Reader(frozenset(self._groups)))
        for id, text in self._texts.items():
            if digest(held.get(id, "")) != text:
                yield Difference(id, "its text is held otherwise, or its readers")

    def vectors(self) -> Iterator[Difference]:
        """Documents of the sample with a vector that is not its text's."""
        documents = {text: id for _, id, text in self._sample}
        held = self._index.vectors_of(documents)
        made = self._index.embedder.embed(list(held)) if held else ()
        for (text, vector), right in zip(held.items(), made, strict=True):
            left = np.frombuffer(vector, np.float32)
            if left.shape != right.shape or not left @ right >= SAME:
                yield Difference(documents[text], "the vector of a passage is another one than its text's")

    def surplus(self) -> Iterator[Difference]:
        """Documents that no source holds."""
        for id in sorted(self._versions.keys() - self.there):
            yield Difference(id, "it is in the index but in no source")


def _content(passage: Passage) -> tuple[object, ...]:
    return passage.text, passage.start, passage.end, passage.title, passage.heading, passage.page
