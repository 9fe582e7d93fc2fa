"""What a search finds: the right passages, best first, never one that the reader may not read."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune import plug
from groundtune.errors import UserError
from groundtune.index.sqlite import SqliteIndex
from groundtune.types import Document, Hit, Passage, Reader, Retriever
from tests.corpus import HashingEmbedder, document, sync

Open = Callable[..., SqliteIndex]

KINDS = ["dense", "hybrid", "lexical"]
DOCUMENTS = [
    document("kettle.md", "# Kettles\n\nA kettle boils water."),
    document("lamp.md", "# Lamps\n\nA lamp gives light, no water."),
    document("filter.md", "# Filters\n\nA filter cleans water before a kettle boils it."),
]


def retriever(kind: str, index: SqliteIndex, **options: Any) -> Retriever:
    made: Retriever = plug.make("retrieve", kind, options, index, where="[retrieve]")
    return made


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.document for hit in hits]


@pytest.fixture
def index(open_index: Open) -> SqliteIndex:
    index = open_index()
    sync(index, [*DOCUMENTS])
    return index


def test_the_folder_holds_these_kinds() -> None:
    assert plug.kinds("retrieve") == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_passage_that_says_it_comes_first(index: SqliteIndex, kind: str) -> None:
    lamp, filters = retriever(kind, index).search(["what gives light", "what cleans water"], 2)
    assert names(lamp)[0] == "lamp.md"
    assert names(filters)[0] == "filter.md"
    assert [hit.score for hit in filters] == sorted((hit.score for hit in filters), reverse=True)
    assert all(DOCUMENTS[2].text[p.start : p.end] == p.text for p in [filters[0].passage])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("queries", [[], [""], ["", "kettle"], ["zebra"]])
def test_there_is_one_list_of_hits_a_query(index: SqliteIndex, kind: str, queries: list[str]) -> None:
    found = retriever(kind, index).search(queries, 2)
    assert [len(hits) > 0 for hits in found] == ["kettle" in query for query in queries]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_gives_no_hits(open_index: Open, kind: str) -> None:
    assert retriever(kind, open_index()).search(["kettle", "lamp"], 2) == [[], []]


@pytest.mark.parametrize("kind", ["dense", "hybrid"])
def test_what_is_too_far_from_every_passage_finds_nothing(index: SqliteIndex, kind: str) -> None:
    assert retriever(kind, index, min_similarity=0.99).search(["a kettle, perhaps"], 2) == [[]]
    assert retriever(kind, index, min_similarity=-1).search(["zebra"], 2) != [[]]


@pytest.mark.parametrize(("weight", "like"), [(0.0, "lexical"), (1.0, "dense")])
def test_the_weight_goes_from_words_alone_to_vectors_alone(index: SqliteIndex, weight: float, like: str) -> None:
    query = ["a filter, a kettle and a lamp in the light"]
    (alone,) = retriever(like, index).search(query, 3)
    (fused,) = retriever("hybrid", index, weight=weight).search(query, 3)
    assert names(fused) == names(alone)
    assert len(alone) == 3


def test_a_fused_score_is_made_of_its_parts(index: SqliteIndex) -> None:
    (fused,) = retriever("hybrid", index, weight=0.25).search(["a kettle boils water"], 3)
    words = {hit.passage.id: hit.score for hit in retriever("lexical", index).search(["a kettle boils water"], 3)[0]}
    assert {hit.passage.id: hit.parts["words"] for hit in fused} == words
    assert fused[0].score == 1  # the best by words and by vectors
    assert all(0 <= hit.score <= 1 and -1 <= hit.parts["vectors"] <= 1 for hit in fused)


def test_one_kind_of_score_alone_is_enough_to_be_found(index: SqliteIndex) -> None:
    """By words alone only two passages are found; the vectors add the third."""
    assert len(retriever("lexical", index).search(["kettle"], 3)[0]) == 2
    assert len(retriever("hybrid", index, min_similarity=-1).search(["kettle"], 3)[0]) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_passage_that_a_sync_removes_in_the_middle_of_a_search_is_left_out(open_index: Open, kind: str) -> None:
    class Overtaken(SqliteIndex):
        """An index that changes after it was searched and before its passages are read."""

        def passages(self, ids: Sequence[int]) -> list[Passage]:
            sync(self, DOCUMENTS[:2])
            return super().passages(ids)

    overtaken = Overtaken(open_index().folder, HashingEmbedder())
    sync(overtaken, [*DOCUMENTS])
    (hits,) = retriever(kind, overtaken).search(["a filter cleans water before a kettle boils it"], 3)
    overtaken.close()
    assert names(hits) == ["kettle.md", "lamp.md"]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("hybrid", {"weight": 1.5}, r"\[retrieve\] weight = 1\.5: "),
        ("dense", {"min_similarity": "near"}, r"\[retrieve\] min_similarity = 'near': "),
        ("lexical", {"weight": 0.5}, r"\[retrieve\] weight is unknown for kind = 'lexical'; one of: none"),
        ("bm26", {}, r"\[retrieve\] kind = 'bm26' is unknown; one of: dense, hybrid, lexical"),
    ],
)
def test_a_wrong_option_is_named(index: SqliteIndex, kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        retriever(kind, index, **options)


GROUPS = st.frozensets(st.sampled_from(["staff", "owners", "sales"]))
TEXTS = st.lists(st.sampled_from(["kettle", "lamp", "filter", "water"]), min_size=1, max_size=5).map(" ".join)


@contextmanager
def holding(documents: Sequence[Document]) -> Iterator[SqliteIndex]:
    """An index of these documents, for the length of one example."""
    with tempfile.TemporaryDirectory() as folder:
        index = SqliteIndex(Path(folder), HashingEmbedder())
        sync(index, [*documents])
        yield index
        index.close()


@settings(max_examples=40)
@given(
    held=st.lists(st.tuples(TEXTS, GROUPS), min_size=1, max_size=12), groups=GROUPS, query=TEXTS, k=st.integers(1, 6)
)
def test_a_reader_gets_k_passages_and_none_that_is_closed_to_them(
    held: list[tuple[str, frozenset[str]]], groups: frozenset[str], query: str, k: int
) -> None:
    documents = [document(f"{n}.md", text, readers) for n, (text, readers) in enumerate(held)]
    permitted = {d.id for d in documents if not d.readers or d.readers & groups}
    sharing = {d.id for d in documents if set(d.text.split()) & set(query.split())}
    with holding(documents) as index:
        for kind, options, findable in (
            ("lexical", {}, permitted & sharing),
            ("dense", {"min_similarity": -1}, permitted),
            ("hybrid", {"min_similarity": -1}, permitted),
        ):
            (hits,) = retriever(kind, index, **options).search([query], k, Reader(groups))
            assert set(names(hits)) <= findable
            assert len(hits) == min(k, len(findable))
