"""Scores of several approaches and their differences, told from the side of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from groundtune.decide.compare import align, comparisons, qualities, resample
from groundtune.types import Json, Record

CONFIDENCE = 0.95


def compared(records: Mapping[str, Sequence[Sequence[Record]]], metric: str, name: str) -> Json:
    """ "scores": each approach's mean with its interval; "pairs": the differences between `name` and each other one.

    records: by approach, those of each of its trainings.
    """
    scores = align(records, metric)
    samples, _ = resample(scores)
    return {
        "scores": {one: asdict(quality) for one, quality in qualities(scores, samples, CONFIDENCE).items()},
        "pairs": [asdict(pair) for pair in comparisons(scores, samples, CONFIDENCE) if name in (pair.a, pair.b)],
    }


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
