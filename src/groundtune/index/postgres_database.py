"""The index's tables in PostgreSQL: how a connection to them is opened, and what its errors mean to a user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError, WorkFailed

if TYPE_CHECKING:
    from psycopg import Connection

VERSION = 1  # raised when the tables change
PATIENCE = 60  # seconds that a writer waits for another one
CONNECT_SECONDS = 10
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
    id integer generated always as identity primary key, term text collate "C" not null unique, passages integer not null
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


def connect(url: str, schema: str) -> Connection[Any]:
    """A connection that sees the index's tables in a schema; where there are none, they are made.

    Raises UserError where they are another version's, the driver is not installed, or the server has no pgvector.
    """
    place = named(schema)
    try:
        import pgvector.psycopg
        import psycopg
    except ImportError as error:
        raise UserError(f"{place}: {error.name} is not installed", "pip install 'groundtune[postgres]'") from error
    connection = _connection(url, place)
    try:
        with errors(place):
            home = _vectors_schema(connection, place)
            # Its statements are not prepared: their plans depend on the words, and a rebuild swaps the tables.
            connection.prepare_threshold = None
            connection.execute("select set_config('search_path', %s, false)", [f'"{schema}", {home}'])
            pgvector.psycopg.register_vector(connection)
            _prepare(connection, schema, place)
    except (psycopg.Error, UserError):
        connection.close()
        raise
    return connection


def alone(connection: Connection[Any], schema: str) -> None:
    """Keeps every other writer of a schema away until the transaction's end."""
    connection.execute("select set_config('lock_timeout', %s, true)", [f"{PATIENCE}s"])
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"groundtune index {schema}"])


def drop(connection: Connection[Any], schema: str) -> None:
    """Drops the index's tables in a schema, and nothing else that is there. Raises UserError where they are not ours."""
    if _mark(connection, schema, named(schema)):
        for name in NAMES:
            connection.execute(f'drop table if exists "{schema}".{name} cascade'.encode())


def move(connection: Connection[Any], schema: str, to: str) -> None:
    """Puts the tables of one schema in the place of another's, and drops the first one; inside a transaction."""
    drop(connection, to)
    for name in NAMES:
        connection.execute(f'alter table "{schema}".{name} set schema "{to}"'.encode())
    connection.execute(f'drop schema "{schema}"'.encode())


@contextmanager
def errors(place: str) -> Iterator[None]:
    """Turns the server's errors into messages that say what to do."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        meant = _meaning(place, error)
        if meant is None:
            raise
        raise meant from error


def _meaning(place: str, error: psycopg.Error) -> UserError | None:
    """The error to be told, or None for one that is a mistake in our calls. By SQLSTATE, or its class."""
    said = _first_line(error)
    match (error.sqlstate or "")[:2], error.sqlstate:
        case _, "55P03" | "40P01":  # lock_not_available, deadlock_detected
            return WorkFailed(f"{place}: another process is writing to it", "run again when it is done")
        case _, "53100":
            return WorkFailed(
                f"{place}: the server's disk is full",
                "free some space and run the same command: it goes on where it stopped",
            )
        case _, "42501" | "25006":  # insufficient_privilege, read_only_sql_transaction
            return UserError(f"{place}: {said}", "the index needs a user who may create and write in this schema")
        case _, "42P07":  # duplicate_table
            return foreign(place)
        case _, "42P01" | "3F000":  # undefined_table, invalid_schema_name
            return UserError(f"{place}: the index is there no longer", 'run "groundtune sync"')
        case "22" | "23" | "XX", _:
            return UserError(f"{place}: damaged ({said})", 'run "groundtune sync --rebuild"')
        case "42", _:
            return None
        case _:
            return WorkFailed(f"{place}: {said}", "see whether the server is running and can be reached, then run again")


def foreign(place: str) -> UserError:
    """The error for a schema that holds other people's tables."""
    return UserError(
        f"{place} holds tables that are not groundtune's", "choose another [index] schema_name, for the index alone"
    )


def _connection(url: str, place: str) -> Connection[Any]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        options = conninfo_to_dict(re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", url.strip()))
    except psycopg.ProgrammingError:  # would show what it read
        options = {}
    ports = str(options.get("port") or "")
    # A password with an unescaped sign would be read as a host, a port or a database, and shown in a message.
    if not options or re.search(r"[^\d,]", ports) or any("@" in str(options.get(n)) for n in ("host", "dbname", "user")):
        raise UserError(
            f"{place}: its URL is no PostgreSQL URL",
            "postgresql://USER:PASSWORD@HOST/DATABASE; in a password, signs such as @ and / are written %40 and %2F",
        ) from None
    options.setdefault("connect_timeout", CONNECT_SECONDS)
    options.setdefault("application_name", "groundtune")
    try:
        return psycopg.connect("", autocommit=True, **options)
    except psycopg.Error as error:
        said = _first_line(error)
        for secret in (str(options.get(name) or "") for name in ("password", "sslpassword")):
            said = said.replace(secret, "***") if secret else said
        raise WorkFailed(
            f"{place}: {said}", "see whether the server is running, and whether its URL is right"
        ) from None


def _vectors_schema(connection: Connection[Any], place: str) -> str:
    """The schema, quoted, that the extension pgvector lies in."""
    row = connection.execute(
        "select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace"
        " where extname = 'vector'"
    ).fetchone()
    if row:
        return str(row[0])
    if connection.execute("select from pg_available_extensions where name = 'vector'").fetchone():
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
                if not connection.execute("select from pg_namespace where nspname = %s", [schema]).fetchone():
                    connection.execute(f'create schema "{schema}"'.encode())
                connection.execute(f"{TABLES}; comment on table facts is '{MARK}'".encode())
                mark = MARK
    if mark != MARK:
        raise UserError(f"{place} was made by another version of groundtune", 'run "groundtune sync --rebuild"')


def _mark(connection: Connection[Any], schema: str, place: str) -> str:
    """What is said about whose tables these are, "" where there are none. Raises UserError where they are not ours."""
    row = connection.execute(
        "select coalesce(obj_description(to_regclass(%(facts)s), 'pg_class'), '')"
        " from (select to_regclass(%(facts)s) as there) f where there is not null",
        {"facts": f'"{schema}".facts'},
    ).fetchone()
    if row and not row[0].startswith("groundtune index"):
        raise foreign(place)
    return str(row[0]) if row else ""


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
