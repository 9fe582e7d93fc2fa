"""Finds passages by their words (BM25; Robertson and Zaragoza 2009)."""

from __future__ import annotations

from collections.abc import Sequence

from groundtune.types import EVERYONE, Hit, Index, Reader, Retriever


def create(index: Index) -> Retriever:
    """A retriever over the index's words; it has no options."""
    return LexicalRetriever(index)


class LexicalRetriever:
    def __init__(self, index: Index) -> None:
        self._index = index

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """For each query its `k` best passages by BM25; fewer where fewer share a word with it."""
        found = []
        for query in queries:
            bm25 = dict(self._index.search_words(query, k, reader))
            found.append([Hit(p, bm25[p.id], {"words": bm25[p.id]}) for p in self._index.passages(list(bm25))])
        return found
