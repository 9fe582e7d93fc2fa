"""A PostgreSQL server: how it is reached, and what its errors mean. Its URL is shown nowhere: it holds a password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError, WorkFailed

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10


def connect(url: str, place: str) -> psycopg.Connection[Any]:
    """A connection to the server, without a transaction.

    place: names it in messages. Raises UserError where the URL is wrong or the driver is not installed.
    """
    try:
        import pgvector.psycopg  # noqa: F401
        import psycopg
        from psycopg.conninfo import make_conninfo
    except ImportError as error:
        raise UserError(f"{place}: {error.name} is not installed", "pip install 'groundtune[postgres]'") from error
    options = _options(url)
    if not options:
        raise UserError(
            f"{place}: its URL is no PostgreSQL URL",
            "postgresql://USER:PASSWORD@HOST/DATABASE; in a password, signs such as @ and / are written %40 and %2F",
        )
    try:
        # Statements are not prepared: their plans depend on the words searched for, and a rebuild swaps the tables.
        return psycopg.connect(make_conninfo("", **options), autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        said = _first_line(error)
        for secret in (str(options.get(name) or "") for name in ("password", "sslpassword")):
            said = said.replace(secret, "***") if secret else said
        hint = "see whether the server is running, and whether its URL is right"
        raise WorkFailed(f"{place}: {said}", hint) from None


def _options(url: str) -> dict[str, Any]:
    """What a URL says, empty where it says nothing of use.

    A password with a sign that should have been escaped would be read as a host, a port or a database, and be shown in
    a message about it.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:  # SQLAlchemy's names of drivers are understood
        options = conninfo_to_dict(re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", url.strip()))
    except psycopg.ProgrammingError:
        return {}
    wrong = any("@" in str(options.get(name)) for name in ("host", "dbname", "user"))
    if wrong or re.search(r"[^\d,]", str(options.get("port") or "")):
        return {}
    return {"connect_timeout": CONNECT_SECONDS, "application_name": "groundtune", **options}


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
            return WorkFailed(
                f"{place}: {said}", "see whether the server is running and can be reached, then run again"
            )


def foreign(place: str) -> UserError:
    """The error for a schema that holds other people's tables."""
    return UserError(
        f"{place} holds tables that are not groundtune's", "choose another [index] schema_name, for the index alone"
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
