"""Brings the index in step with the sources: only what is new or changed is embedded; what is gone, goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter

import numpy as np

import groundtune
from groundtune.errors import UserError
from groundtune.index.chunk import chunk
from groundtune.index.store import Store, embedded_text
from groundtune.times import now
from groundtune.types import Document, Json, LeftOut, NoProgress, Passage, Progress, Source, Unchanged
from groundtune.workspace import digest

# What is one transaction, which a killed sync repeats; embedded by length together.
AT_ONCE = 128  # documents
CHARACTERS = 2_000_000  # of these documents together
CUT = 1  # of how a document is cut and what of a passage is embedded; another number has all documents cut anew


@dataclass(frozen=True, slots=True)
class Failed:
    """A source that could not be read as a whole. What the index has from it stays."""

    source: str
    error: UserError


@dataclass(slots=True)
class Summary:
    """What a sync did."""

    added: list[str] = field(default_factory=list)  # documents
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    embedded: int = 0  # passages
    reading_seconds: float = field(default=0.0, compare=False)
    embedding_seconds: float = field(default=0.0, compare=False)
    left_out: list[LeftOut] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    def to_json(self) -> Json:
        """Plain values."""
        failed = [{"source": one.source, "error": one.error.message} for one in self.failed]
        return asdict(replace(self, failed=[])) | {"failed": failed}


def sync(
    index: Store,
    sources: Mapping[str, Source],
    passage_chars: int,
    *,
    names: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    keep: int = 0,
    progress: Progress | None = None,
) -> Summary:
    """Makes the index hold exactly what the sources hold now.

    sources: those to read, by name; names: of all that there are, where these are only some; where two of them have a
    document of the same id, the first one's counts. settings: a digest of how each is read; where it is another one
    than at the last sync, its stamps say nothing. keep: so many earlier states can still be asked afterwards.

    Finished transactions stay when it is killed; the next sync goes on from there. A source that cannot be read, or
    suddenly holds nothing, is named in the summary and keeps what it has in the index. Raises UserError where the
    index holds nothing in the end: that more likely means a wrong path than the wish to know nothing.
    """
    run = _Run(index, list(names or sources), passage_chars, progress or NoProgress())
    moment = now()
    for name, source in sources.items():
        run.bring(name, source, _reading(passage_chars, (settings or {}).get(name)))
    if len(sources) == len(run.rank) and not run.summary.failed:  # else what is elsewhere now could not be known
        run.forget_other_sources()
    if not index.counts()[0]:
        raise run.summary.failed[0].error if run.summary.failed else UserError("no document could be read", run.why())
    failed = {failure.source for failure in run.summary.failed}
    index.finish([name for name in sources if name not in failed], list(run.rank), moment, keep)
    return run.summary


class _Unreadable(Exception):  # noqa: N818 (it says what happened)
    """A source, not the index, is what failed."""

    def __init__(self, error: UserError) -> None:
        super().__init__(error.message)
        self.error = error


class _Run:
    """One sync under way."""

    def __init__(self, index: Store, names: Sequence[str], passage_chars: int, progress: Progress) -> None:
        self.index = index
        self.rank = {name: number for number, name in enumerate(names)}
        self.passage_chars = passage_chars
        self.progress = progress
        self.summary = Summary()

    def bring(self, name: str, source: Source, reading: str) -> None:
        """One source's documents into the index. reading: stands before the stamps of documents that were read so."""
        held = self.index.known(name)
        known = _stamps(held, reading)
        there: set[str] = set()  # what the source holds, and what it may hold but cannot give just now
        spoilt: set[str] = set()  # what it held and holds in a state that cannot be read
        began, embedding = perf_counter(), self.summary.embedding_seconds

        def leave_out(item: LeftOut) -> None:
            self.summary.left_out.append(item)
            if item.passing:
                there.add(item.id)
            elif item.id in held:
                spoilt.add(item.id)

        self.progress.start(f"reading {name}", None)
        try:
            for batch in _batches(self._read(source, known, there, leave_out)):
                self._store(name, batch, reading)
            if held and not (there or spoilt or getattr(source, "may_be_empty", False)):
                raise _Unreadable(_emptied(name, len(held)))
        except _Unreadable as failure:
            self.summary.failed.append(Failed(name, failure.error))
            return
        finally:
            self.progress.finish()
            took = perf_counter() - began
            self.summary.reading_seconds += took - (self.summary.embedding_seconds - embedding)
        self._remove(held.keys() - there)

    def forget_other_sources(self) -> None:
        """Removes the documents of sources that are not in the config any more."""
        for name in self.index.sources().keys() - self.rank.keys():
            self._remove(self.index.known(name))

    def why(self) -> str:
        """Why there is nothing, as far as is known."""
        named = "; ".join(f"{item.id}: {item.reason}" for item in self.summary.left_out[:3])
        return named or "check [[sources]]"

    def _read(
        self, source: Source, known: Mapping[str, str], there: set[str], leave_out: Callable[[LeftOut], None]
    ) -> Iterator[Document]:
        """The documents that have to be looked at; the others are counted."""
        for found in _guarded(source.documents(known, leave_out)):
            if found.id in there:
                leave_out(LeftOut(found.id, "the source has two documents with this id; the first one counts"))
                continue
            there.add(found.id)
            if isinstance(found, Unchanged):
                self.summary.unchanged += 1
            else:
                yield found
            self.progress.advance()

    def _store(self, source: str, documents: Sequence[Document], reading: str) -> None:
        """Brings documents into the index in one transaction: those that are another's are left out, those whose
        stamp alone is new are noted, the others are cut and embedded.

        A text that stands in the index already, be it in a document's older version or under its older name, keeps its
        vector.
        """
        owners = self.index.owners([document.id for document in documents])
        versions = self.index.versions_of(owners)
        touched, changed = [], []
        for document in documents:
            version = version_of(document, self.passage_chars)
            owner = owners.get(document.id, source)
            if owner != source and self.rank.get(owner, len(self.rank)) < self.rank[source]:
                reason = f"{owner}, which comes first, has a document with this id (a prefix tells them apart)"
                self.summary.left_out.append(LeftOut(document.id, reason))
            elif versions.get(document.id) == version:
                touched.append(document)
            else:
                changed.append((document, version, chunk(document, self.passage_chars)))
        vectors = self._vectors([passage for _, _, passages in changed for passage in passages])
        with self.index.writing():
            for document in touched:
                self.index.touch(document.id, source, reading + document.stamp)
            for document, version, passages in changed:
                stored = replace(document, stamp=reading + document.stamp, changed=document.changed or now())
                self.index.put(stored, source, version, passages, vectors)
        self.summary.unchanged += len(touched)
        for document, _, _ in changed:
            (self.summary.changed if document.id in owners else self.summary.added).append(document.id)

    def _vectors(self, passages: Iterable[Passage]) -> dict[str, bytes]:
        began = perf_counter()
        texts = list(dict.fromkeys(map(embedded_text, passages)))
        vectors = self.index.vectors_of(texts)
        missing = [text for text in texts if text not in vectors]
        if missing:
            made = self.index.embedder.embed(missing)
            vectors |= {text: np.asarray(row, np.float32).tobytes() for text, row in zip(missing, made, strict=True)}
        self.summary.embedded += len(missing)
        self.summary.embedding_seconds += perf_counter() - began
        return vectors

    def _remove(self, ids: Iterable[str]) -> None:
        gone = sorted(ids)
        if gone:
            with self.index.writing():
                for id in gone:
                    self.index.remove(id)
        self.summary.removed += gone


def version_of(document: Document, passage_chars: int) -> str:
    """The digest of all that a document's place in the index is made from; a new time alone changes nothing."""
    made_from = [document.text, document.title, document.sections, document.readers, dict(document.metadata)]
    return digest([*made_from, passage_chars, CUT])


def known_of(index: Store, name: str, passage_chars: int, setting: str | None) -> dict[str, str]:
    """What a sync would tell a source of this name and setting: what the index has from it, with the stamps."""
    return _stamps(index.known(name), _reading(passage_chars, setting))


def _reading(passage_chars: int, setting: str | None) -> str:
    """What stands before a stamp: how the document was read. Read otherwise, an equal stamp says nothing."""
    return digest([passage_chars, groundtune.__version__, setting]) + " "


def _stamps(held: Mapping[str, str], reading: str) -> dict[str, str]:
    return {id: stamp.removeprefix(reading) if stamp.startswith(reading) else "" for id, stamp in held.items()}


def _guarded(found: Iterator[Document | Unchanged]) -> Iterator[Document | Unchanged]:
    try:
        yield from found
    except UserError as error:
        raise _Unreadable(error) from error


def _emptied(source: str, held: int) -> UserError:
    return UserError(
        f"{source} held {held:,} documents and now holds none",
        "if that is meant, take the source out of the config; else see why it is empty",
    )


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) == AT_ONCE or characters >= CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
