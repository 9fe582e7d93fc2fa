"""Differences between two approaches, told from the side of one of them."""

from __future__ import annotations

from typing import NamedTuple

from groundtune.types import Json


class Above(NamedTuple):
    """How much better an approach is than the other one, with the interval of that."""

    other: str
    difference: float
    low: float
    high: float


def above(name: str, pair: Json) -> Above:
    """A comparison as decide/compare.py gives it, as a dict, told of `name`, which is one of its two."""
    if pair["a"] == name:
        return Above(pair["b"], pair["difference"], pair["low"], pair["high"])
    return Above(pair["a"], -pair["difference"], -pair["high"], -pair["low"])
