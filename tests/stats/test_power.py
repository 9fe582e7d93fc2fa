"""Sample sizes: what they promise is what a simulation then finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t  # type: ignore[import-untyped]

from groundtune.stats import clustered_bootstrap, design_effect, examples_needed, interval, smallest_detectable
from groundtune.stats.power import _clusters_needed


def test_so_many_further_examples_do_tell_the_difference_four_times_out_of_five() -> None:
    chance, effect, sd = np.random.default_rng(6), 0.1, 0.4

    def seen(n: int) -> bool:
        values = np.clip(chance.normal(effect, sd, n), -1, 1)
        samples = clustered_bootstrap(values, np.arange(n), 300)[:, 0]
        return interval(samples, values, np.arange(n), 0.95, (-1, 1))[0] > 0

    pilot = np.clip(chance.normal(effect, sd, 40), -1, 1)
    total = 40 + examples_needed(pilot, np.arange(40), effect, 0.95)
    assert total == pytest.approx(126, rel=0.4)  # (1.96 + 0.84)^2 * 0.4^2 / 0.1^2; the pilot's sd is not quite 0.4
    assert 0.7 < np.mean([seen(126) for _ in range(200)]) < 0.9


def test_clusters_that_agree_within_need_more_examples() -> None:
    values = np.repeat(np.random.default_rng(1).normal(0.05, 0.4, 30), 5)
    alone = examples_needed(values, np.arange(150), 0.05, 0.95)
    assert examples_needed(values, np.repeat(np.arange(30), 5), 0.05, 0.95) > 3 * alone


@given(
    tuning=st.floats(1e-5, 1e-2),
    trainings=st.integers(2, 5),
    times=st.floats(2.5, 20),
    confidence=st.sampled_from([0.9, 0.95, 0.99]),
)
def test_the_fewest_clusters_are_found_though_more_do_not_always_show_more(
    tuning: float, trainings: int, times: float, confidence: float
) -> None:
    """Held against all numbers one by one, up to where tuning has become the greater part of the variance."""
    spread, effect = 0.3, times * math.sqrt(tuning)
    every = np.arange(2, math.floor(0.3 / tuning))
    questions = spread / every
    freedom = (questions + tuning) ** 2 / (questions**2 / (every - 1) + tuning**2 / (trainings - 1))
    visible = (t.ppf((1 + confidence) / 2, freedom) + t.ppf(0.8, freedom)) * np.sqrt(questions + tuning)
    unseen = 1 - ((1 - confidence) / 2) ** (1 / every)
    enough = every[(visible <= effect) & (unseen * (1 + effect) <= effect)]

    found = _clusters_needed(spread, 1.0, effect, confidence, 0.8, tuning, trainings)

    if len(enough) > enough[:1].sum() / 10:
        assert found == enough[0]
    else:  # none, or fewer than a step of the search may pass over
        assert found in enough[:1] or found > every[-1]


def test_what_800_clusters_show_is_not_given_up_because_1024_show_it_no_more() -> None:
    assert _clusters_needed(0.3, 1.0, 0.1156, 0.995, 0.8, 0.0003, 3) == pytest.approx(850, rel=0.1)


def test_a_smaller_effect_and_more_confidence_need_more() -> None:
    values = np.random.default_rng(1).normal(0, 0.4, 50)
    needed = examples_needed(values, np.arange(50), 0.1, 0.95)
    assert examples_needed(values, np.arange(50), 0.05, 0.95) > needed
    assert examples_needed(values, np.arange(50), 0.1, 0.99) > needed


@pytest.mark.parametrize("values", [[1.0], [0.5, 0.5, 0.5], [0.0, 0.0], [1.0, -1.0, 0.0]])
def test_few_or_equal_differences_or_one_cluster_still_give_a_number(values: list[float]) -> None:
    assert examples_needed(values, np.arange(len(values)), 0.05, 0.95) > 20
    assert examples_needed(values, np.zeros(len(values)), 0.05, 0.95) > 20


def test_an_effect_of_nothing_cannot_be_shown() -> None:
    with pytest.raises(ValueError, match="no number of examples"):
        examples_needed([0.1, 0.2], [1, 2], 0.0, 0.95)


def test_the_smallest_detectable_difference_is_the_textbooks() -> None:
    assert smallest_detectable(10_000, 0.4, 1, 0.95) == pytest.approx((1.96 + 0.8416) * 0.4 / 100, rel=1e-3)
    assert smallest_detectable(10_000, 0.4, 4, 0.95) == pytest.approx((1.96 + 0.8416) * 0.4 / 50, rel=1e-3)


def test_one_cluster_detects_nothing() -> None:
    assert smallest_detectable(1, 0.4, 1, 0.95) == math.inf
    assert smallest_detectable(100, 0.4, 2, 0.95, clusters=1) == math.inf


def test_the_design_effect_of_single_examples_is_1() -> None:
    assert design_effect(1, 0.3) == 1
    assert design_effect(11, 0.1) == pytest.approx(2)
