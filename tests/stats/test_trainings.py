"""Trainings from several seeds: how far they lie apart is part of every interval, and one of them changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from groundtune.stats import clustered_bootstrap, drawn_trainings, examples_needed, interval, p_of_difference, paired_p
from groundtune.stats.clusters import Floats
from groundtune.stats.trainings import variance_of_trainings, welch


def held(trainings: int, spread: float, counted: bool, trials: int = 300) -> float:
    """How often the interval of a difference holds its truth, 0.1, where each training is off by about `spread`.

    40 documents with 3 questions each; of their mean chance alone makes about 0.04.
    """
    chance, truth, inside = np.random.default_rng(5), 0.1, 0
    labels = np.repeat(np.arange(40), 3)
    for trial in range(trials):
        of_question = chance.normal(0, 0.3, len(labels)) + chance.normal(0, 0.2, 40)[labels]
        of_training = chance.normal(0, spread, trainings)
        scores = truth + of_question + of_training[:, None] + chance.normal(0, 0.2, (trainings, len(labels)))
        values, means = scores.mean(axis=0), scores.mean(axis=1)
        samples = clustered_bootstrap(values, labels, 400, seed=trial)[:, 0]
        if counted:
            samples = samples + drawn_trainings(means[:, None], 400, seed=trial)[:, 0]
        low, high = interval(samples, values, labels, 0.95, (-1, 1), means if counted else (0.0,))
        inside += low <= truth <= high
    return inside / trials


@pytest.mark.parametrize(("trainings", "spread"), [(3, 0.0), (3, 0.02), (3, 0.05), (3, 0.1), (5, 0.05)])
def test_the_95_percent_interval_holds_the_truth_about_that_often_however_much_tuning_varies(
    trainings: int, spread: float
) -> None:
    assert held(trainings, spread, counted=True) >= 0.90


def test_where_the_spread_of_tuning_is_not_counted_it_holds_the_truth_far_less_often() -> None:
    assert held(3, 0.1, counted=False) < 0.80


@pytest.mark.parametrize("clusters", [np.arange(60), np.repeat(np.arange(6), 10)])
def test_one_training_and_trainings_that_are_level_change_no_bit(clusters: Floats) -> None:
    values = np.random.default_rng(1).random(60)
    samples = clustered_bootstrap(values, clusters, 1000)[:, 0]
    plain = interval(samples, values, clusters, 0.95)
    for trainings in ([values.mean()], [0.1] * 3):
        assert interval(samples, values, clusters, 0.95, trainings=trainings) == plain
        assert p_of_difference(values - 0.45, clusters, trainings) == paired_p(values - 0.45, clusters)
        assert examples_needed(values, clusters, 0.05, 0.95, trainings=trainings) == examples_needed(
            values, clusters, 0.05, 0.95
        )
        assert not drawn_trainings(np.array(trainings)[:, None], 100).any()


def test_drawn_trainings_vary_as_the_mean_of_so_many_does() -> None:
    means = np.array([[0.40, 0.1], [0.46, 0.1], [0.52, 0.1]])
    drawn = drawn_trainings(means)
    assert drawn[:, 0].std() == pytest.approx(0.06 / math.sqrt(3), rel=0.03)
    assert drawn[:, 0].mean() == pytest.approx(0, abs=0.002)
    assert not drawn[:, 1].any()  # not trained: the same in all


def test_approaches_of_the_same_adapters_are_drawn_together_and_keep_their_distance() -> None:
    one = np.array([0.40, 0.46, 0.52])
    drawn = drawn_trainings(np.stack([one, one + 0.2], axis=1))
    assert np.allclose(drawn[:, 0], drawn[:, 1])


def test_with_few_trainings_that_lie_far_apart_hardly_anything_is_known() -> None:
    values = np.full(200, 0.5) + np.random.default_rng(2).normal(0, 0.1, 200)
    samples = clustered_bootstrap(values, np.arange(200), 1000)[:, 0]
    two = interval(samples, values, np.arange(200), 0.95, trainings=[0.45, 0.55])
    three = interval(samples, values, np.arange(200), 0.95, trainings=[0.45, 0.5, 0.55])
    assert two == (0, 1)  # Student's t of one degree of freedom: 12.7 standard errors
    assert 0.2 < three[1] - three[0] < 0.3  # of two: 4.3


def test_the_degrees_of_freedom_lie_between_those_of_the_trainings_and_those_of_both() -> None:
    assert welch(1.0, 149, 0.0, 3) == 149
    assert welch(0.0, 149, 1.0, 3) == 2
    assert welch(1.0, 149, 1.0, 3) == pytest.approx(4 / (1 / 149 + 1 / 2))


@pytest.mark.parametrize("effect", [0.02, 0.06, 0.1, 0.14, 0.2])
def test_the_p_value_agrees_with_the_interval(effect: float) -> None:
    values = np.random.default_rng(4).normal(0, 0.2, 120)
    values += effect - values.mean()
    trainings = [effect - 0.03, effect, effect + 0.03]
    samples = clustered_bootstrap(values, np.arange(120))[:, 0] + drawn_trainings(np.array(trainings)[:, None])[:, 0]
    low, _ = interval(samples, values, np.arange(120), 0.95, (-1, 1), trainings)
    assert (p_of_difference(values, np.arange(120), trainings) < 0.05) == (low > 0)


def test_a_p_value_is_never_smaller_for_trainings_that_lie_apart() -> None:
    values = np.full(12, 0.3)
    assert p_of_difference(values, np.arange(12), [0.3, 0.3, 0.3]) == paired_p(values, np.arange(12)) > 0
    assert p_of_difference(values, np.arange(12), [0.1, 0.3, 0.5]) > 0.05
    assert p_of_difference(values, np.zeros(12), [0.1, 0.3, 0.5]) == 1  # one cluster


def test_more_examples_help_while_they_are_the_greater_part_of_what_is_not_known() -> None:
    values, labels = np.random.default_rng(3).normal(0.05, 0.4, 100), np.arange(100)
    alone = examples_needed(values, labels, 0.05, 0.95)
    assert alone < examples_needed(values, labels, 0.05, 0.95, trainings=[0.045, 0.05, 0.055]) < 2 * alone
    assert examples_needed(values, labels, 0.05, 0.95, trainings=[0.01, 0.05, 0.09]) == math.inf
    assert examples_needed([0.3] * 5, np.zeros(5), 0.05, 0.95, trainings=[0.2, 0.3, 0.4]) == math.inf


def test_the_variance_of_trainings_is_that_of_their_mean() -> None:
    assert variance_of_trainings([0.4, 0.5, 0.6]) == pytest.approx(0.01 / 3)
    assert variance_of_trainings([0.7]) == 0
