"""The index, wherever it is kept, answers any query and keeps readers apart."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.index.store import embedded_text
from groundtune.index.sync import sync as sync_all
from groundtune.times import now
from groundtune.types import EVERYONE, Document, Reader
from tests.corpus import Given, HashingEmbedder, document, sync
from tests.stores import STORES, AnyStore, OpenStore, opening

DOCUMENTS = [
    document("kettle.md", "# Kettles\n\nA kettle boils water. Model XK-22_b costs 40 €."),
    document("naïve.md", "# Café\n\nThe naïve café serves ÖL and 茶 and 😀."),
    document("near.md", "# Near\n\nNEAR and NOT and OR are words like any other."),
]


@pytest.fixture(scope="module", params=STORES)
def index(request: pytest.FixtureRequest) -> Iterator[AnyStore]:
    """Three documents; no test changes them."""
    with opening(request.param, request) as opener:
        index = opener()
        sync(index, [*DOCUMENTS])
        yield index


def documents(index: AnyStore, query: str) -> list[str]:
    return [passage.document for passage in index.passages([id for id, _ in index.search_words(query, 10)])]


@given(query=st.text())
def test_no_query_breaks_the_search(index: AnyStore, query: str) -> None:
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
def test_a_query_is_words_and_nothing_else(index: AnyStore, query: str, expected: list[str]) -> None:
    assert sorted(documents(index, query)) == sorted(expected)


def test_scores_fall_and_are_higher_for_better_matches(index: AnyStore) -> None:
    words = index.search_words("a kettle boils water and", 10)
    (vectors,) = index.search_vectors(["a kettle boils water and"], 10)
    for scored in (words, vectors):
        assert len(scored) > 1
        assert [score for _, score in scored] == sorted((score for _, score in scored), reverse=True)
        assert index.passages([scored[0][0]])[0].document == "kettle.md"


def test_a_vector_score_is_the_cosine(index: AnyStore) -> None:
    (passage,) = [p for p in index.all_passages() if p.document == "kettle.md"]
    (((id, cosine),),) = index.search_vectors([f"{passage.title}\n{passage.text}"], 1)
    assert id == passage.id
    assert cosine == pytest.approx(1, abs=1e-5)


def test_passages_come_in_the_order_asked_and_without_what_is_gone(index: AnyStore) -> None:
    ids = [passage.id for passage in index.all_passages()]
    assert [p.id for p in index.passages([*reversed(ids), 10_000])] == ids[::-1]


def test_an_empty_index_finds_nothing(open_store: OpenStore) -> None:
    index = open_store()
    assert index.search_words("kettle", 3) == []
    assert index.search_vectors(["kettle", "water"], 3) == [[], []]
    assert index.counts() == (0, 0)


def test_documents_and_passages_are_listed_only_for_whom_they_are_open(open_store: OpenStore) -> None:
    index = open_store()
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
def test_a_group_is_compared_whole_whatever_is_in_its_name(open_store: OpenStore, group: str) -> None:
    index = open_store()
    sync(index, [document("secret.md", "Margins.", readers={group})])
    insider = Reader(frozenset({group}))
    for outsider in (Reader(), Reader(frozenset({group + "x"})), Reader(frozenset({"a", "b", "0"}))):
        assert index.search_words("margins", 3, outsider) == []
        assert index.search_vectors(["margins"], 3, outsider) == [[]]
    assert len(index.search_words("margins", 3, insider)) == 1
    assert len(index.search_vectors(["margins"], 3, insider)[0]) == 1


def test_a_group_that_is_taken_away_no_longer_reads(open_store: OpenStore) -> None:
    index = open_store()
    sync(index, [document("a.md", "Margins.")])
    assert len(index.search_vectors(["margins"], 3)[0]) == 1
    sync(index, [document("a.md", "Margins.", readers={"staff"})])
    assert index.search_vectors(["margins"], 3) == [[]]
    assert index.search_words("margins", 3) == []


def test_another_embedders_index_is_refused(open_store: OpenStore) -> None:
    open_store(HashingEmbedder("one"))
    with pytest.raises(UserError, match="built with the embedder one; the config says other") as error:
        open_store(HashingEmbedder("other"))
    assert error.value.hint == 'run "groundtune sync --rebuild"'


def test_a_failed_transaction_leaves_all_as_it_was(open_store: OpenStore) -> None:
    index = open_store()
    sync(index, [*DOCUMENTS])
    held = index.digest()
    with pytest.raises(KeyboardInterrupt), index.writing():
        index.remove("kettle.md")
        raise KeyboardInterrupt
    assert index.digest() == held
    assert documents(index, "kettle") == ["kettle.md"]


def test_any_number_of_queries_is_answered_as_each_alone(index: AnyStore) -> None:
    queries = ["kettle", "café", "near", "boils water", "words like any other", "naïve", "kettle"]
    together = index.search_vectors(queries, 2)
    alone = [index.search_vectors([query], 2)[0] for query in queries]
    assert [[id for id, _ in found] for found in together] == [[id for id, _ in found] for found in alone]
    assert [cosine for found in together for _, cosine in found] == pytest.approx(
        [cosine for found in alone for _, cosine in found], abs=1e-6
    )


# ---------------------------------------------------------------- time

FIRST, SECOND, THIRD = (f"2026-11-2{day}T00:00:00.000+00:00" for day in (1, 2, 3))


def synced(index: AnyStore, moment: str, documents: Sequence[Document], keep: int = 10) -> None:
    """A sync that begins at a time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("groundtune.index.sync.now", lambda: moment)
        sync_all(index, {"given": Given(*documents)}, 200, keep=keep)


def test_an_earlier_state_is_searched_as_it_was(open_store: OpenStore) -> None:
    index = open_store()
    assert index.knowledge_as_of() == ""
    synced(index, FIRST, DOCUMENTS)
    synced(index, SECOND, [document("kettle.md", "# Kettles\n\nA kettle whistles."), *DOCUMENTS[2:]])
    synced(index, THIRD, DOCUMENTS[2:])
    assert index.knowledge_as_of() == THIRD
    for moment, boils, whistles, serves in ((FIRST, 1, 0, 1), (SECOND, 0, 1, 0), (THIRD, 0, 0, 0)):
        then = index.as_of(moment)
        found = [len(then.search_words(query, 5, EVERYONE)) for query in ("boils", "whistles", "serves")]
        assert found == [boils, whistles, serves]
        (hits,) = then.search_vectors(["kettle boils whistles"], 5, EVERYONE)
        assert len(then.passages([id for id, _ in hits])) == 1 + (boils or whistles) + serves


def test_what_was_open_then_and_is_closed_now_stays_closed(open_store: OpenStore) -> None:
    index = open_store()
    synced(index, FIRST, [document("a.md", "Margins."), document("b.md", "Margins too.", readers={"staff"})])
    synced(index, SECOND, [document("a.md", "Margins.", readers={"staff"}), document("b.md", "Margins too.")])
    then = index.as_of(FIRST)
    for reader, seen in ((EVERYONE, 0), (Reader(frozenset({"guests"})), 0), (Reader(frozenset({"staff"})), 2)):
        assert len(then.search_words("margins", 5, reader)) == seen
        assert len(then.search_vectors(["margins"], 5, reader)[0]) == seen


def test_states_that_are_kept_no_longer_cannot_be_asked(open_store: OpenStore) -> None:
    index = open_store()
    with pytest.raises(UserError, match="does not know what it held at 2026-11-21"):
        index.as_of(FIRST)
    for n, moment in enumerate((FIRST, SECOND, THIRD)):
        synced(index, moment, [document("a.md", f"It is {n}.")], keep=1)
    assert len(index.as_of(SECOND).search_words("1", 5, EVERYONE)) == 1
    with pytest.raises(UserError, match="does not know what it held at 2026-11-21") as error:
        index.as_of(FIRST)
    assert f"the earliest state that is kept is of {SECOND}" in error.value.hint
    assert index.vectors_of(["It is 0."]) == {}


def test_the_vectors_are_those_of_the_passages_that_the_reader_may_read(open_store: OpenStore) -> None:
    index = open_store()
    sync(index, [*DOCUMENTS, document("staff.md", "Margins.", readers={"staff"})])
    for reader, many in ((EVERYONE, 3), (Reader(frozenset({"staff"})), 4)):
        ids, vectors = index.vectors(reader)
        passages = index.passages(ids.tolist())
        assert len(passages) == many
        expected = HashingEmbedder().embed([embedded_text(passage) for passage in passages])
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_what_was_closed_and_then_removed_stays_closed_in_earlier_states(open_store: OpenStore) -> None:
    index = open_store()
    for documents in (
        [*DOCUMENTS, document("plan.md", "Margins.")],
        [*DOCUMENTS, document("plan.md", "Margins.", readers={"staff"})],
        DOCUMENTS,
    ):
        sync_all(index, {"given": Given(*documents)}, 200, keep=5)
        time.sleep(0.005)
        if len(documents) == 4 and not documents[-1].readers:
            moment = now()
            time.sleep(0.005)
    earlier = index.as_of(moment)
    assert earlier.search_words("margins", 3, EVERYONE) == []
    assert len(earlier.search_words("margins", 3, Reader(frozenset({"staff"})))) == 1
