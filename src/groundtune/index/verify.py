"""Holds the index against the sources, passage by passage, without trusting anything that a sync noted down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from groundtune.errors import UserError
from groundtune.index.chunk import chunk
from groundtune.index.store import Store, embedded_text
from groundtune.index.sync import version_of
from groundtune.types import Document, LeftOut, Source, Unchanged
from groundtune.workspace import digest


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that stands in the index otherwise than in its source, or "" for the index as a whole."""

    document: str
    what: str


def verify(index: Store, sources: Mapping[str, Source], passage_chars: int) -> list[Difference]:
    """Where the index differs from what a sync would make it now; every document is read anew, nothing is embedded.

    Raises UserError where a source cannot be read.
    """
    found = [Difference("", fault) for fault in index.faults()]
    versions = index.versions()
    there: set[str] = set()
    for name, source in sources.items():
        owned = index.known(name)
        for document in _read(source, there):
            if document.id not in there:
                there.add(document.id)
                found += _compare(index, document, passage_chars, owned, versions)
    return found + [Difference(id, "it is in the index but in no source") for id in sorted(versions.keys() - there)]


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
    index: Store, document: Document, passage_chars: int, owned: Mapping[str, str], versions: Mapping[str, str]
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
        (p.text, p.start, p.end, p.title, p.heading, p.page, readers, digest(embedded_text(p)))
        for p in chunk(document, passage_chars)
    ]
    held = [
        (p.text, p.start, p.end, p.title, p.heading, p.page, names, key)
        for p, names, key in index.passages_of(document.id)
    ]
    if held != expected:
        yield Difference(document.id, f"{len(held)} passages are held where {len(expected)} others are expected")
