"""The same for SQLite and a real PostgreSQL server: what changed is read, what did not is not, nothing is written."""

import gc
import json
import re
import secrets
import sqlite3
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune import parse, plug
from groundtune.errors import UserError, WorkFailed
from groundtune.sources import sql
from groundtune.sources._sql_database import Database
from groundtune.sources._sql_engine import words
from groundtune.sources._sql_rows import groups
from groundtune.types import Document, LeftOut, Source, Unchanged
from tests.postgres import Server

TIMES = [f"2026-11-22 10:{minute:02}:00" for minute in range(0, 60, 5)]
FIVE = [(n, f"Title {n}", f"Body of {n}.", TIMES[n], "*") for n in range(1, 6)]


@dataclass
class Base:
    """A database that a test may change, as its owner does."""

    url: str

    def __post_init__(self) -> None:
        self._engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")

    @property
    def is_postgres(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def run(self, statement: str, *rows: tuple[Any, ...]) -> list[Any]:
        """Runs a statement once, or for each row of values; in it, a question mark stands for a value."""
        if self.is_postgres:
            statement = statement.replace("%", "%%").replace("?", "%s")
        with self._engine.connect() as connection:
            result = connection.exec_driver_sql(statement, list(rows) or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    def articles(self, rows: list[Any] = FIVE, time: str = "text") -> None:
        """A table of articles, with a column of this type for their time."""
        self.run(f"create table articles (id integer, title text, body text, updated_at {time}, groups text)")
        if rows:
            self.run("insert into articles values (?, ?, ?, ?, ?)", *rows)

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Base]:
    """An empty database, its URL in the environment."""
    (tmp_path / "base.sqlite").touch()
    yield from opened(f"sqlite:///{tmp_path / 'base.sqlite'}", monkeypatch)


@pytest.fixture
def postgres(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Base]:
    yield from opened(postgres_url, monkeypatch)


@pytest.fixture(params=["sqlite", "postgres"])
def base(request: pytest.FixtureRequest) -> Base:
    """Either."""
    found: Base = request.getfixturevalue(request.param)
    return found


def opened(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Base]:
    monkeypatch.setenv("BASE_URL", url)
    base = Base(url)
    yield base
    base.close()


ARTICLES: dict[str, Any] = {
    "url_env": "BASE_URL",
    "query": "select id, title, body, updated_at from articles",
    "key": "id",
    "title": "title",
    "text": "body",
}
TIMED = ARTICLES | {"updated_at": "updated_at"}
CLOSED = TIMED | {"query": "select * from articles", "readers": "groups"}


def make(options: dict[str, Any]) -> Source:
    source: Source = plug.make("sources", "sql", options, parse, where="[[sources]]")
    return source


@dataclass
class Follower:
    """Keeps what a source gives, as the index does; `read`, `same`, `gone` are the ids of the last sync."""

    options: dict[str, Any]
    documents: dict[str, Document] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    same: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)

    def sync(self) -> "Follower":
        missed: list[LeftOut] = []
        known = {id: document.stamp for id, document in self.documents.items()}
        found = list(make(self.options).documents(known, missed.append))
        new = {one.id: one for one in found if isinstance(one, Document)}
        self.read, self.same = set(new), {one.id for one in found if isinstance(one, Unchanged)}
        assert len(found) == len(self.read) + len(self.same), "an id was given twice"
        self.gone = known.keys() - self.read - self.same
        self.documents = {id: self.documents[id] for id in self.same} | new
        self.left_out = {one.id: one.reason for one in missed}
        return self

    def texts(self) -> dict[str, str]:
        return {id: document.text for id, document in self.documents.items()}


def ids(*keys: object) -> set[str]:
    return {f"sql/{key}" for key in keys}


def fails(options: dict[str, Any]) -> UserError:
    with pytest.raises(UserError) as caught:
        Follower(options).sync()
    return caught.value


# ---------------------------------------------------------------- what changed


def test_a_row_is_a_document(base: Base) -> None:
    base.articles([(7, "A  lamp\n", "First.\r\n\r\nSecond.", "2026-11-22T11:00:00+01:00", "staff, admin")])
    documents = Follower(CLOSED | {"prefix": "shop"}).sync().documents
    (document,) = documents.values()
    assert (document.id, document.title, document.text) == ("shop/7", "A lamp", "First.\n\nSecond.")
    assert document.changed == "2026-11-22T10:00:00+00:00"
    assert document.readers == {"staff", "admin"}
    assert document.sections == ()


@pytest.mark.parametrize("options", [ARTICLES, TIMED], ids=["by digest", "by time"])
def test_a_sync_gives_what_is_new_or_changed_and_says_what_is_as_it_was(base: Base, options: dict[str, Any]) -> None:
    base.articles()
    follower = Follower(options).sync()
    assert follower.read == ids(1, 2, 3, 4, 5)
    assert follower.sync().same == ids(1, 2, 3, 4, 5)

    base.run("update articles set body = 'Edited.', updated_at = ? where id = 2", (TIMES[7],))
    base.run("delete from articles where id = 3")
    base.run("insert into articles values (6, 'Late', 'An old row that came late.', ?, '*')", (TIMES[0],))
    base.run("update articles set id = 40 where id = 4")
    assert follower.sync().read == ids(2, 6, 40)
    assert follower.same == ids(1, 5)
    assert follower.gone == ids(3, 4)
    assert follower.texts() == Follower(options).sync().texts()
    assert follower.texts()["sql/2"] == "Edited."
    assert follower.sync().read == set()


def test_rows_that_did_not_change_are_not_fetched(base: Base) -> None:
    base.articles()
    follower = Follower(TIMED | {"query": "select * from readable"})
    base.run("create view readable as select id, title, body, updated_at from articles")
    follower.sync()
    base.run("update articles set body = 'Edited.', updated_at = ? where id = 1", (TIMES[8],))
    base.run("drop view readable")
    # To read the body of any other row is an error now. 5 is the latest: it may have changed again since.
    broken = "cast(cast(body as json) as text)" if base.is_postgres else "json(body)"
    base.run(
        "create view readable as select id, title, updated_at, "
        f"case when id in (1, 5) then body else {broken} end as body from articles"
    )
    assert follower.sync().read == ids(1)
    assert follower.same == ids(2, 3, 4, 5)
    assert "json" in fails(follower.options).message.casefold()


@pytest.mark.parametrize("some", [2, 2_000], ids=["all rows", "by key"])
def test_many_changed_rows_are_read_whichever_way(base: Base, monkeypatch: pytest.MonkeyPatch, some: int) -> None:
    monkeypatch.setattr(sql, "SOME", some)
    base.articles([])
    rows = "with recursive n(n) as (select 1 union all select n + 1 from n where n < 1200) "
    base.run(f"insert into articles {rows} select n, 'T', 'Body ' || n, '2026-01-01', '*' from n")
    follower = Follower(TIMED).sync()
    base.run("update articles set updated_at = '2026-01-02', body = body || '!' where id <= 1100")
    assert len(follower.sync().read) == 1_100
    assert len(follower.same) == 100
    assert follower.texts() == Follower(TIMED).sync().texts()


def test_a_second_edit_within_the_latest_tick_is_noticed(base: Base) -> None:
    base.articles()
    follower = Follower(TIMED).sync()
    base.run("update articles set body = 'Edited again.' where id = 5")
    assert follower.sync().read == ids(5)
    assert follower.texts()["sql/5"] == "Edited again."


def test_writers_clocks_may_differ(base: Base) -> None:
    base.articles([(1, "T", "One.", "2026-11-22 10:00:01", "*"), (2, "T", "Two.", "2026-11-22 10:00:20", "*")])
    follower = Follower(TIMED).sync()
    base.run("update articles set body = 'Edited again within its second.' where id = 1")
    assert follower.sync().read == ids(1)


def test_an_edit_whose_time_lies_before_the_latest_one_is_noticed(base: Base) -> None:
    base.articles()
    follower = Follower(TIMED).sync()  # it saw 5, of a later time than that of a transaction which ends only now
    base.run("update articles set body = 'Slow.', updated_at = ? where id = 1", (TIMES[2],))
    base.run("update articles set body = 'Restored.', updated_at = ? where id = 4", (TIMES[0],))
    assert follower.sync().read == ids(1, 4)


def test_a_time_in_the_future_hides_nothing(base: Base) -> None:
    base.articles([*FIVE, (9, "Planned", "Not yet.", "2999-01-01 00:00:00", "*")])
    follower = Follower(TIMED).sync()
    base.run("update articles set body = 'Edited again.' where id in (5, 9)")
    assert follower.sync().read == ids(5, 9)


def test_a_row_without_a_time_is_compared_by_its_text(base: Base) -> None:
    base.articles([*FIVE, (6, "T", "Timeless.", None, "*")])
    follower = Follower(TIMED).sync()
    assert follower.documents["sql/6"].changed == ""
    assert follower.sync().same == ids(1, 2, 3, 4, 5, 6)
    base.run("update articles set body = 'Other.' where id = 6")
    assert follower.sync().read == ids(6)


@pytest.mark.parametrize(
    ("type", "before", "later", "changed"),
    [
        ("timestamp", "2026-03-01 08:00:00.123456", "2026-03-01 08:00:00.123457", "2026-03-01T08:00:00+00:00"),
        ("timestamp with time zone", "2026-03-01T08:00:00+01:00", "2026-03-02T08:00:00Z", "2026-03-01T07:00:00+00:00"),
        ("date", "2026-03-01", "2026-03-02", "2026-03-01T00:00:00+00:00"),
        ("bigint", 1_772_352_000, 1_772_352_001, "2026-03-01T08:00:00+00:00"),
        ("bigint", 1_772_352_000_000, 1_772_352_000_001, "2026-03-01T08:00:00+00:00"),
        ("double precision", 1_772_352_000.25, 1_772_352_000.5, "2026-03-01T08:00:00+00:00"),
        ("numeric(12, 2)", 41.5, 42, ""),
        ("integer", 9, 10, ""),
        ("text", "2026-03-01T08:00:00.123456789Z", "2026-03-01T08:00:00.123456790Z", "2026-03-01T08:00:00+00:00"),
        ("text", "rev-0009", "rev-0010", ""),
    ],
)
def test_any_column_that_changes_with_its_row_can_be_the_time(
    base: Base, type: str, before: Any, later: Any, changed: str
) -> None:
    base.articles([(1, "T", "One.", before, "*"), (2, "T", "Two.", later, "*")], type)
    follower = Follower(TIMED).sync()
    assert follower.documents["sql/1"].changed == changed
    assert follower.sync().same == ids(1, 2)
    base.run("update articles set body = 'Edited.', updated_at = ? where id = 1", (later,))
    assert follower.sync().read == ids(1)
    assert follower.sync().same == ids(1, 2)
    base.run("update articles set body = 'Edited within the same tick.' where id = 2")
    assert follower.sync().read == ids(2)


def test_times_far_from_now_are_times_too(postgres: Base) -> None:
    postgres.articles([(1, "T", "For ever.", "9999-12-31 23:59:59-12", "*"), (2, "T", "Old.", "0001-01-01", "*")])
    postgres.run("alter table articles alter updated_at type timestamptz using updated_at::timestamptz")
    follower = Follower(TIMED)
    with pytest.raises(UserError, match="timestamp too large"):  # the driver's limit: the year 10,000 in UTC
        follower.sync()
    postgres.run("update articles set updated_at = '9999-12-31 12:00:00Z' where id = 1")
    assert follower.sync().sync().same == ids(1, 2)


@pytest.mark.parametrize("options", [ARTICLES, TIMED], ids=["by digest", "by time"])
def test_rows_whose_stamps_say_nothing_any_more_are_read(base: Base, options: dict[str, Any]) -> None:
    base.articles()
    stamps = {one.id: one.stamp for one in Follower(options).sync().documents.values()}
    for emptied in (stamps.keys(), ids(2)):
        missed: list[LeftOut] = []
        found = list(make(options).documents(stamps | dict.fromkeys(emptied, ""), missed.append))
        assert missed == []
        assert {one.id for one in found} == stamps.keys()
        assert emptied <= {one.id for one in found if isinstance(one, Document)}


def test_a_change_of_the_config_reads_every_row_again(base: Base) -> None:
    base.articles()
    follower = Follower(TIMED).sync()
    follower.options = CLOSED
    assert follower.sync().read == ids(1, 2, 3, 4, 5)
    assert follower.sync().same == ids(1, 2, 3, 4, 5)
    follower.options = CLOSED | {"text": ["title", "body"]}
    assert follower.sync().texts()["sql/1"] == "Title 1\n\nBody of 1."


def test_a_known_row_that_can_no_longer_be_read_is_gone(base: Base) -> None:
    base.articles()
    follower = Follower(TIMED).sync()
    base.run("update articles set body = '  ', updated_at = ? where id = 1", (TIMES[9],))
    follower.sync()
    assert follower.gone == ids(1)
    assert follower.left_out == {"sql/1": "it holds no text"}


operations = st.lists(
    st.tuples(st.sampled_from(["put", "put", "delete", "sync"]), st.integers(1, 4), st.sampled_from("abc")), max_size=30
)


@settings(max_examples=20)
@given(operations=operations, options=st.sampled_from([ARTICLES, TIMED]))
def test_after_any_changes_a_sync_knows_what_a_first_one_would_read(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, str]], options: dict[str, Any]
) -> None:
    file = tmp_path_factory.mktemp("base") / "base.sqlite"
    options = options | {"may_be_empty": True}
    follower = Follower(options)
    with pytest.MonkeyPatch.context() as patch, sqlite3.connect(file, isolation_level=None) as connection:
        patch.setenv("BASE_URL", f"sqlite:///{file}")
        connection.execute("create table articles (id integer primary key, title text, body text, updated_at integer)")
        for tick, (operation, id, body) in enumerate([*operations, ("sync", 0, "")]):
            if operation == "put":  # three changes share a tick
                connection.execute("replace into articles values (?, 'T', ?, ?)", (id, body, tick // 3))
            elif operation == "delete":
                connection.execute("delete from articles where id = ?", (id,))
            else:
                follower.sync()
                assert follower.documents == Follower(options).sync().documents
    connection.close()


# ---------------------------------------------------------------- who may read


def test_a_column_names_who_may_read(base: Base) -> None:
    written = {
        "*": set[str](),
        '["*"]': set(),
        " staff ": {"staff"},
        "staff, admin": {"staff", "admin"},
        '["staff", "night shift"]': {"staff", "night shift"},
    }
    base.articles([(n, "T", "Text.", TIMES[n], readers) for n, readers in enumerate(written)])
    documents = Follower(CLOSED).sync().documents
    assert [set(documents[f"sql/{n}"].readers) for n in range(len(written))] == list(written.values())


def test_a_row_whose_readers_are_not_clear_is_left_out(base: Base) -> None:
    unclear = [
        None,
        "",
        "  ",
        ",",
        "staff,",
        "*,staff",
        "[]",
        "[",
        '["staff", null]',
        '[["staff"]]',
        '{"a": 1}',
        "{a,b}",
    ]
    base.articles([(n, "T", "Text.", TIMES[0], readers) for n, readers in enumerate(unclear)])
    follower = Follower(CLOSED | {"may_be_empty": True}).sync()
    assert follower.read == set()
    assert follower.left_out.keys() == ids(*range(len(unclear)))
    assert all("its readers" in reason for reason in follower.left_out.values())


@pytest.mark.parametrize("expression", ["string_to_array(groups, '+')", "to_jsonb(string_to_array(groups, '+'))"])
def test_readers_may_be_an_array(postgres: Base, expression: str) -> None:
    postgres.articles([(1, "T", "Text.", TIMES[0], "staff+admin"), (2, "T", "Text.", TIMES[0], "*")])
    query = f"select id, title, body, updated_at, {expression} as groups from articles"
    follower = Follower(CLOSED | {"query": query}).sync()
    assert follower.documents["sql/1"].readers == {"staff", "admin"}
    assert follower.documents["sql/2"].readers == set()


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.lists(st.none() | st.text(max_size=3))
    | st.binary()
)
def test_nothing_but_the_sign_for_everyone_opens_a_row(value: Any) -> None:
    for form in (value, json.dumps(value) if not isinstance(value, bytes) else value):
        try:
            named = groups(form)
        except ValueError:
            continue
        assert named or re.fullmatch(
            r'\s*(\*|\[\s*"\s*\*\s*"\s*\])\s*', form if isinstance(form, str) else json.dumps(form)
        )


@pytest.mark.parametrize("known", [False, True])
def test_a_row_whose_key_another_row_has_is_left_out_where_readers_count(base: Base, known: bool) -> None:
    base.articles()
    follower = Follower(CLOSED)
    if known:
        follower.sync()
    base.run("insert into articles select id, title, body, updated_at, 'staff' from articles where id = 1")
    assert follower.sync().documents.keys() == ids(2, 3, 4, 5)
    assert "readers are not clear" in follower.left_out["sql/1"]
    assert follower.sync().same == ids(2, 3, 4, 5)


def test_new_readers_are_noticed_whatever_the_time_says(base: Base) -> None:
    base.articles()
    follower = Follower(CLOSED).sync()
    base.run("update articles set groups = 'staff' where id = 1")
    assert follower.sync().read == ids(1)
    assert follower.documents["sql/1"].readers == {"staff"}


def test_a_column_of_readers_that_the_config_does_not_speak_of_is_an_error(base: Base) -> None:
    base.articles()
    error = fails(TIMED | {"query": "select id, title, body, updated_at, groups as readers from articles"})
    assert "who may read" in error.message


# ---------------------------------------------------------------- nothing is written

WRITING = [
    "delete from articles returning id, body",
    "/* select */ -- select\n delete from articles returning id, body",
    "with gone as (delete from articles returning *) select id, body from gone",
    "select id, body from articles; delete from articles",
    "select id, body from articles) as q; delete from articles; --",
    "select id, body from articles) as q; commit; delete from articles; --",
    "attach 'other.sqlite' as other",
    "pragma user_version = 7",
    "drop table articles",
    "",
]


def test_a_query_that_writes_is_refused(base: Base) -> None:
    base.articles()
    for query in WRITING:
        error = fails({"url_env": "BASE_URL", "query": query, "key": "id"})
        assert "query" in error.message
        assert base.run("select count(*) from articles") == [(5,)]


def test_a_function_that_writes_is_refused(postgres: Base) -> None:
    postgres.articles()
    postgres.run("create sequence counter")
    postgres.run("create function clear() returns int language sql as 'delete from articles; select 1'")
    for writing in ("nextval('counter')", "set_config('transaction_read_only', 'off', true)", "clear()"):
        error = fails({"url_env": "BASE_URL", "query": f"select 1 as id, {writing} as body", "key": "id"})
        assert re.search("read-only transaction|read-write mode must be set before", error.message)
    assert postgres.run("select count(*) from articles") == [(5,)]


def test_a_sqlite_connection_itself_refuses_to_write(sqlite: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite.articles()
    monkeypatch.setenv("BASE_URL", sqlite.url.replace("sqlite:///", "sqlite:///file:") + "?uri=true")  # not mode=ro
    database = Database("here", "BASE_URL", ARTICLES["query"], max_rows=9, max_seconds=9, may_be_empty=False)
    with pytest.raises(UserError, match="readonly database"), database.snapshot() as snapshot:
        snapshot._connection.exec_driver_sql("delete from articles")


def test_a_wrong_path_makes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", f"sqlite:///{tmp_path / 'nowhere.sqlite'}")
    assert "unable to open database file" in fails(ARTICLES).message
    assert list(tmp_path.iterdir()) == []


def test_a_sqlite_file_in_use_with_a_strange_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "what? 100% #1.sqlite"
    monkeypatch.setenv("BASE_URL", sa.URL.create("sqlite", database=str(file)).render_as_string())
    connection = sqlite3.connect(file)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table articles as select 1 as id, 'T' as title, 'Text.' as body, null as updated_at")
    connection.commit()
    assert Follower(TIMED).sync().read == ids(1)
    connection.close()


@pytest.fixture
def at_second_statement() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Does something between the first look at the rows and the second."""
    hooks: list[Any] = []

    def install(action: Callable[[], object]) -> None:
        seen: list[str] = []

        def before(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if "FROM (" in statement:
                seen.append(statement)
                if len(seen) == 3:  # the columns, the states, then the rows
                    action()

        hooks.append(before)
        sa.event.listen(sa.Engine, "before_cursor_execute", before)

    yield install
    for hook in hooks:
        sa.event.remove(sa.Engine, "before_cursor_execute", hook)


def test_all_is_read_as_it_was_at_one_moment(
    base: Base, at_second_statement: Callable[[Callable[[], object]], None]
) -> None:
    if not base.is_postgres:
        base.run("pragma journal_mode = wal")
    base.articles()
    follower = Follower(TIMED).sync()
    base.run("update articles set body = 'Second.', updated_at = ?", (TIMES[8],))
    at_second_statement(lambda: base.run("update articles set body = 'Third.', updated_at = ?", (TIMES[9],)))
    assert set(follower.sync().texts().values()) == {"Second."}
    assert set(follower.sync().texts().values()) == {"Third."}


def test_the_database_is_let_go_before_the_first_document(base: Base) -> None:
    base.articles()
    documents = make(TIMED).documents({}, lambda _: None)
    next(documents)
    base.run("delete from articles")  # SQLite refuses that to a second one while somebody reads
    if base.is_postgres:
        others = (
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
            "and backend_type = 'client backend'"
        )
        until = time.monotonic() + 10  # the server takes a moment to end what was closed
        while base.run(others) != [(0,)]:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert len(list(documents)) == 4


def test_the_rows_are_never_all_in_memory(base: Base) -> None:
    rows = "with recursive n(n) as (select 1 union all select n + 1 from n where n < 500) "
    body = "repeat('words ', 8000)" if base.is_postgres else "printf('%.*c', 48000, 'x')"
    options = {"url_env": "BASE_URL", "query": f"{rows} select n, n || {body} as body from n", "key": "n"}
    tracemalloc.start()
    total = sum(len(one.text) for one in make(options).documents({}, lambda _: None) if isinstance(one, Document))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 24_000_000
    assert peak < 16_000_000


def test_a_full_disk_is_said(sqlite: Base, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    rows = "with recursive n(n) as (select 1 union all select n + 1 from n where n < 100) "
    query = f"{rows} select n, printf('%.*c', 48000, 'x') as body from n"
    with pytest.raises(WorkFailed, match="the disk is full"):
        Follower({"url_env": "BASE_URL", "query": query, "key": "n"}).sync()


# ---------------------------------------------------------------- queries, keys and values


def test_percent_signs_colons_and_comments_mean_what_they_mean(base: Base) -> None:
    body = r"50% of a:b, %s, %(x)s, :y and \:z ?"
    base.articles([(1, "T", body, TIMES[0], "*")])
    key = "id::text" if base.is_postgres else "id"
    query = f"""-- a: %(comment)s
        select {key} as id, body, ':y %s \\:z %%' as more /* :b */ from articles where body like '50%:y%' -- :end %s"""
    follower = Follower({"url_env": "BASE_URL", "query": query, "key": "id", "text": ["body", "more"]}).sync()
    assert follower.texts() == {"sql/1": body + "\n\n" + r":y %s \:z %%"}


def test_a_last_semicolon_is_no_matter(base: Base) -> None:
    base.articles()
    assert len(Follower(TIMED | {"query": TIMED["query"] + " ;\n"}).sync().read) == 5


def test_names_of_columns_may_be_anything(base: Base) -> None:
    base.run('create table t ("Article No" integer, "order" text, "50% : x" text)')
    base.run("insert into t values (1, 'An order.', 'A value.')")
    options = {"url_env": "BASE_URL", "query": "select * from t", "key": "article no"}
    assert Follower(options).sync().texts() == {"sql/1": "order: An order.\n50% : x: A value."}


def test_without_a_text_column_all_others_are_named(base: Base) -> None:
    long = "A long story. " * 10
    blob = "bytea" if base.is_postgres else "blob"
    base.run(f"create table t (id integer, name text, price numeric, note text, photo {blob}, empty text, added date)")
    base.run("insert into t values (1, 'Lamp', 3.5, ?, ?, ' ', '2026-11-01')", (long, b"\0\1"))
    follower = Follower({"url_env": "BASE_URL", "query": "select * from t", "key": "id"}).sync()
    assert follower.texts() == {"sql/1": f"name: Lamp\nprice: 3.5\n\nnote: {long.strip()}\n\nadded: 2026-11-01"}
    follower.options |= {"text": "photo"}
    assert follower.sync().left_out == {"sql/1": "its column photo holds binary data"}
    assert follower.gone == ids(1)


def test_values_are_written_as_a_person_would(postgres: Base) -> None:
    values = """select 1 as id, true as fit, 1e20::numeric as much, '2026-11-22 10:00+02'::timestamptz as at,
        '{"sizes": [1, 2], "ü": null}'::jsonb as more, array['a', 'b'] as tags, '08:30'::time as opens,
        'e0000000-0000-0000-0000-000000000001'::uuid as code"""
    text = Follower({"url_env": "BASE_URL", "query": values, "key": "id"}).sync().documents["sql/1"].text
    assert text == (
        "fit: true\nmuch: 100000000000000000000\nat: 2026-11-22 08:00:00+00:00\n"
        'more: {"ü": null, "sizes": [1, 2]}\ntags: ["a", "b"]\nopens: 08:30:00\n'
        "code: e0000000-0000-0000-0000-000000000001"
    )


@pytest.mark.parametrize(
    ("type", "key", "id"),
    [
        ("bigint", 9_007_199_254_740_993, "9007199254740993"),
        ("text", "a/b ü", "a/b ü"),
        ("uuid", "e0000000-0000-0000-0000-000000000001", "e0000000-0000-0000-0000-000000000001"),
        ("char(5)", "ab", "ab   "),
        ("numeric(30, 0)", "12345678901234567890123", "12345678901234567890123"),
        ("numeric(5, 2)", 1.5, "1.50"),
    ],
)
def test_a_key_may_be_text_or_a_number(postgres: Base, type: str, key: Any, id: str) -> None:
    postgres.articles(FIVE[:2])
    postgres.run(f"alter table articles add code {type}")
    postgres.run("update articles set code = ? where id = 1", (key,))
    options = TIMED | {"query": "select * from articles where code is not null", "key": "code"}
    follower = Follower(options).sync()
    assert follower.read == ids(id)
    postgres.run("update articles set body = 'Edited.', updated_at = ?", (TIMES[9],))
    assert follower.sync().texts() == {f"sql/{id}": "Edited."}


@pytest.mark.parametrize("again", [False, True])
def test_a_row_that_has_no_key_of_its_own_is_left_out_and_named(base: Base, again: bool) -> None:
    base.articles([*FIVE, (2, "Again", "A second row.", TIMES[8], "*"), (None, "T", "Nobody's.", TIMES[0], "*")])
    follower = Follower(TIMED).sync()
    if again:
        follower.sync()
    assert follower.documents.keys() == ids(1, 2, 3, 4, 5)
    assert follower.left_out.keys() == {"sql"}


def test_why_rows_have_no_key_of_their_own_is_said(sqlite: Base) -> None:
    sqlite.run("create table t (id, body)")
    keys = (1, "1", None, None, "", b"\1", "a\nb")
    sqlite.run("insert into t values (?, 'Text.')", *((key,) for key in keys))
    missed: list[LeftOut] = []
    found = list(make({"url_env": "BASE_URL", "query": "select * from t", "key": "id"}).documents({}, missed.append))
    assert len(found) == 1
    assert {one.reason for one in missed} == {
        "1 of its rows, whose key another row has (id: '1')",
        "3 of its rows, without a key (id: None, '')",
        "1 of its rows, whose key is neither text nor a number but bytes (id: b'\\x01')",
        "1 of its rows, whose key holds control characters or is no valid text (id: 'a\\nb')",
    }


def test_one_damaged_row_does_not_stop_the_others(sqlite: Base) -> None:
    sqlite.articles()
    sqlite.run("update articles set body = cast(x'4cff' as text) where id = 1")
    sqlite.run("update articles set body = 'a' || char(0) || 'b' where id = 2")
    sqlite.run("update articles set title = cast(x'ff' as text) where id = 3")
    follower = Follower(TIMED).sync()
    assert follower.read == ids(4, 5)
    assert follower.left_out.keys() == ids(1, 2, 3)


# ---------------------------------------------------------------- errors


def test_an_unknown_column_is_an_error_that_lists_the_columns(base: Base) -> None:
    base.articles()
    for option in ("key", "text", "title", "updated_at", "readers"):
        error = fails(TIMED | {option: "bodyy"})
        assert f"{option} = 'bodyy'" in error.message
        assert "id, title, body, updated_at" in error.message


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select id, titel from articles", "titel"),
        ("select id from nowhere", "nowhere"),
        ("select id fromm articles", "articles"),
        ("select id, body, title as id from articles", "two columns named id"),
        ("select id, body from articles where id > 9", "no rows; nothing was removed"),
    ],
)
def test_a_query_that_cannot_be_run_is_an_error_that_says_why(base: Base, query: str, said: str) -> None:
    base.articles()
    error = fails({"url_env": "BASE_URL", "query": query, "key": "id"})
    assert said in error.message
    assert "BASE_URL" in error.message


def test_an_empty_query_may_be_meant(base: Base) -> None:
    base.articles()
    follower = Follower(TIMED).sync()
    base.run("delete from articles")
    with pytest.raises(UserError, match="no rows"):
        follower.sync()
    follower.options = TIMED | {"may_be_empty": True}
    assert follower.sync().gone == ids(1, 2, 3, 4, 5)


def test_more_rows_than_max_rows_are_an_error(base: Base) -> None:
    base.articles()
    assert "max_rows = 4" in fails(TIMED | {"max_rows": 4}).message
    assert len(Follower(TIMED | {"max_rows": 5}).sync().sync().same) == 5


def test_a_query_that_takes_too_long_is_broken_off(base: Base) -> None:
    endless = "with recursive n(n) as (select 1 union all select n + 1 from n) select max(n) as id from n"
    error = fails({"url_env": "BASE_URL", "query": endless, "key": "id", "max_seconds": 0.3})
    assert isinstance(error, WorkFailed)
    assert "max_seconds = 0.3" in error.message


@pytest.mark.filterwarnings("ignore:.*ServerCursor:pytest.PytestUnraisableExceptionWarning")  # SQLAlchemy leaves it so
def test_a_connection_that_breaks_loses_nothing(
    postgres: Base, at_second_statement: Callable[[Callable[[], object]], None]
) -> None:
    postgres.articles()
    follower = Follower(TIMED).sync()
    postgres.run("update articles set updated_at = ?", (TIMES[9],))
    others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    at_second_statement(lambda: postgres.run(f"select pg_terminate_backend(pid, 5000) {others}"))
    with pytest.raises(WorkFailed, match="connection to the database was lost"):
        follower.sync()
    assert follower.sync().read == ids(1, 2, 3, 4, 5)
    gc.collect()  # what SQLAlchemy left is told of here, not in the next test


PASSWORD = "s3cr3t-" + secrets.token_hex(4)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "BASE_URL is not set"),
        (f"postgresql:tester:{PASSWORD}@host/name", "no database URL"),
        (f"postgresql://tester:{PASSWORD}@host:port/name", "no database URL"),
        (f"postgresql://tester:@{PASSWORD}@host/name", "no database URL"),
        (f"postgresql://tester:ge@{PASSWORD}/x@127.0.0.1/name", "no database URL"),
        (f"postgresql://tester@/{PASSWORD}@127.0.0.1:9/name", "no database URL"),
        (f"postgresql://te@ster:{PASSWORD}@127.0.0.1:9/name", "no database URL"),
        (f"postgresql:///tester:ge@{PASSWORD}/name", "no database URL"),
        (f"postgresql://te%40ster:{PASSWORD}%40@127.0.0.1:9/name", "no connection"),
        (f"postgres://tester:{PASSWORD}@host/name", "postgres://"),
        (f"mysql://tester:{PASSWORD}@host/name", "MySQLdb"),
        (f"sqlite+aiosqlite:///{PASSWORD}", "aiosqlite"),
        (f"postgresql://tester:{PASSWORD}@127.0.0.1:9/name", "no connection"),
        (f"postgresql://tester@127.0.0.1:9/name?password={PASSWORD}", "no connection"),
        (f"postgresql://tester:{PASSWORD}@127.0.0.1/name?no_such_option=1", "no_such_option"),
        (f"sqlite:///nowhere?password={PASSWORD}", "no connection"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("BASE_URL", url)
    error = fails(ARTICLES)
    assert said in error.message
    assert PASSWORD not in error.message + error.hint
    assert PASSWORD not in repr(error.__cause__)


def test_how_to_write_a_password_with_such_signs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "postgresql://tester:ge@heim@host/name")
    assert "@ and / are written %40 and %2F" in fails(ARTICLES).hint


def test_a_password_is_not_repeated_whatever_the_driver_says() -> None:
    url = sa.URL.create("postgresql", "tester", "p@ss word", "host", query={"sslpassword": "0ther"})
    error = ValueError("bad: postgresql://tester:p%40ss%20word@host?sslpassword=0ther (p@ss word)\nmore")
    assert words(error, url) == "bad: postgresql://tester:***@host?sslpassword=*** (***)"


def test_a_missing_driver_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "mysql://tester@host/name")
    assert fails(ARTICLES).hint == 'pip install "mysqlclient"'


def test_a_wrong_password_is_said(
    postgres_servers: Callable[[str | None], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = sa.make_url(postgres_servers(None).url)
    wrong = right.set(password=PASSWORD).render_as_string(hide_password=False)
    monkeypatch.setenv("BASE_URL", wrong)
    error = fails(ARTICLES)
    assert isinstance(error, WorkFailed)
    assert "password authentication failed" in error.message
    assert PASSWORD not in error.message
    monkeypatch.setenv("BASE_URL", right.set(database="nowhere").render_as_string(hide_password=False))
    assert '"nowhere" does not exist' in fails(ARTICLES).message


def test_options_are_checked() -> None:
    for wrong in ({"prefix": "a b"}, {"max_rows": 0}, {"max_seconds": 0}, {"text": 3}, {"reader": "groups"}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            make(ARTICLES | wrong)
