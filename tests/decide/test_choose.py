"""The rule, one case at a time, on intervals written by hand."""

from __future__ import annotations

from groundtune.config import DecideTable
from groundtune.decide import Facts
from groundtune.decide.choose import Choice, Results, choose
from groundtune.decide.compare import Comparison, Quality
from groundtune.decide.limits import limits_of
from groundtune.decide.reasons import Case, reasons

NO_LIMITS = limits_of(DecideTable())


def costing(cost: float, train_seconds: float = 0) -> Facts:
    return Facts(100, 200, cost, train_seconds, 60, 500, 300)


def pair(low: float, high: float, *, best_costs: float, other_costs: float) -> Results:
    """`best` leads `other` by a difference that lies in low..high."""
    middle = (low + high) / 2
    return Results(
        {"best": 0.5 + middle, "other": 0.5},
        {"best": costing(best_costs), "other": costing(other_costs)},
        [Comparison("best", "other", "f1", middle, low, high, 0.1, equal=False)],
    )


def test_what_is_told_apart_wins_though_it_costs_more() -> None:
    assert choose(pair(0.01, 0.2, best_costs=9, other_costs=1), NO_LIMITS, 0.02).recommended == "best"


def test_a_difference_that_is_sure_but_does_not_matter_leaves_it_to_the_cost() -> None:
    assert choose(pair(0.005, 0.015, best_costs=9, other_costs=1), NO_LIMITS, 0.02).recommended == "other"
    assert choose(pair(0.005, 0.015, best_costs=1, other_costs=9), NO_LIMITS, 0.02).recommended == "best"


def test_a_cheaper_rival_that_may_be_as_good_leaves_it_undecided() -> None:
    choice = choose(pair(-0.01, 0.2, best_costs=9, other_costs=1), NO_LIMITS, 0.02)
    assert choice.undecided
    assert choice.unsettled == ("other",)


def test_a_dearer_rival_that_can_hardly_be_better_does_not() -> None:
    results = pair(-0.01, 0.2, best_costs=1, other_costs=9)
    choice = choose(results, NO_LIMITS, 0.02)
    assert choice.recommended == "best"
    qualities = {name: Quality("f1", mean, 0, 1, 100) for name, mean in results.means.items()}
    told = reasons(Case(results, qualities, choice, DecideTable(), clusters=100, needed=None))
    assert any("other is not told apart from best" in one and "no more than 0.01 better" in one for one in told)


def test_a_dearer_rival_that_may_be_much_better_leaves_it_undecided() -> None:
    assert choose(pair(-0.1, 0.2, best_costs=1, other_costs=9), NO_LIMITS, 0.02).undecided


def test_the_order_of_a_pair_does_not_matter() -> None:
    seen = pair(0.01, 0.2, best_costs=9, other_costs=1)
    turned = [Comparison("other", "best", "f1", -0.105, -0.2, -0.01, 0.1, equal=False)]
    assert choose(Results(seen.means, seen.facts, turned), NO_LIMITS, 0.02) == choose(seen, NO_LIMITS, 0.02)


def test_a_leader_that_breaks_a_limit_takes_no_part() -> None:
    limits = limits_of(DecideTable(max_cost_per_1000=5))
    choice = choose(pair(-0.01, 0.2, best_costs=9, other_costs=1), limits, 0.02)
    assert choice == Choice(("other",), "other", "other")
