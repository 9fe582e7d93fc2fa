"""A few of many, from all over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(items: Sequence[T], n: int) -> list[T]:
    """So many of the items, or all where there are fewer, at even distances and in their order."""
    n = min(n, len(items))
    return [items[place * len(items) // n] for place in range(n)]
