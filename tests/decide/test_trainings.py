"""A verdict on tuned approaches that were trained several times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from groundtune.config import DecideTable
from groundtune.decide import Verdict, decide
from groundtune.decide.compare import Comparison, align, confidence_together
from groundtune.errors import WorkFailed
from groundtune.stats import clustered_bootstrap, holm, interval, paired_p
from tests.decide.test_verdict import FACTS, FOUR, rows, scored

Trainings = Sequence[Sequence[float]]


def verdict(scores: Mapping[str, Trainings], **table: Any) -> Verdict:
    records = {name: [rows(name, values) for values in trainings] for name, trainings in scores.items()}
    return decide(records, FACTS, DecideTable(**table), question="knowledge", task="qa", run="r1")


def off_by(values: Sequence[float], *points: float) -> Trainings:
    """Scores of one training each, all of whose examples are that much better."""
    return [[value + point for value in values] for point in points]


def pair(found: Verdict, a: str, b: str) -> Comparison:
    return next(one for one in found.comparisons if (one.a, one.b) == (a, b))


def width(comparison: Comparison) -> float:
    return comparison.high - comparison.low


MIDDLE = [0.3 + 0.4 * value for value in scored(0.5, 150, 1)]


def test_one_training_gives_the_numbers_that_there_were_before_there_could_be_several() -> None:
    found = verdict({name: [values] for name, values in FOUR.items()})
    scores = align({name: [rows(name, values)] for name, values in FOUR.items()}, "f1")
    values, labels = np.array(list(FOUR.values())).T, scores.clusters
    samples = clustered_bootstrap(values, labels)
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    p_values = holm([paired_p(values[:, a] - values[:, b], labels) for a, b in pairs])
    for place, quality in enumerate(found.qualities.values()):
        assert (quality.low, quality.high) == interval(samples[:, place], values[:, place], labels, 0.95)
    for (a, b), p, seen in zip(pairs, p_values, found.comparisons, strict=True):
        drawn, differences = samples[:, a] - samples[:, b], values[:, a] - values[:, b]
        together = confidence_together(0.95, 4)
        assert (seen.low, seen.high) == interval(drawn, differences, labels, together, bounds=(-1.0, 1.0))
        assert (seen.p, seen.difference) == (p, differences.mean())


def test_the_score_is_the_mean_over_trainings_and_every_one_is_told() -> None:
    got = verdict({"rag": [MIDDLE], "tuned": off_by(MIDDLE, 0.0, 0.1, 0.2)}).to_json()
    tuned, rag = got["approaches"]["tuned"], got["approaches"]["rag"]
    mean = float(np.mean(MIDDLE))
    assert tuned["quality"]["mean"] == pytest.approx(mean + 0.1)
    assert tuned["metrics"]["f1"] == pytest.approx(mean + 0.1)
    assert tuned["trainings"] == 3
    assert tuned["training_means"] == pytest.approx([mean, mean + 0.1, mean + 0.2])
    assert tuned["training_spread"] == pytest.approx(0.1)
    assert (rag["trainings"], rag["training_means"], rag["training_spread"]) == (0, [], None)
    assert json.dumps(got, allow_nan=False)


def test_one_training_has_a_mean_and_no_spread() -> None:
    tuned = verdict({"rag": [MIDDLE], "tuned": [MIDDLE]}).to_json()["approaches"]["tuned"]
    assert (tuned["trainings"], tuned["training_spread"]) == (1, None)
    assert tuned["training_means"] == [tuned["quality"]["mean"]]


def test_trainings_that_lie_apart_widen_what_is_said_of_tuned_approaches_and_nothing_else() -> None:
    scores = {"base": [FOUR["base"]], "rag": [MIDDLE], "tuned": off_by(MIDDLE, 0.0, 0.1, 0.2)}
    once, thrice = verdict({**scores, "tuned": off_by(MIDDLE, 0.1)}), verdict(scores)
    assert thrice.qualities["rag"] == once.qualities["rag"]
    assert pair(thrice, "base", "rag") == pair(once, "base", "rag")
    assert thrice.qualities["tuned"].high > once.qualities["tuned"].high
    assert width(pair(thrice, "rag", "tuned")) > width(pair(once, "rag", "tuned"))
    assert pair(thrice, "rag", "tuned").p > pair(once, "rag", "tuned").p
    assert 0.5 < thrice.probability_best["tuned"] < once.probability_best["tuned"]


def test_approaches_of_the_same_adapters_are_compared_training_by_training() -> None:
    scores = {"tuned": off_by(MIDDLE, 0.0, 0.1, 0.2), "hybrid": off_by(MIDDLE[::-1], 0.1, 0.2, 0.3)}
    once = {"tuned": off_by(MIDDLE, 0.1), "hybrid": off_by(MIDDLE[::-1], 0.2)}
    assert width(pair(verdict(scores), "tuned", "hybrid")) == pytest.approx(
        width(pair(verdict(once), "tuned", "hybrid")), rel=0.02
    )


def test_what_tuning_leaves_open_asks_for_more_trainings_and_not_for_more_examples() -> None:
    got = verdict({"rag": [MIDDLE], "hybrid": off_by(MIDDLE, -0.08, 0.08, 0.12)})
    assert got.undecided
    assert (got.examples_needed, got.unsettled_by_tuning) == (None, ("rag",))
    assert got.to_json()["unsettled_by_tuning"] == ["rag"]
    assert (
        "The trainings differ too much to tell rag from hybrid: more trainings would settle it, not more examples "
        "(--seeds)."
    ) in got.reasons
    assert not any("They are level" in one for one in got.reasons)


def test_what_examples_leave_open_still_asks_for_examples() -> None:
    rag, hybrid = scored(0.5, 60, 1), scored(0.55, 60, 2)
    once = verdict({"rag": [rag], "hybrid": [hybrid]}).examples_needed
    got = verdict({"rag": [rag], "hybrid": off_by(hybrid, -0.005, 0.0, 0.005)})
    assert got.undecided
    assert got.unsettled_by_tuning == ()
    assert got.examples_needed is not None
    assert once is not None
    assert got.examples_needed > once


def test_level_means_of_trainings_that_differ_are_not_called_equal() -> None:
    got = verdict({"rag": [[0.5] * 40], "tuned": [[0.4] * 40, [0.6] * 40]})
    assert pair(got, "rag", "tuned").difference == pytest.approx(0)
    assert not pair(got, "rag", "tuned").equal
    assert got.undecided


def test_records_of_another_number_of_trainings_are_an_error() -> None:
    with pytest.raises(WorkFailed, match="tuned has records of 2 trainings, another approach of 3"):
        verdict({"tuned": [MIDDLE] * 2, "hybrid": [MIDDLE] * 3})


def test_a_training_that_missed_examples_is_an_error() -> None:
    with pytest.raises(WorkFailed, match=r"tuned has no answer to 1 of 3 examples \(q2\)"):
        verdict({"base": [[1.0] * 3], "tuned": [[1.0] * 3, [1.0] * 2]})
