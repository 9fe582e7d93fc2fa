"""All passages' vectors in memory, with who may read them: an exact scan, made quick by a coarse one before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from groundtune.types import Reader

if TYPE_CHECKING:
    from groundtune.types import Vectors

# A coarse scan reads the leading principal components of the vectors; the best of it are compared exactly.
COARSE_FROM = 20_000  # passages; fewer are compared exactly at once
COMPONENTS = 96
CANDIDATES = 10  # for each passage that is wanted, compared exactly
LEAST = 1000  # candidates
SAMPLE = 20_000  # passages that the components are found on

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Row = tuple[int, bytes, str]  # a passage's id, its vector, and its readers as JSON
Basis = tuple["Vectors", int]  # components, and for how many more passages they are good enough


@dataclass(frozen=True)
class Matrix:
    """The passages' ids, ascending, and in the same order their vectors and the number of their set of readers."""

    ids: Numbers
    vectors: Vectors
    audience: Numbers
    audiences: tuple[str, ...]  # the different sets of readers that there are, as JSON
    _open: dict[frozenset[str], Mask] = field(default_factory=dict, compare=False)
    _basis: Basis | None = field(default=None, compare=False)  # that of an earlier state

    @classmethod
    def empty(cls) -> Matrix:
        """No passages."""
        return cls(np.empty(0, np.int64), np.empty((0, 1), np.float32), np.empty(0, np.int64), ())

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Matrix:
        """The matrix of these passages, ascending by id. Raises ValueError where their vectors cannot be right."""
        return cls.empty().changed(np.empty(0, np.int64), rows)

    def changed(self, live: Numbers, added: Sequence[Row]) -> Matrix:
        """The matrix with only the ids in `live` of those it has, and with passages added after them.

        Raises ValueError where vectors differ in length.
        """
        audiences = {readers: number for number, readers in enumerate(self.audiences)}
        numbers = [audiences.setdefault(readers, len(audiences)) for _, _, readers in added]
        kept = np.isin(self.ids, live, assume_unique=True)
        new = np.frombuffer(b"".join(vector for _, vector, _ in added), np.float32)
        new = new.reshape(len(added), -1) if added else np.empty((0, self.vectors.shape[1]), np.float32)
        old = self.vectors[kept] if len(self.ids) else np.empty((0, new.shape[1]), np.float32)
        basis = self.__dict__.get("basis", self._basis)
        return Matrix(
            np.concatenate([self.ids[kept], np.array([id for id, _, _ in added], np.int64)]),
            np.concatenate([old, new]),
            np.concatenate([self.audience[kept], np.array(numbers, np.int64)]),
            tuple(audiences),
            _basis=basis and (basis[0], basis[1] - len(added)),
        )

    def open_to(self, reader: Reader) -> Mask:
        """For each passage whether the reader may read it."""
        found = self._open.get(reader.groups)
        if found is None:
            readers = [frozenset(json.loads(names)) for names in self.audiences]
            permitted = np.array([not names or bool(names & reader.groups) for names in readers], np.bool_)
            found = permitted[self.audience] if len(permitted) else np.empty(0, np.bool_)
            if len(self._open) > 100:  # readers come and go
                self._open.clear()
            self._open[reader.groups] = found
        return found

    def rows_of(self, ids: Numbers) -> Numbers:
        """The rows of these ids, -1 for those that are not here."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: Numbers = np.where(self.ids[rows] == ids, rows, -1)
        return found

    def nearest(self, query: Vectors, n: int, reader: Reader) -> list[tuple[int, float]]:
        """The ids and cosines of the `n` passages nearest to a unit vector that the reader may read, best first."""
        permitted = self.open_to(reader)
        if len(self.ids) < COARSE_FROM:
            rows = np.flatnonzero(permitted)
            scores = (self.vectors @ query)[rows]
        else:
            coarse = np.where(permitted, self.coarse @ (query @ self.components), -np.inf)
            most = min(max(LEAST, CANDIDATES * n), len(coarse))
            rows = np.sort(np.argpartition(coarse, -most)[-most:])
            rows = rows[permitted[rows]]
            scores = self.vectors[rows] @ query
        best = best_of(scores, n)
        return [(int(self.ids[row]), float(score)) for row, score in zip(rows[best], scores[best], strict=True)]

    @cached_property
    def basis(self) -> Basis:
        """The components, found anew when the index has grown by a tenth since."""
        if self._basis and self._basis[1] > 0:
            return self._basis
        sample = self.vectors[:: max(1, len(self.ids) // SAMPLE)]
        _, directions = np.linalg.eigh(sample.T @ sample)  # ascending
        return np.ascontiguousarray(directions[:, ::-1][:, :COMPONENTS]), len(self.ids) // 10

    @property
    def components(self) -> Vectors:
        """The leading principal components of the vectors: shape (dimensions, COMPONENTS)."""
        return self.basis[0]

    @cached_property
    def coarse(self) -> Vectors:
        """The vectors along the components alone."""
        return self.vectors @ self.components


def best_of(scores: Vectors, n: int) -> Numbers:
    """The places of the n highest scores, best first; equal ones in their order."""
    n = min(n, len(scores))
    if not n:
        return np.empty(0, np.int64)
    away = -scores
    near = np.flatnonzero(away <= np.partition(away, n - 1)[n - 1])  # n of them, and more where the last ones are equal
    best: Numbers = near[np.argsort(away[near], kind="stable")[:n]]
    return best
