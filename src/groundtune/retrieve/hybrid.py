"""Finds passages by words and vectors together: a convex combination of both scores, each scaled to 0..1 per query.

Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", prefer it to fusing ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from groundtune.types import EVERYONE, Hit, Index, Reader, Retriever

POOL = 100  # candidates of each kind that are fused


def create(
    index: Index,
    *,
    weight: Annotated[float, Field(ge=0, le=1)] = 0.6,
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
        by_vectors = self._index.search_vectors(queries, POOL, reader)
        return [
            self._fuse(self._index.search_words(query, POOL, reader), vectors, k)
            for query, vectors in zip(queries, by_vectors, strict=True)
        ]

    def _fuse(self, words: list[tuple[int, float]], vectors: list[tuple[int, float]], k: int) -> list[Hit]:
        if not vectors or vectors[0][1] < self._min_similarity:
            return []
        bm25, cosine = dict(words), dict(vectors)
        scaled_words, scaled_vectors = _scaled(bm25), _scaled(cosine)
        score = {
            id: (1 - self._weight) * scaled_words.get(id, 0.0) + self._weight * scaled_vectors.get(id, 0.0)
            for id in bm25 | cosine
        }
        best = sorted(score, key=lambda id: (-score[id], id))[:k]
        return [
            Hit(p, score[p.id], {"words": bm25.get(p.id, 0.0), "vectors": cosine.get(p.id, 0.0)})
            for p in self._index.passages(best)
        ]


def _scaled(scores: Mapping[int, float]) -> dict[int, float]:
    """Scores moved to 0..1; a passage outside the pool counts as the pool's worst."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    span = high - low
    return {id: (score - low) / span if span else 1.0 for id, score in scores.items()}
