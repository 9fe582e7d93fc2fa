"""What a search finds: the right passages, best first, never one that the reader may not read."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune import plug
from groundtune.errors import UserError
from groundtune.types import Hit, Passage, Reader, Retriever
from tests.corpus import document, sync
from tests.stores import STORES, AnyStore, OpenStore, opening

KINDS = ["dense", "hybrid", "lexical"]
DOCUMENTS = [
    document("kettle.md", "# Kettles\n\nA kettle boils water."),
    document("lamp.md", "# Lamps\n\nA lamp gives light, no water."),
    document("filter.md", "# Filters\n\nA filter cleans water before a kettle boils it."),
]


def retriever(kind: str, index: AnyStore, **options: Any) -> Retriever:
    made: Retriever = plug.make("retrieve", kind, options, index, where="[retrieve]")
    return made


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.document for hit in hits]


@pytest.fixture
def index(open_store: OpenStore) -> AnyStore:
    index = open_store()
    sync(index, [*DOCUMENTS])
    return index


def test_the_folder_holds_these_kinds() -> None:
    assert plug.kinds("retrieve") == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_passage_that_says_it_comes_first(index: AnyStore, kind: str) -> None:
    lamp, filters = retriever(kind, index).search(["what gives light", "what cleans water"], 2)
    assert names(lamp)[0] == "lamp.md"
    assert names(filters)[0] == "filter.md"
    assert [hit.score for hit in filters] == sorted((hit.score for hit in filters), reverse=True)
    assert all(DOCUMENTS[2].text[p.start : p.end] == p.text for p in [filters[0].passage])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("queries", [[], [""], ["", "kettle"], ["zebra"]])
def test_there_is_one_list_of_hits_a_query(index: AnyStore, kind: str, queries: list[str]) -> None:
    found = retriever(kind, index).search(queries, 2)
    assert [len(hits) > 0 for hits in found] == ["kettle" in query for query in queries]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_gives_no_hits(open_store: OpenStore, kind: str) -> None:
    assert retriever(kind, open_store()).search(["kettle", "lamp"], 2) == [[], []]


@pytest.mark.parametrize("kind", ["dense", "hybrid"])
def test_what_is_too_far_from_every_passage_finds_nothing(index: AnyStore, kind: str) -> None:
    assert retriever(kind, index, min_similarity=0.99).search(["a kettle, perhaps"], 2) == [[]]
    assert retriever(kind, index, min_similarity=-1).search(["zebra"], 2) != [[]]


@pytest.mark.parametrize(("weight", "like"), [(0.0, "lexical"), (1.0, "dense")])
def test_the_weight_goes_from_words_alone_to_vectors_alone(index: AnyStore, weight: float, like: str) -> None:
    query = ["a filter, a kettle and a lamp in the light"]
    (alone,) = retriever(like, index).search(query, 3)
    (fused,) = retriever("hybrid", index, weight=weight).search(query, 3)
    assert names(fused) == names(alone)
    assert len(alone) == 3


def test_a_fused_score_is_made_of_its_parts(index: AnyStore) -> None:
    (fused,) = retriever("hybrid", index, weight=0.25).search(["a kettle boils water"], 3)
    words = {hit.passage.id: hit.score for hit in retriever("lexical", index).search(["a kettle boils water"], 3)[0]}
    assert {hit.passage.id: hit.parts["words"] for hit in fused} == words
    assert fused[0].score == 1  # the best by words and by vectors
    assert all(0 <= hit.score <= 1 and -1 <= hit.parts["vectors"] <= 1 for hit in fused)


def test_one_kind_of_score_alone_is_enough_to_be_found(index: AnyStore) -> None:
    """By words alone only two passages are found; the vectors add the third."""
    assert len(retriever("lexical", index).search(["kettle"], 3)[0]) == 2
    assert len(retriever("hybrid", index, min_similarity=-1).search(["kettle"], 3)[0]) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_passage_that_a_sync_removes_in_the_middle_of_a_search_is_left_out(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It was searched before, and its passages are read after."""
    index = open_store()
    sync(index, [*DOCUMENTS])
    read = index.passages

    def overtaken(ids: Sequence[int]) -> list[Passage]:
        sync(index, DOCUMENTS[:2])
        return read(ids)

    monkeypatch.setattr(index, "passages", overtaken)
    (hits,) = retriever(kind, index).search(["a filter cleans water before a kettle boils it"], 3)
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
def test_a_wrong_option_is_named(index: AnyStore, kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        retriever(kind, index, **options)


GROUPS = st.frozensets(st.sampled_from(["staff", "owners", "sales"]))
TEXTS = st.lists(st.sampled_from(["kettle", "lamp", "filter", "water"]), min_size=1, max_size=5).map(" ".join)


@pytest.fixture(scope="module", params=STORES)
def refilled(request: pytest.FixtureRequest) -> Iterator[AnyStore]:
    """An index that every example of a property fills anew."""
    with opening(request.param, request) as opener:
        yield opener()


@settings(max_examples=40)
@given(
    held=st.lists(st.tuples(TEXTS, GROUPS), min_size=1, max_size=12), groups=GROUPS, query=TEXTS, k=st.integers(1, 6)
)
def test_a_reader_gets_k_passages_and_none_that_is_closed_to_them(
    refilled: AnyStore, held: list[tuple[str, frozenset[str]]], groups: frozenset[str], query: str, k: int
) -> None:
    documents = [document(f"{n}.md", text, readers) for n, (text, readers) in enumerate(held)]
    permitted = {d.id for d in documents if not d.readers or d.readers & groups}
    sharing = {d.id for d in documents if set(d.text.split()) & set(query.split())}
    sync(refilled, documents)
    for kind, options, findable in (
        ("lexical", {}, permitted & sharing),
        ("dense", {"min_similarity": -1}, permitted),
        ("hybrid", {"min_similarity": -1}, permitted),
    ):
        (hits,) = retriever(kind, refilled, **options).search([query], k, Reader(groups))
        assert set(names(hits)) <= findable
        assert len(hits) == min(k, len(findable))
