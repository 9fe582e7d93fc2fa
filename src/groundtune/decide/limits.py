"""The limits of [decide]: figures that an approach must keep within to be recommended at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from groundtune.config import DecideTable
from groundtune.decide.facts import Facts
from groundtune.times import UNITS, seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: its key in [decide], what it limits in words, how to read that off the facts and how to write it."""

    key: str
    what: str
    figure: Callable[[Facts], float]
    write: Callable[[float], str]


def write_duration(length: float) -> str:
    """Seconds in the greatest unit that they fill: 90 seconds are "1.5 m"."""
    unit = next((unit for unit in ("d", "h", "m") if length >= UNITS[unit]), "s")
    return f"{length / UNITS[unit]:.3g} {unit}"


def _update_seconds(facts: Facts) -> float:
    return math.inf if facts.update_seconds is None else facts.update_seconds


LIMITS = (
    Limit("max_p95_ms", "the p95 latency", lambda facts: facts.latency_p95_ms, "{:.4g} ms".format),
    Limit("max_cost_per_1000", "the cost of 1000 questions", lambda facts: facts.cost_per_1000, "{:.4g}".format),
    Limit("freshness", "the time until an answer follows a changed document", _update_seconds, write_duration),
)


def limits_of(table: DecideTable) -> dict[str, float]:
    """The value of every limit, infinite where none is set. Raises UserError for a freshness that is no duration."""
    return {
        "max_p95_ms": math.inf if table.max_p95_ms is None else table.max_p95_ms,
        "max_cost_per_1000": math.inf if table.max_cost_per_1000 is None else table.max_cost_per_1000,
        "freshness": math.inf if table.freshness is None else seconds(table.freshness, "[decide] freshness"),
    }


def broken(facts: Facts, limits: Mapping[str, float]) -> list[Limit]:
    """The limits that an approach does not keep within."""
    return [limit for limit in LIMITS if limit.figure(facts) > limits[limit.key]]
