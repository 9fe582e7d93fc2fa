"""Searching with words and vectors that lie in this process: what the embedded index and its earlier states share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from groundtune.index.matrix import Matrix, Row
from groundtune.index.words import Words
from groundtune.types import EVERYONE, Embedder, Passage, Reader


class LocalIndex(ABC):
    """The searches of `types.Index`, over whatever words and matrix are current."""

    embedder: Embedder

    @abstractmethod
    def _current(self) -> tuple[Words, Matrix]:
        """The words and the matrix as they are now."""

    def search_words(self, query: str, n: int, reader: Reader = EVERYONE) -> list[tuple[int, float]]:
        """Ids and BM25 scores of the passages that share words with the query, best first."""
        words, matrix = self._current()
        permitted = matrix.open_to(reader)
        share = permitted.mean() if len(permitted) else 1.0
        wanted = n if share == 1 else int(1.2 * n / max(share, 1e-3)) + 10  # mostly enough at once
        while True:  # deeper, until there are `n` that the reader may read
            ids, scores = words.search(query, wanted)
            rows = matrix.rows_of(ids)
            allowed = np.flatnonzero((rows >= 0) & permitted[rows]) if len(matrix.ids) else np.empty(0, np.int64)
            if len(allowed) >= n or len(ids) < wanted:
                return [(int(ids[i]), float(scores[i])) for i in allowed[:n]]
            wanted *= 4

    def search_vectors(
        self, queries: Sequence[str], n: int, reader: Reader = EVERYONE
    ) -> list[list[tuple[int, float]]]:
        """For each query ids and cosines of the nearest passages, best first."""
        _, matrix = self._current()
        if not queries or not matrix.open_to(reader).any():
            return [[] for _ in queries]
        return [matrix.nearest(vector, n, reader) for vector in self.embedder.embed_queries(queries)]


class Snapshot(LocalIndex):
    """Passages as they were at an earlier sync. Satisfies `types.Index`."""

    def __init__(
        self, passages: Sequence[Passage], texts: Sequence[str], rows: Sequence[Row], embedder: Embedder, language: str
    ) -> None:
        """passages, ascending by id; texts: what of each is searched for words; rows: their vectors and readers."""
        self.embedder = embedder
        self._passages = {passage.id: passage for passage in passages}
        self._words = Words(None, language)
        self._words.change([], zip(self._passages, texts, strict=True))
        self._matrix = Matrix.of(rows)

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        """The passages with these ids, in this order."""
        return [self._passages[id] for id in ids if id in self._passages]

    def _current(self) -> tuple[Words, Matrix]:
        return self._words, self._matrix


def open_to_both(then: str, now: str | None) -> str:
    """Who may read what was open to some then and is open to others now: those in both (as JSON)."""
    if now in (None, "[]", then):
        return then
    if then == "[]":
        return str(now)
    both = set(json.loads(then)) & set(json.loads(str(now)))
    return json.dumps(sorted(both) or [None])  # [null]: a group that nobody is in
