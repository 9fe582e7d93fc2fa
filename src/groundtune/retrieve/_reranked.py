"""Puts what another retriever found into the order of a cross-encoder, which reads question and passage together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from groundtune.types import EVERYONE, Hit, Reader, Reranker, Retriever


class RerankedRetriever:
    """A retriever's best passages, more of them than are wanted, in a reranker's order."""

    def __init__(self, retriever: Retriever, reranker: Reranker, pool: int) -> None:
        """pool: so many passages a question are read by the reranker."""
        self._retriever = retriever
        self._reranker = reranker
        self._pool = pool

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """For each query its `k` best passages; the score is the reranker's, what it was before is among the parts."""
        found = self._retriever.search(queries, max(k, self._pool), reader)
        return [self._ordered(query, hits)[:k] for query, hits in zip(queries, found, strict=True)]

    def _ordered(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        scores = self._reranker.score(query, [hit.passage.text for hit in hits])
        scored = [
            replace(hit, score=score, parts={**hit.parts, "before": hit.score, "reranker": score})
            for hit, score in zip(hits, scores, strict=True)
        ]
        return sorted(scored, key=lambda hit: -hit.score)
