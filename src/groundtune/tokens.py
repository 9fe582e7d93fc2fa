"""Small things on lists of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile


def common_prefix(rows: Sequence[list[int]]) -> list[int]:
    """The ids that all rows begin with."""
    return [ids[0] for ids in takewhile(lambda ids: len(set(ids)) == 1, zip(*rows, strict=False))]
