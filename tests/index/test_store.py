"""The index answers any query, keeps readers apart, and says plainly when its file cannot be used."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.index.matrix import best_of
from groundtune.index.sqlite import SqliteIndex
from groundtune.types import Reader
from tests.corpus import HashingEmbedder, document, sync

Open = Callable[..., SqliteIndex]

DOCUMENTS = [
    document("kettle.md", "# Kettles\n\nA kettle boils water. Model XK-22_b costs 40 €."),
    document("naïve.md", "# Café\n\nThe naïve café serves ÖL and 茶 and 😀."),
    document("near.md", "# Near\n\nNEAR and NOT and OR are words like any other."),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteIndex]:
    """Three documents; no test changes them."""
    index = SqliteIndex(tmp_path_factory.mktemp("index"), HashingEmbedder())
    sync(index, [*DOCUMENTS])
    yield index
    index.close()


def documents(index: SqliteIndex, query: str) -> list[str]:
    return [passage.document for passage in index.passages([id for id, _ in index.search_words(query, 10)])]


@given(query=st.text())
def test_no_query_breaks_the_search(index: SqliteIndex, query: str) -> None:
    index.search_words(query, 3)
    index.search_vectors([query], 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"kettle', ["kettle.md"]),
        ("kettle*", ["kettle.md"]),
        ("boils AND NOT water", ["near.md", "kettle.md", "naïve.md"]),
        ("NEAR(kettle boils, 5)", ["near.md", "kettle.md"]),
        ("text:kettle", ["kettle.md"]),
        ("{context text} : ^kettle + -water", ["kettle.md"]),
        ("XK-22_b", ["kettle.md"]),
        ("KETTLE'S", ["kettle.md"]),
        ("boiling kettles", ["kettle.md"]),
        ("naive cafe", ["naïve.md"]),
        ("öl", ["naïve.md"]),
        ("😀", []),
        ("_", []),
        ("", []),
        ("   ", []),
        ("kettle\x00'; drop table passages; --", ["kettle.md"]),
    ],
)
def test_a_query_is_words_and_nothing_else(index: SqliteIndex, query: str, expected: list[str]) -> None:
    assert sorted(documents(index, query)) == sorted(expected)


def test_scores_fall_and_are_higher_for_better_matches(index: SqliteIndex) -> None:
    words = index.search_words("a kettle boils water and", 10)
    (vectors,) = index.search_vectors(["a kettle boils water and"], 10)
    for scored in (words, vectors):
        assert len(scored) > 1
        assert [score for _, score in scored] == sorted((score for _, score in scored), reverse=True)
        assert index.passages([scored[0][0]])[0].document == "kettle.md"


def test_a_vector_score_is_the_cosine(index: SqliteIndex) -> None:
    (passage,) = [p for p in index.all_passages() if p.document == "kettle.md"]
    (((id, cosine),),) = index.search_vectors([f"{passage.title}\n{passage.text}"], 1)
    assert id == passage.id
    assert cosine == pytest.approx(1, abs=1e-5)


def test_passages_come_in_the_order_asked_and_without_what_is_gone(index: SqliteIndex) -> None:
    ids = [passage.id for passage in index.all_passages()]
    assert [p.id for p in index.passages([*reversed(ids), 10_000])] == ids[::-1]


def test_an_empty_index_finds_nothing(open_index: Open) -> None:
    index = open_index()
    assert index.search_words("kettle", 3) == []
    assert index.search_vectors(["kettle", "water"], 3) == [[], []]
    assert index.counts() == (0, 0)


def test_documents_and_passages_are_listed_only_for_whom_they_are_open(open_index: Open) -> None:
    index = open_index()
    staff = document("staff.md", "Margins.", readers={"staff", "owners"})
    sync(index, [*DOCUMENTS, staff])
    for reader, sees in (
        (Reader(), False),
        (Reader(frozenset({"guests"})), False),
        (Reader(frozenset({"staff"})), True),
    ):
        assert ("staff.md" in index.documents(reader)) is sees
        assert ("staff.md" in {p.document for p in index.all_passages(reader)}) is sees


@pytest.mark.parametrize("group", ['a"b', "a'b", "[]", "", "%", "ünï", "null", "1"])
def test_a_group_is_compared_whole_whatever_is_in_its_name(open_index: Open, group: str) -> None:
    index = open_index()
    sync(index, [document("secret.md", "Margins.", readers={group})])
    insider = Reader(frozenset({group}))
    for outsider in (Reader(), Reader(frozenset({group + "x"})), Reader(frozenset({"a", "b", "0"}))):
        assert index.search_words("margins", 3, outsider) == []
        assert index.search_vectors(["margins"], 3, outsider) == [[]]
    assert len(index.search_words("margins", 3, insider)) == 1
    assert len(index.search_vectors(["margins"], 3, insider)[0]) == 1


def test_a_group_that_is_taken_away_no_longer_reads(open_index: Open) -> None:
    index = open_index()
    sync(index, [document("a.md", "Margins.")])
    assert len(index.search_vectors(["margins"], 3)[0]) == 1
    sync(index, [document("a.md", "Margins.", readers={"staff"})])
    assert index.search_vectors(["margins"], 3) == [[]]
    assert index.search_words("margins", 3) == []


def test_another_embedders_index_is_refused(open_index: Open) -> None:
    open_index(HashingEmbedder("one"))
    with pytest.raises(UserError, match="built with the embedder one; the config says other") as error:
        open_index(HashingEmbedder("other"))
    assert error.value.hint == 'run "groundtune sync --rebuild"'


def test_a_failed_transaction_leaves_all_as_it_was(open_index: Open) -> None:
    index = open_index()
    sync(index, [*DOCUMENTS])
    held = index.digest()
    with pytest.raises(KeyboardInterrupt), index.writing():
        index.remove("kettle.md")
        raise KeyboardInterrupt
    assert index.digest() == held
    assert documents(index, "kettle") == ["kettle.md"]


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\x00" + b"\x07" * 5000])
def test_a_file_that_is_no_index_is_named(open_index: Open, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index" / "index.sqlite"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"index\.sqlite: damaged") as error:
        open_index()
    assert "--rebuild" in error.value.hint
    assert path.read_bytes() == content


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_index_is_named_or_answers(open_index: Open, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "index" / "index.sqlite"
    index = open_index()
    sync(index, [*DOCUMENTS])
    index.close()
    draw = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(4):
        at = draw.randrange(100, len(content) - 64)
        content[at : at + 64] = draw.randbytes(64)
    path.write_bytes(content[: draw.randrange(4096, len(content))] if seed % 2 else content)
    try:
        damaged = open_index()
        documents(damaged, "kettle boils")
        damaged.search_vectors(["kettle boils"], 3)
        sync(damaged, [*DOCUMENTS])
    except UserError as error:
        assert str(path.parent) in error.message


def test_a_folder_in_the_place_of_the_index_is_named(open_index: Open, tmp_path: Path) -> None:
    (tmp_path / "index" / "index.sqlite").mkdir(parents=True)
    with pytest.raises(UserError, match=r"index\.sqlite: cannot be opened"):
        open_index()


def test_a_file_in_the_place_of_the_workspace_is_named(open_index: Open, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("not a folder")
    with pytest.raises(UserError, match="work"):
        open_index(path=tmp_path / "work" / "index")


# ---------------------------------------------------------------- the exact scan


@given(scores=st.lists(st.integers(0, 4), max_size=30), n=st.integers(1, 40))
def test_the_best_are_those_of_a_full_sort_and_equal_ones_keep_their_order(scores: list[int], n: int) -> None:
    values = np.array(scores, dtype=np.float32)
    assert best_of(values, n).tolist() == np.argsort(-values, kind="stable")[:n].tolist()


def test_any_number_of_queries_is_answered_as_each_alone(index: SqliteIndex) -> None:
    queries = ["kettle", "café", "near", "boils water", "words like any other", "naïve", "kettle"]
    together = index.search_vectors(queries, 2)
    alone = [index.search_vectors([query], 2)[0] for query in queries]
    assert [[id for id, _ in found] for found in together] == [[id for id, _ in found] for found in alone]
    assert [cosine for found in together for _, cosine in found] == pytest.approx(
        [cosine for found in alone for _, cosine in found], abs=1e-6
    )
