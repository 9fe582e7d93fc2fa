"""The index's tables in a PostgreSQL database: how they are made, found, kept to one writer, and replaced."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError, WorkFailed
from groundtune.index import postgres_server as server

if TYPE_CHECKING:
    from psycopg import Connection

VERSION = 1  # raised when the tables change
PATIENCE = 60  # seconds that a writer waits for another one
MARK = f"groundtune index {VERSION}"  # a comment on the table `facts` says whose tables these are

# As in database.py, with these differences. A set of readers is stored once, its names as JSON: any name can be
# written so. Vectors lie in a table of their own, in its rows, for a scan to be quick. What stands in a posting beside
# the word saves a search from reading the passage. Hashes, where a B-tree would refuse what is long.
TABLES = """
create table facts (name text collate "C" primary key, value text collate "C" not null);
create table syncs (number integer generated always as identity primary key, finished text collate "C");
create table audiences (
    id integer generated always as identity primary key, readers text collate "C" not null, names text[] not null
);
create index audiences_by_readers on audiences using hash (readers);
create table documents (
    id text collate "C" not null, source text not null, stamp text not null, version text not null, title text not null,
    changed text not null, audience integer not null references audiences, metadata text not null, text text not null,
    exclude using hash (id with =)
);
create index documents_by_source on documents (source);
create table passages (
    id integer generated always as identity primary key, document text collate "C" not null, text text not null,
    start integer not null, "end" integer not null, title text not null, heading text not null, page integer,
    version text not null, changed text not null, audience integer not null references audiences,
    key text not null, words integer not null, born integer not null, died integer
);
create index passages_by_document on passages using hash (document) where died is null;
create index passages_by_key on passages (key);
create index passages_alive on passages (id) where died is null;
create index passages_by_death on passages (died) where died is not null;
create table vectors (
    passage integer primary key references passages on delete cascade, alive boolean not null default true,
    audience integer not null, vector vector not null
) with (toast_tuple_target = 8160);
create table terms (
    id integer generated always as identity primary key, term text collate "C" not null unique,
    passages integer not null
);
create table postings (
    term integer not null, passage integer not null, tf integer not null, length integer not null,
    audience integer not null
);
create unique index postings_by_term on postings (term, passage) include (tf, length, audience);
create index postings_by_passage on postings (passage);
create table totals (passages integer not null, words bigint not null);
insert into totals values (0, 0);
"""
NAMES = re.findall(r"^create table (\w+)", TABLES, re.MULTILINE)


def named(schema: str) -> str:
    """How messages name the index. Raises UserError for a schema that is no plain name, or not ours to write to."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,49}", schema) or re.match(r"pg_|public$|information_schema$", schema):
        raise UserError(
            f"[index] schema_name = {schema!r} cannot be the index's schema",
            "name one of letters, digits and _, at most 50, that holds nothing else: groundtune",
        )
    return f"PostgreSQL schema {schema}"


def aside_of(schema: str) -> str:
    """The schema in which an index is made that shall be in this one."""
    return f"{schema}_new"


def connect(url: str, schema: str, *, aside: bool = False) -> Connection[Any]:
    """A connection that sees the index's tables in a schema; where there are none, they are made.

    aside: they are made anew beside the schema, by one process at a time. Raises UserError where they are another
    version's, the driver is not installed, or the server has no pgvector.
    """
    place = named(schema)
    connection = server.connect(url, place)
    from pgvector.psycopg import register_vector

    try:
        with server.errors(place):
            seen, extension = aside_of(schema) if aside else schema, _extension_schema(connection, place)
            connection.execute("select set_config('search_path', %s, false)", [f'"{seen}", {extension}'])
            register_vector(connection)
            if aside:
                _reserve(connection, schema, place)
                drop(connection, seen)  # of one that was killed
            _prepare(connection, seen, place)
    except UserError:
        connection.close()
        raise
    return connection


def alone(connection: Connection[Any], schema: str, *, aside: bool = False) -> None:
    """Keeps every other writer of a schema, or of what is made aside of it, away until the transaction's end."""
    connection.execute("select set_config('lock_timeout', %s, true)", [f"{PATIENCE}s"])
    name = aside_of(schema) if aside else schema
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"groundtune index {name}"])


def settle(connection: Connection[Any], schema: str) -> None:
    """Puts the tables that were made aside into their schema, in the place of those that are there, all at once."""
    with connection.transaction():
        alone(connection, schema)
        _make_schema(connection, schema)
        _drop_tables(connection, schema)
        for name in NAMES:
            connection.execute(f'alter table "{aside_of(schema)}".{name} set schema "{schema}"')
        connection.execute(f'drop schema "{aside_of(schema)}"')


def drop(connection: Connection[Any], schema: str) -> None:
    """Drops a schema of ours, if it is there. Raises UserError where it holds what is not ours."""
    with connection.transaction():
        _drop_tables(connection, schema)
        connection.execute(f'drop schema if exists "{schema}"')


def _drop_tables(connection: Connection[Any], schema: str) -> None:
    if _mark(connection, schema, f"PostgreSQL schema {schema}"):
        connection.execute(f'lock table "{schema}".facts')  # which every search reads first: those under way end first
        for name in NAMES:
            connection.execute(f'drop table if exists "{schema}".{name} cascade')


def _extension_schema(connection: Connection[Any], place: str) -> str:
    """The schema, quoted, that the extension pgvector lies in."""
    row = connection.execute(
        "select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace"
        " where extname = 'vector'"
    ).fetchone()
    if row:
        return str(row[0])
    if connection.execute("select 1 from pg_available_extensions where name = 'vector'").fetchone():
        hint = 'let the owner of the database run "create extension vector" in it'
    else:
        hint = 'install pgvector on the server (Debian: postgresql-N-pgvector), then run "create extension vector"'
    raise UserError(f"{place}: the database has no extension pgvector", hint)


def _prepare(connection: Connection[Any], schema: str, place: str) -> None:
    """Makes the tables where there are none."""
    mark = _mark(connection, schema, place)
    if not mark:
        with connection.transaction():
            alone(connection, schema)
            mark = _mark(connection, schema, place)
            if not mark:
                _make_schema(connection, schema)
                connection.execute(f"{TABLES}; comment on table facts is '{MARK}'")
                mark = MARK
    if mark != MARK:
        raise UserError(f"{place} was made by another version of groundtune", 'run "groundtune sync --rebuild"')


def _make_schema(connection: Connection[Any], schema: str) -> None:
    if not connection.execute("select 1 from pg_namespace where nspname = %s", [schema]).fetchone():
        connection.execute(f'create schema "{schema}"')  # "if not exists" asks for the right to, even where it exists


def _reserve(connection: Connection[Any], schema: str, place: str) -> None:
    """Keeps every other process that would make this index anew away, until the connection is closed."""
    key = f"groundtune rebuild {schema}"
    ((got,),) = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [key]).fetchall()
    if not got:
        raise WorkFailed(f"{place}: another process is rebuilding it", "run again when it is done")


def _mark(connection: Connection[Any], schema: str, place: str) -> str:
    """What is said about whose tables these are, "" where there are none. Raises UserError where they are not ours."""
    row = connection.execute(
        "select coalesce(obj_description(to_regclass(%(facts)s), 'pg_class'), '')"
        " from (select to_regclass(%(facts)s) as there) f where there is not null",
        {"facts": f'"{schema}".facts'},
    ).fetchone()
    if row and not row[0].startswith("groundtune index"):
        raise server.foreign(place)
    return str(row[0]) if row else ""
