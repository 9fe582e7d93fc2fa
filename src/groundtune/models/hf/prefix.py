"""What all prompts of a call begin with is read once and kept (docs/decisions/004-prefix-cache.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from groundtune.tokens import common_prefix

SHORTEST_PREFIX = 16  # tokens; less is not worth keeping
T = TypeVar("T")


class KeptPrefix(Generic[T]):
    """The ids that prompts began with last, and what came of reading them: of one generator alone, for both belong to
    its adapter."""

    def __init__(self) -> None:
        self._kept: tuple[list[int], T] | None = None
        self._before: list[int] = []  # the last prompt read: a lone one is compared with it

    def of(self, rows: Sequence[list[int]], read: Callable[[list[int]], T]) -> tuple[list[int], T | None]:
        """The kept prefix if all rows begin with it and go on, else their own common one, read now and kept from now
        on; none where they have too little in common."""
        if not rows:
            return [], None
        if self._kept:
            ids = self._kept[0]
            if all(row[: len(ids)] == ids and len(row) > len(ids) for row in rows):
                return self._kept
        compared = rows if len(rows) > 1 else [*rows, self._before]
        common = common_prefix(compared)[: min(len(row) for row in rows) - 1]
        self._before = rows[-1]
        if len(common) < SHORTEST_PREFIX:
            return [], None
        self._kept = common, read(common)
        return self._kept
