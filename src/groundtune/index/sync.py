"""Brings the index in step with the sources: only what is new or changed is embedded; what is gone, goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from groundtune.errors import UserError
from groundtune.index.chunk import chunk
from groundtune.index.store import SqliteIndex, embedded_text
from groundtune.types import Document, LeftOut, NoProgress, Progress, Source
from groundtune.workspace import digest

AT_ONCE = 128  # documents in one transaction (a killed sync repeats at most so many), embedded by length together


@dataclass(slots=True)
class Summary:
    """What a sync did."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    embedded: int = 0  # passages
    reading_seconds: float = field(default=0.0, compare=False)
    embedding_seconds: float = field(default=0.0, compare=False)
    left_out: list[LeftOut] = field(default_factory=list)


def sync(
    index: SqliteIndex, sources: Iterable[Source], passage_chars: int, progress: Progress | None = None
) -> Summary:
    """Makes the index hold exactly what the sources hold now.

    Finished transactions stay when it is killed; the next sync goes on from there. Raises UserError where no document
    at all could be read: an empty source more likely means a wrong path than the wish to forget everything.
    """
    progress = progress or NoProgress()
    summary = Summary()
    began = perf_counter()
    documents = _read(sources, summary, progress)
    summary.reading_seconds = perf_counter() - began
    if not documents:
        raise UserError("no document could be read", _why(summary.left_out))
    before = index.states()
    pending = [d for d in documents.values() if before.get(d.id) != _state(d, passage_chars)]
    summary.unchanged = len(documents) - len(pending)
    began = perf_counter()
    progress.start("embedding", len(pending))
    for start in range(0, len(pending), AT_ONCE):
        batch = pending[start : start + AT_ONCE]
        _store(index, batch, passage_chars, summary)
        progress.advance(len(batch))
    progress.finish()
    summary.embedding_seconds = perf_counter() - began
    summary.added = sum(d.id not in before for d in pending)
    summary.changed = len(pending) - summary.added
    gone = before.keys() - documents.keys()
    with index.writing():
        for id in gone:
            index.remove(id)
    summary.removed = len(gone)
    return summary


def _read(sources: Iterable[Source], summary: Summary, progress: Progress) -> dict[str, Document]:
    documents: dict[str, Document] = {}
    progress.start("reading documents", None)
    for source in sources:
        for document in source.documents(summary.left_out.append):
            if document.id in documents:
                summary.left_out.append(LeftOut(document.id, "another source has a document with this id"))
                continue
            documents[document.id] = document
            progress.advance()
    progress.finish()
    return documents


def _store(index: SqliteIndex, documents: Sequence[Document], passage_chars: int, summary: Summary) -> None:
    """Cuts, embeds and stores documents in one transaction.

    A text that stands in the index already, be it in a document's older version or under its older name, keeps its
    vector.
    """
    cut = [(document, chunk(document, passage_chars)) for document in documents]
    texts = list(dict.fromkeys(embedded_text(passage) for _, passages in cut for passage in passages))
    vectors = index.vectors_of(texts)
    missing = [text for text in texts if text not in vectors]
    if missing:
        made = index.embedder.embed(missing)
        vectors |= {text: np.asarray(row, np.float32).tobytes() for text, row in zip(missing, made, strict=True)}
    summary.embedded += len(missing)
    with index.writing():
        for document, passages in cut:
            index.put(document, _state(document, passage_chars), passages, vectors)


def _state(document: Document, passage_chars: int) -> str:
    """The digest of all that a document's place in the index is made from; a new time stamp alone changes nothing."""
    made_from = [document.text, document.title, document.sections, document.readers, dict(document.metadata)]
    return digest([*made_from, passage_chars])


def _why(left_out: Sequence[LeftOut]) -> str:
    named = "; ".join(f"{item.id}: {item.reason}" for item in left_out[:3])
    return named or "check [[sources]]"
