"""What every store reads alike from its tables, in SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from groundtune.errors import UserError
from groundtune.index.local import Snapshot, open_to_both
from groundtune.index.store import embedded_text
from groundtune.types import Embedder, Passage
from groundtune.workspace import digest

# The columns of a Passage, in its order.
PASSAGE = 'p.id, p.document, p.text, p.start, p."end", p.title, p.heading, p.page, p.version, p.changed'


class Tables(ABC):
    """The part of a `store.Store` that is the same in every dialect."""

    @abstractmethod
    def _rows(self, query: str) -> list[Any]:
        """All rows of a query."""

    def counts(self) -> tuple[int, int]:
        """How many documents and passages there are."""
        ((documents, passages),) = self._rows(
            "select (select count(*) from documents), (select count(*) from passages where died is null)"
        )
        return int(documents), int(passages)

    def versions(self) -> dict[str, str]:
        """For each document the digest of everything it was indexed from."""
        return dict(self._rows("select id, version from documents"))

    def digest(self) -> str:
        """One digest for all that the index holds: equal content, equal digest."""
        return digest(sorted(self.versions().items()))

    def sources(self) -> dict[str, int]:
        """How many documents came from each source."""
        return dict(self._rows("select source, count(*) from documents group by source"))


def in_order(ids: Sequence[int], rows: Sequence[Any]) -> list[Passage]:
    """The passages of rows of PASSAGE, in the order of the ids, without those that have no row."""
    found = {row[0]: Passage(*row) for row in rows}
    return [found[id] for id in ids if id in found]


def snapshot(rows: Sequence[tuple[Any, ...]], embedder: Embedder, language: str) -> Snapshot:
    """Passages as they were. A row: vector, readers then and since as JSON, then PASSAGE; ascending by id."""
    passages = [Passage(*row[3:]) for row in rows]
    return Snapshot(
        passages,
        [embedded_text(passage) for passage in passages],
        [(passage.id, row[0], open_to_both(row[1], row[2])) for passage, row in zip(passages, rows, strict=True)],
        embedder,
        language,
    )


def not_kept(moment: str, earliest: str | None) -> UserError:
    """The error for a time whose state is kept no longer."""
    return UserError(
        f"the index does not know what it held at {moment}",
        f"the earliest state that is kept is of {earliest}; [index] keep says how many are" if earliest else "",
    )


def other_embedder(place: object, built: str, wanted: str) -> UserError:
    """The error for an index whose vectors are another embedder's."""
    return UserError(
        f"{place} was built with the embedder {built}; the config says {wanted}", 'run "groundtune sync --rebuild"'
    )
