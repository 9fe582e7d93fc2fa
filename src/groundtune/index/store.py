"""What a sync needs of an index, wherever it is kept (sqlite.py, postgres.py), and how a passage stands in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from groundtune.types import EVERYONE, Document, Embedder, Index, Passage, Reader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from groundtune.types import Vectors

    Ids = NDArray[np.int64]


class Store(Index, Protocol):
    """Documents and their passages, with words and vectors, and what they were at the last few syncs.

    Writing methods are called inside `writing`. A write by one process is seen by all others at its end, whole.
    """

    embedder: Embedder

    def close(self) -> None:
        """Gives back what it holds open."""
        ...

    # reading

    def documents(self, reader: Reader = EVERYONE) -> dict[str, str]:
        """The texts of the documents that the reader may read, by id."""
        ...

    def all_passages(self, reader: Reader = EVERYONE) -> list[Passage]:
        """Every passage that the reader may read, in the order of the documents."""
        ...

    def passages_of(self, document: str) -> list[tuple[Passage, str, str]]:
        """A document's passages in their order, each with its readers as JSON and the digest of what was embedded."""
        ...

    def counts(self) -> tuple[int, int]:
        """How many documents and passages there are."""
        ...

    def versions(self) -> dict[str, str]:
        """For each document the digest of everything that it was indexed from."""
        ...

    def versions_of(self, ids: Collection[str]) -> dict[str, str]:
        """The same for those of these documents that there are."""
        ...

    def digest(self) -> str:
        """One digest for all that the index holds: equal content, equal digest."""
        ...

    def known(self, source: str) -> dict[str, str]:
        """The stamps of the documents that came from a source, by id."""
        ...

    def owners(self, ids: Collection[str]) -> dict[str, str]:
        """For those of these documents that there are, the source that they came from."""
        ...

    def groups(self) -> frozenset[str]:
        """All groups that documents name as their readers."""
        ...

    def sources(self) -> dict[str, int]:
        """How many documents came from each source."""
        ...

    def vectors_of(self, texts: Iterable[str]) -> dict[str, bytes]:
        """The vectors of those of these texts that the index holds already, in whatever document."""
        ...

    def vectors(self, reader: Reader = EVERYONE) -> tuple[Ids, Vectors]:
        """The ids of all passages that the reader may read, and their vectors, row by row."""
        ...

    def faults(self) -> list[str]:
        """What does not hold inside the index itself: words or vectors without a passage, or the reverse."""
        ...

    # time

    def as_of(self, moment: str) -> Index:
        """The index as it was at a time (ISO 8601, UTC where it names no zone).

        Raises UserError where that state is kept no longer.
        """
        ...

    def knowledge_as_of(self) -> str:
        """Up to when the index is known to hold what all its sources held; empty before the first sync."""
        ...

    # writing

    def writing(self) -> AbstractContextManager[None]:
        """One transaction: all of its changes become visible together at its end, or none."""
        ...

    def put(
        self,
        document: Document,
        source: str,
        version: str,
        passages: Iterable[Passage],
        vectors: Mapping[str, bytes],
    ) -> None:
        """Puts a document in the place of its older version.

        version: the digest of everything it is indexed from; vectors: by `embedded_text`.
        """
        ...

    def touch(self, id: str, source: str, stamp: str) -> None:
        """Notes a document's new stamp; all else of it is as it was."""
        ...

    def remove(self, id: str) -> None:
        """Takes a document and its passages out."""
        ...

    def finish(self, read: Collection[str], names: Collection[str], moment: str, keep: int) -> None:
        """Ends a sync (not inside `writing`): these sources, of all with these names, were read whole at that time.

        keep: so many earlier states stay to be asked; what only older ones knew is forgotten.
        """
        ...


def embedded_text(passage: Passage) -> str:
    """The text whose words and vector stand for a passage: what it stands under, and its own."""
    headings = [part for part in passage.heading.split(" > ") if part and part != passage.title]
    context = " > ".join([passage.title, *headings] if passage.title else headings)
    return f"{context}\n{passage.text}" if context else passage.text
