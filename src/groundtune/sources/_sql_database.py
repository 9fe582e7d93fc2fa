"""A database that is only read: what one query gives, all of it at one moment.

Nothing is written, on several grounds: the query must begin like a SELECT, it stands as a subquery in ours, it is one
statement, the transaction is read-only where the database knows that, and it is always rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError, WorkFailed
from groundtune.sources._sql_engine import engine, words

if TYPE_CHECKING:
    import sqlalchemy as sa

AT_ONCE = 100  # rows fetched together: a row may be large
KEYS_AT_ONCE = 500  # in one statement; some databases take no more than 1,000
STEPS = 10_000  # of SQLite's machine between two looks at the clock

_NOTHING_YET = re.compile(r"(?:\s|\(|--[^\n]*|/\*.*?\*/)*", re.DOTALL)  # before a query's first word


class Database:
    """A query on the database whose URL stands in the environment, which is looked up when it is needed."""

    def __init__(
        self, where: str, url_env: str, query: str, max_rows: int, max_seconds: float, may_be_empty: bool
    ) -> None:
        """where: how messages name the source. Raises UserError for a query that does not begin as a SELECT does."""
        self.where = where
        self.url_env = url_env
        self.query = _checked(query, where)
        self.max_rows = max_rows
        self.max_seconds = max_seconds
        self.may_be_empty = may_be_empty

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """What the query gives, as it is at one moment.

        Raises UserError for a URL or a query that is wrong, WorkFailed where the database is out of reach or too slow.
        """
        import sqlalchemy as sa

        made = engine(self.where, self.url_env)
        try:
            with self._connected(made) as connection:
                ends = monotonic() + self.max_seconds
                try:
                    _PREPARE.get(made.dialect.name, _prepare_any)(connection, self.max_seconds)
                    yield Snapshot(
                        connection.execution_options(stream_results=True, max_row_buffer=AT_ONCE), self, ends
                    )
                except sa.exc.SQLAlchemyError as error:
                    raise self._explained(error, made.url, late=monotonic() >= ends) from None
        finally:
            made.dispose()

    def too_slow(self) -> UserError:
        return WorkFailed(
            f"{self.where}: reading takes longer than max_seconds = {self.max_seconds:g}",
            "raise it, or give the database an index on what the query joins and filters by",
        )

    @contextmanager
    def _connected(self, made: sa.Engine) -> Iterator[sa.Connection]:
        import sqlalchemy as sa

        try:
            connection = made.connect()
        except (sa.exc.SQLAlchemyError, TypeError) as error:  # TypeError: an option that the driver does not know
            raise WorkFailed(
                f"{self.where}: no connection to the database: {words(error, made.url)}",
                f"is it there, and are the host, the user and the password in {self.url_env} right?",
            ) from None
        with connection:
            yield connection

    def _explained(self, error: sa.exc.SQLAlchemyError, url: sa.URL, late: bool) -> UserError:
        import sqlalchemy as sa

        if late and isinstance(error, sa.exc.OperationalError):  # the database itself speaks of an interruption
            return self.too_slow()
        if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
            return WorkFailed(
                f"{self.where}: the connection to the database was lost: {words(error, url)}", "run again"
            )
        return UserError(
            f"{self.where}: the database refuses the query: {words(error, url)}",
            "try it in the database's own shell, as a subquery: select * from (...) as q",
        )


class Snapshot:
    """What the query gives at one moment: its columns, and its rows as often as they are needed."""

    def __init__(self, connection: sa.Connection, database: Database, ends: float) -> None:
        import sqlalchemy as sa

        self._connection = connection
        self._database = database
        self._ends = ends
        # On a line of its own, for it may end in a comment. A colon would else begin a parameter.
        self._query = sa.text("\n" + database.query.replace(":", r"\:") + "\n")
        nothing = sa.select(sa.text("*")).select_from(self._query.columns().subquery("q")).where(sa.false())
        with connection.execute(nothing) as result:
            self.columns = list(result.keys())

    def rows(self, columns: Sequence[str], key: str = "", keys: Sequence[Any] | None = None) -> Iterator[Row]:
        """The named columns of all rows, or of those whose `key` is one of `keys`; never all in memory.

        Raises UserError where there are more rows than max_rows or, unless it may be empty, none.
        """
        import sqlalchemy as sa

        given = self._query.columns(*map(sa.column, columns)).subquery("q")
        query = sa.select(*(given.c[name] for name in columns))
        if keys is None:
            yield from self._all(query, columns)
            return
        for start in range(0, len(keys), KEYS_AT_ONCE):
            # Without a type of SQLAlchemy's, so that the driver gets each key back as it gave it.
            some = sa.bindparam("keys", keys[start : start + KEYS_AT_ONCE], type_=sa.types.NullType(), expanding=True)
            yield from self._fetched(query.where(given.c[key].in_(some)), columns)

    def _all(self, query: sa.Select[Any], columns: Sequence[str]) -> Iterator[Row]:
        where, most, number = self._database.where, self._database.max_rows, 0
        for number, row in enumerate(self._fetched(query, columns), start=1):
            if number > most:
                raise UserError(
                    f"{where}: the query gives more rows than max_rows = {most}",
                    "raise max_rows, unless a join has multiplied them",
                )
            yield row
        if not number and not self._database.may_be_empty:
            raise UserError(
                f"{where}: the query gives no rows; nothing was removed", "where that is right, say may_be_empty = true"
            )

    def _fetched(self, query: sa.Select[Any], columns: Sequence[str]) -> Iterator[Row]:
        with self._connection.execute(query) as result:
            for row in result:
                if monotonic() > self._ends:
                    raise self._database.too_slow()
                yield dict(zip(columns, row, strict=True))


Row = Mapping[str, Any]


def _checked(query: str, where: str) -> str:
    """A query without its last semicolon."""
    begin = _NOTHING_YET.match(query)
    first = re.match(r"\w*", query[begin.end() :] if begin else query)
    word = first[0] if first else ""
    if word.casefold() not in ("select", "with"):
        raise UserError(
            f"{where}: query begins with {word!r}; it must be one that only reads", "one SELECT, or WITH ... SELECT"
        )
    return query.rstrip().rstrip(";")


def _prepare_postgresql(connection: sa.Connection, seconds: float) -> None:
    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    connection.exec_driver_sql(f"set local statement_timeout = {max(1, int(seconds * 1000))}")
    connection.exec_driver_sql("set local time zone 'UTC'")  # a time that the query turns into text stays the same


def _prepare_sqlite(connection: sa.Connection, seconds: float) -> None:
    ends = monotonic() + seconds
    driver: Any = connection.connection.driver_connection
    driver.text_factory = lambda data: data.decode(errors="surrogateescape")  # one damaged text must not stop the rest
    driver.set_progress_handler(lambda: monotonic() > ends, STEPS)
    connection.execution_options(isolation_level="AUTOCOMMIT")  # the driver would begin no transaction for a SELECT
    connection.exec_driver_sql("pragma query_only = on")
    connection.exec_driver_sql("begin")


def _prepare_any(connection: sa.Connection, seconds: float) -> None:
    """Nothing: a transaction has begun, and is rolled back in the end."""


_PREPARE: Mapping[str, Callable[[sa.Connection, float], None]] = {
    "postgresql": _prepare_postgresql,
    "sqlite": _prepare_sqlite,
}
