"""Finds passages by words and vectors together: a convex combination of both scores (see _fusion.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from groundtune.retrieve._fusion import DEFAULT_WEIGHT, fuse
from groundtune.types import EVERYONE, Hit, Index, Reader, Retriever

POOL = 100  # candidates of each kind that are fused, at the least


def create(
    index: Index,
    *,
    weight: Annotated[float, Field(ge=0, le=1)] = DEFAULT_WEIGHT,
    min_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.2,
) -> Retriever:
    """A retriever over words and vectors.

    weight: the vectors' share of the score, 0 to 1. min_similarity: where no passage is at least so similar to the
    query (cosine), nothing relevant was found and the result is empty.
    """
    return HybridRetriever(index, weight, min_similarity)


class HybridRetriever:
    def __init__(self, index: Index, weight: float, min_similarity: float) -> None:
        self._index = index
        self._weight = weight
        self._min_similarity = min_similarity

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """For each query its `k` best passages by the fused score."""
        pool = max(POOL, k)
        by_vectors = self._index.search_vectors(queries, pool, reader)
        return [
            self._fuse(self._index.search_words(query, pool, reader), vectors, k, pool)
            for query, vectors in zip(queries, by_vectors, strict=True)
        ]

    def _fuse(self, words: list[tuple[int, float]], vectors: list[tuple[int, float]], k: int, pool: int) -> list[Hit]:
        if not vectors or vectors[0][1] < self._min_similarity:
            return []
        bm25, cosine = dict(words), dict(vectors)
        score = fuse(bm25, cosine, self._weight, pool)
        best = sorted(score, key=lambda id: (-score[id], id))[:k]
        return [
            Hit(p, score[p.id], {"words": bm25.get(p.id, 0.0), "vectors": cosine.get(p.id, 0.0)})
            for p in self._index.passages(best)
        ]
