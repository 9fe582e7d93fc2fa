"""Documents from the rows of a database: whatever SQLAlchemy reaches, by one query.

Where the rows tell when they were changed, only that is read first, with their keys and readers; then whole the rows
that are new or changed. The database is let go before the first document is handed on, for others work with it: what
was read waits in an unnamed temporary file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import Field

from groundtune.sources._sql_columns import Columns
from groundtune.sources._sql_database import Database, Snapshot
from groundtune.sources._sql_rows import Row, Rows
from groundtune.sources._sql_stamps import Stamp, is_as_before, watermarks
from groundtune.types import Document, LeftOut, Source, Unchanged
from groundtune.workspace import digest, disk_errors, dumps

SOME = 2_000  # so many rows are asked for by their keys; more are had sooner by reading all of them


def create(
    parser: object,  # noqa: ARG001 (every source gets it; a row's text is taken as it is)
    *,
    url_env: str,
    query: str,
    key: str,
    text: str | Sequence[str] = (),
    title: str | None = None,
    updated_at: str | None = None,
    readers: str | None = None,
    prefix: Annotated[str, Field(pattern=r"^\S+$")] = "sql",
    max_rows: Annotated[int, Field(ge=1)] = 1_000_000,
    max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600,
    may_be_empty: bool = False,
) -> Source:
    """A source of the documents in a database, one a row.

    url_env: the environment variable that holds the SQLAlchemy URL; query: a SELECT; key: the column that tells the
    rows apart; text: the column or columns that are the text (else all without another meaning, each with its name);
    updated_at: the column with the time or the number of a row's last change, by which unchanged rows are not read;
    readers: the column that names who may read a row; prefix: what the documents' ids begin with; max_rows,
    max_seconds: what the query may give and take; may_be_empty: whether a query without rows is no mistake. Raises
    UserError for a query that does more than read.
    """
    where = f"[[sources]] sql {prefix!r} ({url_env})"
    columns = Columns(key, (text,) if isinstance(text, str) else tuple(text), title, updated_at, readers)
    return Sql(Database(where, url_env, query, max_rows, max_seconds, may_be_empty), columns, prefix)


class Sql:
    """The documents that a query gives now."""

    def __init__(self, database: Database, columns: Columns, prefix: str) -> None:
        self.database = database
        self.may_be_empty = database.may_be_empty
        self.columns = columns
        self.prefix = prefix

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        """Every row as a document; those that are as they were come first, unread where `updated_at` tells. One whose
        known stamp is "" is read.

        Raises UserError, before the first document, where the database cannot be read as the config says.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") as spool:
            with (
                disk_errors(Path(tempfile.gettempdir()), "name another folder in TMPDIR"),
                self.database.snapshot() as snapshot,
            ):
                unchanged, unclear = self._read(snapshot, known, left_out, spool)
                spool.seek(0)
            yield from (Unchanged(id) for id in unchanged if id not in unclear)
            for values in map(json.loads, spool):
                if values["id"] not in unclear:
                    yield Document(**values | {"readers": frozenset(values["readers"]), "sections": ()})

    def _read(
        self, snapshot: Snapshot, known: Mapping[str, str], left_out: Callable[[LeftOut], None], spool: IO[str]
    ) -> tuple[list[str], set[str]]:
        """The ids of the rows that are as they were, while the others are written to `spool` as documents; and the ids
        of those that are neither, for two rows that have one key may differ in who may read them."""
        columns = self.columns.found(snapshot.columns, self.database.where)
        rows = Rows(columns, self.prefix, setup=digest([self.database.query, columns]))
        unchanged: list[str] = []
        wanted: dict[str, Any] | None = None  # the rows to read, id -> key; None: all
        if columns.updated_at and any(known.values()):
            named = rows.named(snapshot.rows(columns.of_state()), left_out)
            unchanged, wanted = _sifted(rows, named, known)
        for id, row in _whole(snapshot, rows, wanted, left_out):
            try:
                document = rows.document(id, row)
            except ValueError as error:
                left_out(LeftOut(id, str(error)))
                continue
            if document.stamp == known.get(id):
                unchanged.append(id)
            else:
                spool.write(dumps(document) + "\n")
        unclear = rows.doubled if columns.readers else set()
        for id in sorted(unclear):
            left_out(LeftOut(id, "several rows have its key, so its readers are not clear"))
        return unchanged, unclear


def _sifted(rows: Rows, named: Iterable[tuple[str, Row]], known: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """The ids of the rows that need not be read, and id -> key of those that must."""
    stamps = {id: Stamp.parse(stamp) for id, stamp in known.items() if stamp}
    latest = watermarks(stamps.values())
    unchanged: list[str] = []
    wanted: dict[str, Any] = {}
    for id, row in named:
        if id in stamps and is_as_before(rows.state(row), stamps[id], latest):
            unchanged.append(id)
        else:
            wanted[id] = row[rows.columns.key]
    return unchanged, wanted


def _whole(
    snapshot: Snapshot, rows: Rows, wanted: Mapping[str, Any] | None, left_out: Callable[[LeftOut], None]
) -> Iterator[tuple[str, Row]]:
    """The rows that are wanted, with all that documents are made from."""
    columns = rows.columns.of_document(snapshot.columns)
    if wanted is None:
        yield from rows.named(snapshot.rows(columns), left_out)
        return
    keys = list(wanted.values()) if len(wanted) <= SOME else None
    for id, row in rows.named(snapshot.rows(columns, rows.columns.key, keys), _known_already):
        if id in wanted:
            yield id, row


def _known_already(_: LeftOut) -> None:
    """Said when the rows' keys were read."""
