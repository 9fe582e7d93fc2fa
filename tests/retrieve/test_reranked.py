"""What a reranker does to what another retriever found."""

from collections.abc import Callable, Sequence

import pytest

from groundtune import plug
from groundtune.index.sqlite import SqliteIndex
from groundtune.retrieve._reranked import RerankedRetriever
from groundtune.types import Reader
from tests.corpus import document, sync


class ByLength:
    """Finds longer passages better."""

    name = "by length"

    def __init__(self) -> None:
        self.read: list[list[str]] = []

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        self.read.append(list(passages))
        return [float(len(passage)) for passage in passages]


@pytest.fixture
def index(open_index: Callable[..., SqliteIndex]) -> SqliteIndex:
    index = open_index()
    texts = ["kettle", "kettle water", "kettle water lamp", "kettle water lamp filter", "pump"]
    documents = [document(f"{n}.md", text) for n, text in enumerate(texts)]
    sync(index, [*documents, document("secret.md", "kettle water lamp filter margins", readers={"staff"})])
    return index


def test_the_best_of_the_pool_come_in_the_rerankers_order(index: SqliteIndex) -> None:
    reranker = ByLength()
    words = plug.make("retrieve", "lexical", {}, index, where="[retrieve]")
    (hits,) = RerankedRetriever(words, reranker, 3).search(["kettle"], 2)
    (before,) = words.search(["kettle"], 3)
    assert [hit.passage.text for hit in hits] == ["kettle water lamp", "kettle water"]
    assert reranker.read == [[hit.passage.text for hit in before]]
    assert hits[0].score == hits[0].parts["reranker"] == len("kettle water lamp")
    assert {hit.parts["before"] for hit in hits} <= {hit.score for hit in before}


def test_what_a_reader_may_not_read_is_never_shown_to_the_reranker(index: SqliteIndex) -> None:
    reranker = ByLength()
    reranked = RerankedRetriever(plug.make("retrieve", "lexical", {}, index, where="[retrieve]"), reranker, 20)
    (hits,) = reranked.search(["kettle margins"], 5)
    assert "secret.md" not in {hit.passage.document for hit in hits}
    assert not any("margins" in text for text in reranker.read[0])
    (hits,) = reranked.search(["kettle margins"], 5, Reader(frozenset({"staff"})))
    assert hits[0].passage.document == "secret.md"


def test_a_query_that_finds_nothing_has_nothing_to_order(index: SqliteIndex) -> None:
    words = plug.make("retrieve", "lexical", {}, index, where="[retrieve]")
    assert RerankedRetriever(words, ByLength(), 20).search(["zebra"], 3) == [[]]
