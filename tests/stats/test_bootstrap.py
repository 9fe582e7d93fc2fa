"""Intervals: do they hold the truth as often as they say, and do clusters widen them?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]

from groundtune.stats import clustered_bootstrap, interval, probability_best

SCORES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=30)


def whole(values: object, clusters: object, confidence: float = 0.95) -> tuple[float, float]:
    rows, labels = np.asarray(values, dtype=float), np.asarray(clusters)
    return interval(clustered_bootstrap(rows, labels, 1000)[:, 0], rows, labels, confidence)


@given(SCORES)
@settings(max_examples=60, deadline=None)
def test_an_interval_holds_the_mean_and_keeps_within_the_bounds(rows: list[tuple[float, int]]) -> None:
    values, clusters = zip(*rows, strict=True)
    low, high = whole(values, clusters)
    assert 0 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= 1


@given(SCORES)
@settings(max_examples=30, deadline=None)
def test_more_confidence_is_never_narrower(rows: list[tuple[float, int]]) -> None:
    values, clusters = zip(*rows, strict=True)
    low, high = whole(values, clusters)
    surer_low, surer_high = whole(values, clusters, 0.99)
    assert surer_low <= low
    assert high <= surer_high


@pytest.mark.parametrize(("clusters", "size", "correlation"), [(150, 1, 0.0), (30, 5, 0.2), (12, 12, 0.1), (6, 5, 0.2)])
def test_the_95_percent_interval_holds_the_truth_about_that_often(clusters: int, size: int, correlation: float) -> None:
    chance, truth, held, trials = np.random.default_rng(3), 0.6, 0, 200
    for trial in range(trials):
        sizes = chance.poisson(size - 1, clusters) + 1  # documents have questions in different numbers
        labels = np.repeat(np.arange(clusters), sizes)
        spread = (1 - correlation) / correlation if correlation else 0
        rates = chance.beta(truth * spread, (1 - truth) * spread, clusters) if spread else np.full(clusters, truth)
        values = (chance.random(len(labels)) < rates[labels]).astype(float)
        low, high = interval(clustered_bootstrap(values, labels, 400, seed=trial)[:, 0], values, labels, 0.95)
        held += low <= truth <= high
    assert 0.90 <= held / trials <= 0.99


def test_clusters_that_agree_within_widen_the_interval() -> None:
    values = np.repeat(np.arange(40) % 2, 5)
    alone, clustered = whole(values, np.arange(200)), whole(values, np.repeat(np.arange(40), 5))
    assert clustered[1] - clustered[0] > 1.8 * (alone[1] - alone[0])  # sqrt(5) = 2.2


def test_twenty_of_twenty_right_is_not_certainty_but_clopper_and_pearsons_interval() -> None:
    exact = binomtest(20, 20).proportion_ci(0.95)
    assert whole(np.ones(20), np.arange(20)) == pytest.approx((exact.low, 1.0))


def test_one_more_right_answer_never_widens_the_interval_downwards() -> None:
    rows = np.ones(144)
    rows[0] = 0
    labels = np.repeat(np.arange(12), 12)
    assert whole(np.ones(144), labels)[0] >= whole(rows, labels)[0]


def test_one_cluster_says_nothing_about_others() -> None:
    assert whole([0.4, 0.6, 0.5], [1, 1, 1]) == (0, 1)
    assert whole([0.4], [1]) == (0, 1)


def test_three_examples_give_a_wide_interval() -> None:
    low, high = whole([0.4, 0.5, 0.6], [1, 2, 3])
    assert high - low > 0.4


def test_one_giant_cluster_is_hardly_more_than_one_cluster() -> None:
    values = np.tile([0.0, 1.0], 105)
    low, high = whole(values, np.concatenate([np.zeros(200), np.arange(1, 11)]))
    assert high - low > 0.9


def test_resampled_means_weigh_clusters_by_their_size() -> None:
    samples = clustered_bootstrap([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], 2000)
    assert set(np.round(samples[:, 0], 6)) == {0.0, 0.75, 1.0}


def test_columns_are_resampled_together_and_the_seed_decides() -> None:
    values = np.random.default_rng(0).random((20, 1)) + np.array([0.0, 0.5])
    samples = clustered_bootstrap(values, np.arange(20), 500, seed=7)
    assert np.allclose(samples[:, 1] - samples[:, 0], 0.5)
    assert np.array_equal(samples, clustered_bootstrap(values, np.arange(20), 500, seed=7))


def test_a_label_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="one label a row"):
        clustered_bootstrap([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="0 rows"):
        clustered_bootstrap([], [])


def test_the_probability_of_being_best_sums_to_1_and_ties_are_shared() -> None:
    samples = clustered_bootstrap(np.tile([[0.3, 0.7, 0.7]], (15, 1)), np.arange(15), 300)
    assert probability_best(samples).tolist() == [0, 0.5, 0.5]
