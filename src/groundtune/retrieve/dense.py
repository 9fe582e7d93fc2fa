"""Finds passages by their vectors' cosine with the query's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from groundtune.types import EVERYONE, Hit, Index, Reader, Retriever


def create(index: Index, *, min_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.2) -> Retriever:
    """A retriever over the index's vectors. Passages less similar than `min_similarity` are not found at all."""
    return DenseRetriever(index, min_similarity)


class DenseRetriever:
    def __init__(self, index: Index, min_similarity: float) -> None:
        self._index = index
        self._min_similarity = min_similarity

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """For each query its `k` nearest passages."""
        found = []
        for scored in self._index.search_vectors(queries, k, reader):
            cosine = {id: value for id, value in scored if value >= self._min_similarity}
            found.append([Hit(p, cosine[p.id], {"vectors": cosine[p.id]}) for p in self._index.passages(list(cosine))])
        return found
