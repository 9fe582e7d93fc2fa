"""The rule that recommends. It is short on purpose: whoever doubts a verdict can follow it by hand.

1. What breaks a limit is out. 2. The leader has the best mean of those left. Whatever is surely no more than
`smallest_difference` worse than the leader is as good; the cheapest of these is the pick. 3. A rival that is not told
apart from the leader leaves all undecided, unless it is surely no more than `smallest_difference` better than the
leader and costs more than the pick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundtune.decide.compare import Comparison
from groundtune.decide.facts import Facts
from groundtune.decide.limits import broken


@dataclass(frozen=True, slots=True)
class Results:
    """All that the rule looks at."""

    means: Mapping[str, float]
    facts: Mapping[str, Facts]
    comparisons: Sequence[Comparison]

    def gap(self, leader: str, other: str) -> Gap:
        """How far `leader` is before `other`."""
        for c in self.comparisons:
            if (c.a, c.b) == (leader, other):
                return Gap(c.difference, c.low, c.high, c.equal)
            if (c.b, c.a) == (leader, other):
                return Gap(-c.difference, -c.high, -c.low, c.equal)
        raise KeyError((leader, other))

    def price(self, name: str) -> tuple[float, bool, float]:
        """Orders approaches from cheap and simple to dear: what questions cost, whether it trains, how long."""
        facts = self.facts[name]
        return facts.cost_per_1000, facts.train_seconds > 0, facts.train_seconds


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference with its interval, seen from the leader; `equal`: none on any example."""

    difference: float
    low: float
    high: float
    equal: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What the rule says. kept: within the limits; near: surely as good as the leader; unsettled: leaves it open."""

    kept: tuple[str, ...]
    leader: str | None = None
    recommended: str | None = None
    near: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()

    @property
    def undecided(self) -> bool:
        """Whether more examples are wanted. Without, `recommended` is None only where nothing is kept."""
        return bool(self.unsettled)


def choose(results: Results, limits: Mapping[str, float], smallest: float) -> Choice:
    """Applies the rule; limits: as of `limits_of`; smallest: the [decide] smallest_difference."""
    kept = tuple(name for name in results.means if not broken(results.facts[name], limits))
    if not kept:
        return Choice(kept)
    leader = min(kept, key=lambda name: (-results.means[name], *results.price(name)))
    gaps = {name: results.gap(leader, name) for name in kept if name != leader}
    near = tuple(name for name, gap in gaps.items() if gap.equal or gap.high <= smallest)
    pick = min((leader, *near), key=results.price)

    def settled(name: str) -> bool:
        surely_better = gaps[name].low > 0
        not_worth_it = gaps[name].low >= -smallest and results.price(name) >= results.price(pick)
        return name in near or surely_better or not_worth_it

    unsettled = tuple(name for name in gaps if not settled(name))
    return Choice(kept, leader, None if unsettled else pick, near, unsettled)
