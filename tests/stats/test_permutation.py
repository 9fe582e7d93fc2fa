"""p values: uniform without a difference, small with one, the same as SciPy's, and corrected for their number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, permutation_test  # type: ignore[import-untyped]

from groundtune.stats import holm, paired_p


def test_without_a_difference_p_is_uniform() -> None:
    chance = np.random.default_rng(5)
    labels = np.repeat(np.arange(25), 4)
    found = []
    for trial in range(300):
        values = chance.normal(size=100) + chance.normal(size=25)[labels]  # alike within a cluster
        found.append(paired_p(values, labels, resamples=400, seed=trial))
    assert kstest(found, "uniform").pvalue > 0.01


def test_flipping_single_examples_of_alike_clusters_would_cry_wolf() -> None:
    values = np.repeat([0.5, 0.4, 0.6, -0.3, 0.2], 20)
    assert paired_p(values, np.repeat(np.arange(5), 20)) > 0.05
    assert paired_p(values, np.arange(100)) < 0.001


def test_of_few_clusters_p_is_exact_and_scipys() -> None:
    values = np.random.default_rng(2).normal(0.4, size=9)
    theirs = permutation_test((values, np.zeros(9)), lambda a, b: (a - b).sum(), permutation_type="samples").pvalue
    assert paired_p(values, np.arange(9)) == pytest.approx(theirs)


def test_random_flips_come_near_the_exact_p() -> None:
    values = np.random.default_rng(4).normal(0.4, size=12)
    assert paired_p(values, np.arange(12), resamples=4000) == pytest.approx(paired_p(values, np.arange(12)), abs=0.03)


def test_no_difference_at_all_has_p_1() -> None:
    assert paired_p(np.zeros(40), np.arange(40)) == 1


def test_one_cluster_shows_nothing() -> None:
    assert paired_p([0.9, 0.8, 0.7], [1, 1, 1]) == 1


def test_p_is_never_0() -> None:
    assert 0 < paired_p(np.ones(100), np.arange(100)) < 0.001


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted, p = holm(p_values), np.array(p_values)
    assert np.all(adjusted >= p)
    assert np.all(adjusted <= np.minimum(1, p * len(p)) + 1e-12)
    assert np.all(np.diff(adjusted[np.argsort(p)]) >= 0)
