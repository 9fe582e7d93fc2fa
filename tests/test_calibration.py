"""Confidences become probabilities."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.calibration import Calibration, fit

CONFIDENCES = st.floats(0, 1)


@given(st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=40), CONFIDENCES)
def test_whatever_it_was_fitted_on_a_probability_comes_out(replies: list[tuple[float, bool]], asked: float) -> None:
    found = fit([confidence for confidence, _ in replies], [hit for _, hit in replies]).probability(asked)

    assert 0 <= found <= 1


def test_an_overconfident_model_is_taken_down_to_how_often_it_is_right() -> None:
    rng = random.Random(1)
    confidences = [rng.choice([0.9, 0.99]) for _ in range(400)]
    right = [rng.random() < (0.4 if confidence == 0.9 else 0.7) for confidence in confidences]

    found = fit(confidences, right)

    for confidence in (0.9, 0.99):
        share = sum(hit for c, hit in zip(confidences, right, strict=True) if c == confidence) / confidences.count(
            confidence
        )
        assert found.probability(confidence) == pytest.approx(share, abs=0.01)


def test_a_model_that_was_always_right_is_not_trusted_for_ever() -> None:
    found = fit([0.8] * 18, [True] * 18)

    assert found.probability(0.8) == pytest.approx(19 / 20, abs=1e-3)  # Platt's target


def test_the_curve_that_changes_nothing_changes_nothing_and_there_is_none_without_replies() -> None:
    assert Calibration(1, 0).probability(0.3) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="needs replies"):
        fit([], [])
