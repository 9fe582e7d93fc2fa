"""The index's SQLite file: its tables, how it is opened, and what its errors mean to a user."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

from groundtune.errors import UserError, WorkFailed
from groundtune.workspace import disk_errors

LEAST = 65_536  # bytes that must be free for a file to be opened at all: what is shared with other processes
VERSION = 2  # raised when the tables change

# A passage lives from the sync `born` until the sync `died`; null: it lives. `key` is the digest of the text that was
# embedded: equal texts share their vector, whatever document they stand in. What belongs to a passage's document is
# repeated with it, so that a passage of a former version is whole.
SCHEMA = """
create table if not exists facts (name text primary key, value text not null);
create table if not exists syncs (number integer primary key, finished text);
create table if not exists documents (
    id text primary key, source text not null, stamp text not null, version text not null, title text not null,
    changed text not null, readers text not null, metadata text not null, text text not null
);
create index if not exists documents_by_source on documents (source, id, stamp, version);  -- all that most syncs read
create table if not exists passages (
    id integer primary key autoincrement, document text not null, text text not null,
    start integer not null, "end" integer not null, title text not null, heading text not null, page integer,
    version text not null, changed text not null, readers text not null,
    key text not null, vector blob not null, born integer not null, died integer
);
create index if not exists passages_by_document on passages (document) where died is null;
create index if not exists passages_by_key on passages (key);
create index if not exists passages_alive on passages (id) where died is null;
create index if not exists passages_by_death on passages (died) where died is not null;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file, or makes it with empty tables. Raises UserError where it is damaged or cannot be opened."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with errors(path):
        connection = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        try:
            _prepare(connection, path)
        except (sqlite3.Error, UserError):
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    ((version, tables),) = connection.execute(  # at once: another process may be making them
        "select user_version, (select count(*) from sqlite_master) from pragma_user_version"
    ).fetchall()
    if tables and version != VERSION:
        raise UserError(f"{path} was made by another version of groundtune", 'run "groundtune sync --rebuild"')
    if not tables:  # it must be said before there are any, and costs a write
        connection.execute("pragma auto_vacuum = incremental")
    _use_wal(connection)
    connection.execute("pragma synchronous = full")
    connection.execute("pragma secure_delete = on")  # what is forgotten is not to be read in the file either
    if not tables:
        connection.executescript(f"begin immediate; {SCHEMA} pragma user_version = {VERSION}; commit")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Several processes may do this at once to a new file; SQLite does not wait here as it does elsewhere."""
    for attempts_left in range(50, -1, -1):
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if not attempts_left or error.sqlite_errorname != "SQLITE_BUSY":
                raise
            time.sleep(0.02)


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors about the file into messages that say what to do."""
    try:
        yield
    except sqlite3.ProgrammingError:  # nothing about the file but a mistake in our calls
        raise
    except sqlite3.DatabaseError as error:
        raise _meaning(path, error) from error
    except UnicodeDecodeError as error:  # what sqlite3 makes of a damaged text
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> UserError:
    """The error for an index whose content cannot be what was written."""
    return UserError(f"{path}: damaged ({error})", 'run "groundtune sync --rebuild"')


def _meaning(path: Path, error: sqlite3.DatabaseError) -> UserError:
    name: str = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")  # without a name: a text was not decodable
    if name.startswith("SQLITE_IOERR") and disk_usage(path.parent).free < LEAST:
        name = "SQLITE_FULL"
    match name.split("_")[1]:  # SQLITE_FULL, SQLITE_CORRUPT_VTAB, ...
        case "FULL":
            return WorkFailed(
                f"{path}: the disk is full", "free some space and run the same command: it goes on where it stopped"
            )
        case "BUSY" | "LOCKED":
            return WorkFailed(f"{path}: another process is writing to it", "wait for it to end, then run again")
        case "CORRUPT" | "NOTADB":
            return damaged(path, error)
        case "CANTOPEN" | "READONLY" | "PERM":
            return UserError(f"{path}: cannot be opened ({error})", "choose another [workspace] path")
        case _:
            return WorkFailed(f"{path}: {error}", "see whether its disk is full or damaged, then run again")
