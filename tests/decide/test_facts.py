"""Costs, durations, and what so many examples can show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.config import DecideTable
from groundtune.decide import break_even_queries, cost_per_1000, smallest_visible_difference
from groundtune.decide.limits import limits_of, write_duration


def test_cost_is_the_machines_time_and_a_share_of_the_training() -> None:
    assert cost_per_1000(3.6, 0.5, 0, 1) == pytest.approx(0.5)
    assert cost_per_1000(0, 0.5, 7200, 50_000) == pytest.approx(1 / 50)


@given(st.floats(0.1, 10), st.floats(1e-6, 1e-3), st.floats(1e-6, 1e-3))
def test_at_the_break_even_both_cost_the_same(training: float, cheap: float, more: float) -> None:
    volume = break_even_queries(training, cheap, 0.0, cheap + more)
    assert volume is not None
    assert training + volume * cheap == pytest.approx(volume * (cheap + more))


def test_what_is_dearer_both_ways_never_breaks_even() -> None:
    assert break_even_queries(1.0, 0.002, 0.0, 0.001) is None
    assert break_even_queries(0.0, 0.001, 0.0, 0.002) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("1.5 h", 5400)]
)
def test_durations_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert limits_of(DecideTable(freshness=text))["freshness"] == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "0.5 s"), (90, "1.5 m"), (7200, "2 h"), (604_800, "7 d")])
def test_durations_are_written_in_their_greatest_unit(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text


def test_more_examples_and_more_groups_show_smaller_differences() -> None:
    assert smallest_visible_difference(150, 150) == pytest.approx(0.115, abs=0.005)
    assert smallest_visible_difference(600, 600) < smallest_visible_difference(150, 150)
    assert smallest_visible_difference(150, 12) > smallest_visible_difference(150, 150)
    assert smallest_visible_difference(150, 150, approaches=2) < smallest_visible_difference(150, 150)


@pytest.mark.parametrize(("n", "clusters"), [(0, 0), (1, 1), (3, 3), (500, 1)])
def test_hardly_any_examples_or_one_group_show_nothing(n: int, clusters: int) -> None:
    assert smallest_visible_difference(n, clusters) == 1
