"""The index in PostgreSQL: exact, whole at every moment, and plain about a server that cannot be used."""

from __future__ import annotations

import math
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.errors import UserError, WorkFailed
from groundtune.index import postgres_database, postgres_words
from groundtune.index.postgres import PostgresIndex, open_postgres, rebuilding
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.store import embedded_text
from groundtune.types import Document, Reader
from tests.corpus import HashingEmbedder, document, sync
from tests.postgres import Server, binaries, server
from tests.stores import drop, vector_server

DOCUMENTS = [
    document("kettle.md", "# Kettles\n\nA kettle boils water."),
    document("lamp.md", "# Lamps\n\nA lamp gives light, no water."),
]
OTHERS = [document("filter.md", "# Filters\n\nA filter cleans water.")]
MANY = [document(f"{n:03}.md", f"# Number {n}\n\nThe number {n}.\n\n# Next\n\nIt is {n + 1}.") for n in range(384)]


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Server:
    """A server with pgvector, which other tests use too."""
    return vector_server(request)


@pytest.fixture
def schema(running: Server) -> Iterator[str]:
    """The name of a schema that is not there yet."""
    name = f"test_{secrets.token_hex(4)}"
    yield name
    drop(running.url, name)


@pytest.fixture
def url(running: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's URL, which stands in the environment too."""
    monkeypatch.setenv("INDEX_URL", running.url)
    return running.url.replace("+psycopg", "", 1)


@pytest.fixture
def open_index(url: str, schema: str) -> Iterator[Callable[..., PostgresIndex]]:
    """Opens the index in the test's schema, with a connection of its own each time."""
    with ExitStack() as stack:

        def opener(embedder: HashingEmbedder | None = None, language: str = "english") -> PostgresIndex:
            return stack.enter_context(closing(PostgresIndex(url, embedder or HashingEmbedder(), language, schema)))

        yield opener


Open = Callable[..., PostgresIndex]


@contextmanager
def looking_into(url: str, schema: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection besides, that sees the index's tables."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("select set_config('search_path', %s, false)", [f'"{schema}", public'])
        yield db


def found(index: PostgresIndex, query: str) -> list[str]:
    return [passage.document for passage in index.passages([id for id, _ in index.search_words(query, 10)])]


def break_off(url: str) -> None:
    """Ends every other connection, as an administrator or a failing network does."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                   " where datname = current_database() and pid <> pg_backend_pid()")  # fmt: skip


# ---------------------------------------------------------------- searching

WORDS = st.sampled_from(["the", "the", "the", "water", "water", "kettle", "lamp", "quartz", "filter", "steam"])
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
GROUPS = st.frozensets(st.sampled_from(["staff", "owners"]))


@pytest.fixture(scope="module")
def refilled(request: pytest.FixtureRequest) -> Iterator[PostgresIndex]:
    """An index that every example of a property fills anew."""
    url, schema = vector_server(request).url, f"test_{secrets.token_hex(4)}"
    with closing(PostgresIndex(url, HashingEmbedder(), "none", schema)) as index:
        yield index
    drop(url, schema)


def bm25(texts: dict[str, list[str]], query: list[str]) -> dict[str, float]:
    """The scores of those of these texts that share a word with a query, by the book."""
    average = sum(map(len, texts.values())) / len(texts)
    scores: dict[str, float] = {}
    for term in dict.fromkeys(query):
        held = sum(term in text for text in texts.values())
        for id, text in texts.items():
            if tf := text.count(term):
                idf = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
                length = 1 - 0.75 + 0.75 * len(text) / average
                scores[id] = scores.get(id, 0) + idf * tf * 2.2 / (tf + 1.2 * length)
    return scores


@settings(max_examples=40)
@given(
    held=st.lists(st.tuples(TEXTS, GROUPS), min_size=1, max_size=20), groups=GROUPS, query=TEXTS, n=st.integers(1, 8)
)
def test_the_n_best_by_bm25_are_found_whichever_words_are_looked_at_first(
    refilled: PostgresIndex, held: list[tuple[str, frozenset[str]]], groups: frozenset[str], query: str, n: int
) -> None:
    sync(refilled, [document(f"{at}.md", text, readers) for at, (text, readers) in enumerate(held)])
    texts = {f"{at}.md": text.split() for at, (text, _) in enumerate(held)}
    permitted = {f"{at}.md" for at, (_, readers) in enumerate(held) if not readers or readers & groups}
    scores = {id: score for id, score in bm25(texts, query.split()).items() if id in permitted}
    for first in (postgres_words._first_try, lambda held, *_: min(1, len(held))):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(postgres_words, "_first_try", first)
            hits = refilled.search_words(query, n, Reader(groups))
        assert [score for _, score in hits] == pytest.approx(sorted(scores.values(), reverse=True)[:n])
        for passage, (_, score) in zip(refilled.passages([id for id, _ in hits]), hits, strict=True):
            assert score == pytest.approx(scores[passage.document])


def test_common_words_are_looked_at_only_where_rarer_ones_were_found(open_index: Open) -> None:
    index = open_index()
    sync(index, MANY)
    first = postgres_words._first_try([2, 384, 768], [10.0, 1.0, 0.1], [11.1, 1.1, 0.1, 0], 2)
    assert first == 1
    assert found(index, "It is the 17")[:2] == ["017.md", "016.md"]


def test_words_and_their_scores_are_those_of_the_embedded_index(open_index: Open, tmp_path: Path) -> None:
    ours, embedded = open_index(), SqliteIndex(tmp_path / "index", HashingEmbedder())
    for index in (ours, embedded):
        sync(
            index, [*MANY[:100], *DOCUMENTS, document("naïve.md", "The Café's naïve kettles; XK-22_b. 茶 10.5 and and")]
        )
    for query in ("kettles", "the number 17", "naive cafe", "xk 22", "AND", "茶", "10", "boiling water"):
        scores = []
        for index in (ours, embedded):
            hits = dict(index.search_words(query, 1000))
            scores.append({p.document + str(p.start): hits[p.id] for p in index.passages(list(hits))})
        assert scores[0] == pytest.approx(scores[1], rel=1e-4)
        assert scores[0]
    assert ours.digest() == embedded.digest()
    embedded.close()


def test_the_nearest_are_those_of_a_full_scan(open_index: Open) -> None:
    index = open_index()
    sync(index, MANY)
    passages = index.all_passages()
    vectors = HashingEmbedder().embed([embedded_text(passage) for passage in passages])
    queries = ["the number 17", "it is 30", "kettle"]
    for query, hits in zip(HashingEmbedder().embed(queries), index.search_vectors(queries, 20), strict=True):
        cosines = np.sort(vectors @ query)[::-1]
        assert [cosine for _, cosine in hits] == pytest.approx(cosines[:20].tolist(), abs=1e-6)


def test_a_vector_is_kept_to_the_bit(open_index: Open) -> None:
    index = open_index()
    sync(index, DOCUMENTS)
    texts = [embedded_text(passage) for passage in index.all_passages()]
    made = HashingEmbedder().embed(texts)
    assert index.vectors_of(texts) == {text: row.tobytes() for text, row in zip(texts, made, strict=True)}


def test_a_nul_which_the_server_cannot_store_is_marked_and_the_rest_is_found(open_index: Open) -> None:
    index = open_index()
    sync(index, [replace(document("odd.md", ""), text="A ket\0tle boils."), *DOCUMENTS])
    assert index.documents()["odd.md"] == "A ket\ufffdtle boils."
    assert found(index, "ket") == ["odd.md"]


def test_in_another_language_words_are_found_after_the_next_sync(open_index: Open) -> None:
    sync(open_index(), DOCUMENTS)
    plain = open_index(language="none")
    assert found(plain, "kettles") == []
    sync(plain, DOCUMENTS)
    assert found(plain, "kettles") == ["kettle.md"]
    assert found(plain, "boiling") == []
    assert plain.faults() == []
    assert found(open_index(), "kettles") == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("delete from postings where tf > 2", "words: 2 passages are missing, 0 are too many"),
        ("update passages set died = 1 where document = 'lamp.md'", "words: 0 passages are missing, 1 are too many"),
        ("update terms set passages = 5 where term = 'water'", "numbers of passages of 1 words"),
        ("update totals set words = 1", "numbers of passages of 0 words, or of all, are wrong"),
        ("delete from vectors where passage = 1", "vectors: 1 passages are missing, 0 are too many"),
        ("update passages set died = 1", "vectors: 0 passages are missing, 2 are too many"),
    ],
)
def test_damage_inside_is_named(open_index: Open, url: str, schema: str, damage: str, fault: str) -> None:
    index = open_index()
    sync(index, DOCUMENTS)
    assert index.faults() == []
    with looking_into(url, schema) as db:
        db.execute(damage.encode())
    assert any(fault in one for one in index.faults()), index.faults()


# ---------------------------------------------------------------- one writer, whole states


def test_others_see_a_transaction_whole_or_not_at_all(open_index: Open) -> None:
    writer, reader = open_index(), open_index()
    sync(writer, DOCUMENTS)
    with writer.writing():
        writer.remove("kettle.md")
        assert found(reader, "kettle water") == ["kettle.md", "lamp.md"]
        assert len(reader.search_vectors(["kettle"], 5)[0]) == 2
    assert found(reader, "kettle water") == ["lamp.md"]


def test_a_writer_waits_for_another_one_but_not_for_ever(open_index: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = open_index(), open_index()
    monkeypatch.setattr(postgres_database, "PATIENCE", 0.1)
    with one.writing(), pytest.raises(WorkFailed, match="another process is writing to it"), other.writing():
        pass
    with other.writing():
        pass


def test_two_syncs_at_once_make_what_one_makes(open_index: Open, url: str, schema: str) -> None:
    indexes = [open_index(), open_index()]
    failed: list[BaseException] = []

    def run(index: PostgresIndex, documents: list[Document]) -> None:
        try:
            sync(index, documents)
        except BaseException as error:  # noqa: BLE001 (of a thread: told below)
            failed.append(error)

    threads = [
        threading.Thread(target=run, args=(index, documents))
        for index, documents in zip(indexes, (MANY, MANY[::-1]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert indexes[0].faults() == []
    assert len(indexes[0].documents()) == len(MANY)
    assert content(url, schema) == content_of_a_fresh_one(url, schema, MANY)


def test_what_is_forgotten_leaves_nothing_behind(open_index: Open, url: str, schema: str) -> None:
    index = open_index()
    for n in range(30):
        sync(index, [document("a.md", f"Version {n} of this one.")])
    with looking_into(url, schema) as db:
        for table, rows in (("passages", 1), ("vectors", 1), ("documents", 1), ("syncs", 1), ("totals", 1)):
            assert db.execute(f"select count(*) from {table}".encode()).fetchone() == (rows,), table
        assert (
            db.execute("select count(*) from terms").fetchone()
            == db.execute("select count(*) from postings").fetchone()
        )
        assert db.execute("select * from totals").fetchone() == (1, 5)


# ---------------------------------------------------------------- a server that fails


def test_a_lost_connection_is_made_anew(open_index: Open, url: str) -> None:
    index = open_index()
    sync(index, DOCUMENTS)
    for use in (
        lambda: found(index, "kettle"),
        lambda: index.search_vectors(["kettle"], 1),
        index.counts,
        lambda: sync(index, [*DOCUMENTS, *OTHERS]),
    ):
        break_off(url)
        assert use()
    assert found(index, "filter") == ["filter.md"]


def test_a_connection_lost_in_the_middle_of_writing_loses_that_transaction_alone(open_index: Open, url: str) -> None:
    index = open_index()
    sync(index, DOCUMENTS)
    with pytest.raises(WorkFailed, match="PostgreSQL schema test_"), index.writing():
        index.remove("kettle.md")
        break_off(url)
        index.remove("lamp.md")
    assert found(index, "kettle lamp") == ["kettle.md", "lamp.md"]
    assert sync(index, [*DOCUMENTS, *OTHERS]).added == ["filter.md"]


def test_a_server_that_was_restarted_is_used_again() -> None:
    folder = binaries("vector")
    if folder is None:
        pytest.skip("no PostgreSQL server with pgvector is installed")
    with server(folder) as own:
        own.execute("create extension vector")
        with closing(PostgresIndex(own.url, HashingEmbedder())) as index:
            sync(index, DOCUMENTS)
            control(folder, own, "stop")
            with pytest.raises(WorkFailed, match="PostgreSQL schema groundtune: ") as error:
                found(index, "kettle")
            assert own.password not in error.value.message + error.value.hint
            control(folder, own, "start")
            try:
                assert found(index, "kettle") == ["kettle.md"]
                assert sync(index, [*DOCUMENTS, *OTHERS]).added == ["filter.md"]
            finally:
                control(folder, own, "stop")


def control(folder: Path, own: Server, verb: str) -> None:
    """Stops a server, or starts it again."""
    owner = (own.folder / "data").stat()
    user: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    command: list[str | Path] = [folder / "pg_ctl", verb, "-w", "-D", own.folder / "data"]
    command += ["-m", "fast"] if verb == "stop" else ["-l", own.folder / "again", "-o", f"-k {own.folder} -h ''"]
    done = subprocess.run(command, cwd=own.folder, capture_output=True, text=True, **user)
    assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------- what cannot be used is named


def test_a_missing_url_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INDEX_URL", raising=False)
    with pytest.raises(UserError, match="the environment variable INDEX_URL is not set") as error:
        open_postgres("INDEX_URL", "groundtune", HashingEmbedder(), "english")
    assert error.value.hint.startswith("export INDEX_URL=postgresql://")


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://user:hush@hush@localhost/base",
        "postgresql://user:hush/hush@localhost/base",
        "postgresql://user:12/hush@localhost/base",
        "postgresql://user:hush%zz@localhost/base",
        "postgresql://user:hush@localhost:hush/base",
        "sqlite:///hush",
        "hush",
        "postgresql://user:hush@127.0.0.1:1/base",
    ],
)
def test_no_message_shows_what_a_url_holds(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("INDEX_URL", wrong)
    with pytest.raises(UserError) as error:
        open_postgres("INDEX_URL", "groundtune", HashingEmbedder(), "english")
    assert "hush" not in error.value.message + error.value.hint
    assert error.value.message.startswith("PostgreSQL schema groundtune: ")


def test_a_wrong_password_is_refused_and_not_shown(running: Server) -> None:
    wrong = running.url.replace(quote(running.password), "wrong")
    with pytest.raises(WorkFailed, match="password authentication failed") as error:
        PostgresIndex(wrong, HashingEmbedder())
    assert "wrong" not in error.value.message.replace("PostgreSQL", "")


@pytest.mark.parametrize("name", ["psycopg", "pgvector"])
def test_a_missing_driver_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"{name}.* is not installed|is not installed") as error:
        PostgresIndex(url, HashingEmbedder())
    assert error.value.hint == "pip install 'groundtune[postgres]'"


def test_a_database_without_pgvector_says_what_to_do(running: Server, url: str) -> None:
    running.execute("create database bare")
    try:
        with pytest.raises(UserError, match="no extension pgvector") as error:
            PostgresIndex(url.replace("/postgres?", "/bare?"), HashingEmbedder())
        assert 'create extension vector"' in error.value.hint
    finally:
        running.execute("drop database bare")


@pytest.mark.parametrize("name", ["", "public", "pg_own", "a-b", 'a"; drop', "ä", "1a", "a" * 51])
def test_a_schema_that_cannot_be_ours_is_refused(url: str, name: str) -> None:
    with pytest.raises(UserError, match=r"schema_name = .* cannot be the index's schema"):
        PostgresIndex(url, HashingEmbedder(), "english", name)


def test_tables_of_others_are_never_touched(url: str, schema: str) -> None:
    for theirs in ("facts", "documents"):
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(f"create schema {schema}; create table {schema}.{theirs} (id text)".encode())
            with pytest.raises(UserError, match="holds tables that are not groundtune's"):
                PostgresIndex(url, HashingEmbedder(), "english", schema)
            assert db.execute(f"select count(*) from {schema}.{theirs}".encode()).fetchone() == (0,)
            db.execute(f"drop schema {schema} cascade".encode())


def test_another_versions_tables_are_refused(open_index: Open, url: str, schema: str) -> None:
    open_index()
    with looking_into(url, schema) as db:
        db.execute("comment on table facts is 'groundtune index 0'")
    with pytest.raises(UserError, match="was made by another version of groundtune") as error:
        open_index()
    assert error.value.hint == 'run "groundtune sync --rebuild"'


def test_a_user_without_rights_is_told_so_and_may_still_search(open_index: Open, running: Server, schema: str) -> None:
    sync(open_index(), DOCUMENTS)
    running.execute(f"create role {schema} login password 'guest'")
    try:
        guest = running.url.replace(f"tester:{quote(running.password)}", f"{schema}:guest")
        with pytest.raises(UserError, match="permission denied for schema"):
            PostgresIndex(guest, HashingEmbedder(), "english", schema)
        running.execute(f"grant usage on schema {schema} to {schema}")
        running.execute(f"grant select on all tables in schema {schema} to {schema}")
        with closing(PostgresIndex(guest, HashingEmbedder(), "english", schema)) as index:
            assert found(index, "kettle") == ["kettle.md"]
            assert len(index.search_vectors(["kettle"], 5)[0]) == 2
            with pytest.raises(UserError, match="permission denied") as error:
                sync(index, OTHERS)
        assert "create and write" in error.value.hint
    finally:
        running.execute(f"drop owned by {schema}")
        running.execute(f"drop role {schema}")


# ---------------------------------------------------------------- made anew


def test_a_rebuilt_index_takes_the_old_ones_place_at_its_end(open_index: Open, url: str, schema: str) -> None:
    reader = open_index()
    sync(reader, DOCUMENTS)
    with rebuilding("INDEX_URL", schema, HashingEmbedder(), "english") as made:
        assert made.counts() == (0, 0)
        sync(made, OTHERS)
        assert found(reader, "water") == ["kettle.md", "lamp.md"]
    assert found(reader, "water") == ["filter.md"]
    assert reader.faults() == []
    assert sync(reader, [*OTHERS, *DOCUMENTS]).added == ["kettle.md", "lamp.md"]
    assert schemas(url, schema) == [schema]


def test_the_first_index_can_be_a_rebuilt_one(open_index: Open, schema: str, url: str) -> None:
    with rebuilding("INDEX_URL", schema, HashingEmbedder(), "english") as made:
        sync(made, DOCUMENTS)
    assert found(open_index(), "kettle") == ["kettle.md"]


def test_a_rebuild_that_fails_leaves_the_old_index_and_nothing_else(open_index: Open, url: str, schema: str) -> None:
    index = open_index()
    sync(index, DOCUMENTS)
    with pytest.raises(KeyboardInterrupt), rebuilding("INDEX_URL", schema, HashingEmbedder(), "english") as made:
        sync(made, OTHERS)
        raise KeyboardInterrupt
    with pytest.raises(WorkFailed), rebuilding("INDEX_URL", schema, HashingEmbedder(), "english") as made:
        sync(made, OTHERS)
        break_off(url)
        sync(made, OTHERS)
    assert found(index, "water") == ["kettle.md", "lamp.md"]
    with rebuilding("INDEX_URL", schema, HashingEmbedder(), "english") as made:  # over what was left there
        sync(made, OTHERS)
    assert found(index, "water") == ["filter.md"]
    assert schemas(url, schema) == [schema]


def test_one_rebuild_at_a_time(open_index: Open, schema: str) -> None:
    sync(open_index(), DOCUMENTS)
    with (
        rebuilding("INDEX_URL", schema, HashingEmbedder(), "english") as made,
        pytest.raises(WorkFailed, match="another process is rebuilding it"),
        rebuilding("INDEX_URL", schema, HashingEmbedder(), "english"),
    ):
        pass
    assert made.embedder.name == "hashing"


def test_an_index_of_another_embedder_or_version_can_be_made_anew(open_index: Open, url: str, schema: str) -> None:
    old = open_index()
    sync(old, DOCUMENTS)
    with looking_into(url, schema) as db:
        db.execute("comment on table facts is 'groundtune index 0'")
    other = HashingEmbedder("other", 32)
    with rebuilding("INDEX_URL", schema, other, "english") as made:
        sync(made, OTHERS)
    assert found(open_index(other), "water") == ["filter.md"]
    with pytest.raises(UserError, match="built with the embedder other"):
        old.search_vectors(["water"], 3)


def schemas(url: str, schema: str) -> list[str]:
    with psycopg.connect(url) as db:
        rows = db.execute("select nspname from pg_namespace where starts_with(nspname, %s)", [schema]).fetchall()
    return [name for (name,) in rows]


# ---------------------------------------------------------------- killed

SYNC = """
import sys
from groundtune.index.postgres import PostgresIndex
from tests.corpus import HashingEmbedder, sync
from tests.index.test_postgres import edition

documents = edition(int(sys.argv[3]))
index = PostgresIndex(sys.argv[1], HashingEmbedder(), "english", sys.argv[2])
print("begins", flush=True)
sync(index, documents)
print("done", flush=True)
"""


def edition(number: int) -> list[Document]:
    """The documents of the day: some are new, some changed, some gone, some closed."""
    draw = random.Random(number)
    return [
        document(f"{n:03}.md", f"# Number {n}\n\nThe number {n}, {draw.randrange(3)}.\n\n# Next\n\nIt is {n + 1}.",
                 readers=draw.choice([(), (), ("staff",)]))
        for n in range(384) if draw.random() < 0.9
    ]  # fmt: skip


def content(url: str, schema: str) -> list[Any]:
    """All that an index holds now, but for its numbers and times."""
    with looking_into(url, schema) as db:
        return [
            db.execute(query).fetchall()
            for query in (
                """select d.id, source, version, title, metadata, text, readers from documents d
                   join audiences a on a.id = audience order by d.id""",
                """select document, start, "end", heading, page, text, version, key, words, a.readers, b.readers,
                   v.vector::text from passages p join vectors v on v.passage = p.id and v.alive
                   join audiences a on a.id = p.audience join audiences b on b.id = v.audience
                   where died is null order by document, start""",
                """select t.term, p.document, p.start, tf, length, a.readers, t.passages
                   from postings g join terms t on t.id = g.term join passages p on p.id = g.passage
                   join audiences a on a.id = g.audience order by 1, 2, 3""",
                "select * from totals",
            )
        ]


def content_of_a_fresh_one(url: str, schema: str, documents: list[Document]) -> list[Any]:
    with closing(PostgresIndex(url, HashingEmbedder(), "english", f"{schema}_fresh")) as fresh:
        sync(fresh, documents)
    return content(url, f"{schema}_fresh")


@pytest.mark.slow
def test_a_killed_sync_loses_nothing_and_the_next_one_completes_it(open_index: Open, url: str, schema: str) -> None:
    draw, took, ended = random.Random(3), 1.0, Counter[str]()
    for number in range(10):
        command = [sys.executable, "-c", SYNC, url, schema, str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout
            assert process.stdout.readline() == "begins\n"
            began = time.monotonic()
            if number:  # the first one is to say how long one takes
                time.sleep(draw.random() * took)
                process.kill()
            ended["done" if process.stdout.readline() else "killed"] += 1
            took = took if number else time.monotonic() - began
        index = open_index()
        assert index.faults() == []
        assert len(index.search_vectors(["number"], 1000, Reader(frozenset({"staff"})))[0]) == index.counts()[1]
        if number % 3 == 2:
            sync(index, edition(number))
            assert content(url, schema) == content_of_a_fresh_one(url, schema, edition(number))
            drop(url, f"{schema}_fresh")
    assert ended["killed"] >= 5
