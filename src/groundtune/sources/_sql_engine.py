"""The database whose URL stands in the environment. The URL is shown nowhere: it holds a password."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from groundtune.errors import UserError

if TYPE_CHECKING:
    import sqlalchemy as sa

CONNECT_SECONDS = 10

# The package that brings a driver, where it has another name than the module.
PACKAGES = {
    "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python",
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
}
_SECRET = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)


def engine(where: str, url_env: str) -> sa.Engine:
    """An engine for the URL in an environment variable; nothing is connected yet.

    where: how messages name the source. Raises UserError for a URL that is missing or wrong, or a driver that is.
    """
    import sqlalchemy as sa

    url = _url(where, url_env)
    try:
        made = sa.create_engine(_careful(url), poolclass=sa.NullPool)
    except sa.exc.NoSuchModuleError:
        raise UserError(
            f"{where}: {url.drivername}:// is no database that can be reached from here",
            "PostgreSQL is postgresql://..., MySQL mysql+pymysql://...; others need their SQLAlchemy dialect",
        ) from None
    except ImportError as error:
        module = (error.name or url.get_driver_name()).partition(".")[0]
        raise UserError(
            f"{where}: the database's driver, {module}, is not installed",
            f'pip install "{PACKAGES.get(module, module)}"',
        ) from None
    if made.dialect.is_async:
        raise UserError(
            f"{where}: {url.drivername}:// names an asynchronous driver",
            "name another one; for PostgreSQL postgresql+psycopg://...",
        )
    return made


def words(error: Exception, url: sa.URL) -> str:
    """The first line of what the driver says, without what is secret in the URL."""
    import sqlalchemy as sa

    driver = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    said = next((line.strip() for line in str(driver).splitlines() if line.strip()), type(driver).__name__)
    options = ((name, value) for name, values in url.normalized_query.items() for value in values)
    secrets = {str(url.password or ""), *(value for name, value in options if _SECRET.search(name))} - {""}
    for secret in secrets | {quote(secret, safe="") for secret in secrets}:
        said = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", said)
    return said[:300]


def _url(where: str, url_env: str) -> sa.URL:
    import sqlalchemy as sa

    value = os.environ.get(url_env, "").strip()
    example = f"export {url_env}=postgresql://USER:PASSWORD@HOST/DATABASE"
    if not value:
        raise UserError(f"{where}: the environment variable {url_env} is not set", example)
    try:
        url = sa.make_url(value)
        if _is_torn(sa.make_url(value.replace("%40", ""))):
            raise ValueError("a sign @ that is not escaped")
    except (sa.exc.ArgumentError, ValueError):  # both would show what they read
        raise UserError(
            f"{where}: what {url_env} holds is no database URL",
            f"{example}; in a password, signs such as @ and / are written %40 and %2F",
        ) from None
    return url


def _is_torn(url: sa.URL) -> bool:
    """Whether a "@" stands where none can: then a password was cut at its own, and messages would show the rest."""
    if url.get_backend_name() == "sqlite" and not url.host:  # a path
        return False
    return any("@" in (part or "") for part in (url.host, url.database, url.username))


def _careful(url: sa.URL) -> sa.URL:
    """The URL with what its driver must be told: a wrong path shall not make a database, nor a dead host hang us."""
    driver = url.get_driver_name()
    if driver == "pysqlite" and url.database not in (None, "", ":memory:") and "uri" not in url.query:
        file = "file:" + quote(str(Path(url.database or "").absolute()))
        return url.set(database=file).update_query_dict({"mode": "ro", "uri": "true"})
    if driver in ("psycopg", "psycopg2") and "connect_timeout" not in url.query:
        return url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    return url
