"""The whole way from records to a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.config import DecideTable
from groundtune.decide import Facts, Verdict, decide
from groundtune.decide.compare import cluster_of
from groundtune.errors import UserError, WorkFailed
from groundtune.types import Answer, Evidence, Example, Record

FACTS = {
    "base": Facts(50, 100, 0.02, 0, None, 400, 80),
    "rag": Facts(100, 200, 0.05, 0, 60, 500, 300),
    "tuned": Facts(50, 110, 0.021, 1200, None, 420, 80),
    "hybrid": Facts(100, 210, 0.051, 1200, 60, 520, 300),
}


def rows(name: str, scores: Sequence[float], groups: Sequence[str] | None = None) -> list[Record]:
    """One record a score; each example in a group of its own unless groups are given."""
    return [
        Record(name, Example(f"q{i}", "qa", "?", ("x",), group=groups[i] if groups else ""), Answer("y"), {"f1": score})
        for i, score in enumerate(scores)
    ]


def verdict(
    scores: Mapping[str, Sequence[float]],
    facts: Mapping[str, Facts] = FACTS,
    groups: Sequence[str] | None = None,
    **table: Any,
) -> Verdict:
    """The verdict on such scores, under such a [decide] table."""
    records = {name: [rows(name, values, groups)] for name, values in scores.items()}
    return decide(records, facts, DecideTable(**table), question="knowledge", task="qa", run="r1")


def scored(mean: float, n: int, seed: int) -> list[float]:
    """n answers that are right or wrong, about that share of them right."""
    return [float(value < mean) for value in np.random.default_rng(seed).random(n)]


FOUR = {"base": scored(0.1, 150, 1), "rag": scored(0.4, 150, 2), "tuned": scored(0.3, 150, 3)}
FOUR["hybrid"] = scored(0.75, 150, 4)


def text(sentences: Sequence[str]) -> str:
    return "\n".join(sentences)


def test_a_clear_winner_is_recommended_with_its_figures() -> None:
    got = verdict(FOUR)
    assert (got.recommended, got.undecided, got.examples_needed) == ("hybrid", False, None)
    assert got.probability_best["hybrid"] > 0.99
    assert got.reasons[0].startswith("hybrid is recommended: it scores 0.")
    assert "95 % interval" in got.reasons[0]
    assert "n = 150" in got.reasons[0]
    assert "hybrid is better than rag by 0." in text(got.reasons)


def test_the_json_is_plain_and_has_every_key() -> None:
    got = json.loads(json.dumps(verdict(FOUR).to_json(), allow_nan=False))
    assert set(got) == {
        "question", "task", "approaches", "comparisons", "recommended", "probability_best", "undecided",
        "unsettled", "unsettled_by_tuning", "examples_needed", "reasons", "flips", "run", "confidence", "leader",
    }  # fmt: skip
    assert set(got["approaches"]) == {"base", "rag", "tuned", "hybrid"}
    assert set(got["approaches"]["rag"]) == {
        "quality", "metrics", "trainings", "training_means", "training_spread", "latency_ms",
        "cost_per_1000", "train_seconds", "update_seconds", "peak_memory_mb",
        "tokens_per_question",
    }  # fmt: skip
    assert set(got["approaches"]["rag"]["quality"]) == {"metric", "mean", "low", "high", "n"}
    assert got["approaches"]["rag"]["latency_ms"] == {"p50": 100, "p95": 200}
    assert len(got["comparisons"]) == 6
    assert {"a", "b", "metric", "difference", "low", "high", "p"} <= set(got["comparisons"][0])


def test_the_leader_is_the_best_of_those_within_the_limits_and_its_unsettled_rivals_are_named() -> None:
    facts = FACTS | {"hybrid": replace(FACTS["hybrid"], latency_p95_ms=1840)}
    close = {"rag": scored(0.5, 60, 1), "tuned": scored(0.55, 60, 2), "hybrid": [1.0] * 60, "base": [0.0] * 60}

    got = verdict(close, facts, max_p95_ms=1500, confidence=0.9).to_json()

    assert (got["leader"], got["unsettled"], got["recommended"], got["confidence"]) == ("tuned", ["rag"], None, 0.9)
    assert verdict(FOUR, max_p95_ms=50).leader is None


def test_examples_whose_evidence_names_no_document_are_not_taken_for_one_document() -> None:
    quoted = [Example(f"q{i}", "qa", "?", ("x",), (Evidence("", f"quote {i}"),)) for i in range(2)]
    assert cluster_of(quoted[0]) != cluster_of(quoted[1])


def test_the_same_records_give_the_same_verdict() -> None:
    assert verdict(FOUR).to_json() == verdict(FOUR).to_json()


def test_two_that_are_not_told_apart_are_undecided_with_the_number_that_would_settle_it() -> None:
    got = verdict({"rag": scored(0.5, 60, 1), "hybrid": scored(0.55, 60, 2)})
    assert got.recommended is None
    assert got.undecided
    assert got.examples_needed is not None
    assert got.examples_needed > 60
    assert "is not told apart from" in text(got.reasons)
    assert f"About {got.examples_needed:,} more examples".replace(",", " ") in text(got.reasons)  # the same figure


def test_with_the_examples_it_asks_for_the_verdict_is_mostly_decided() -> None:
    chance, settled = np.random.default_rng(9), 0
    for _ in range(20):
        common = chance.random(60)
        pair = {"rag": (common < 0.4).astype(float), "hybrid": ((common + 0.12 * chance.normal(size=60)) < 0.5) * 1.0}
        first = verdict({name: values.tolist() for name, values in pair.items()})
        n = 60 + (first.examples_needed or 0)
        common = chance.random(n)
        pair = {"rag": (common < 0.4).astype(float), "hybrid": ((common + 0.12 * chance.normal(size=n)) < 0.5) * 1.0}
        settled += not verdict({name: values.tolist() for name, values in pair.items()}).undecided
    assert settled >= 13


def test_what_is_surely_as_good_and_cheaper_is_recommended() -> None:
    nearly = [*FOUR["hybrid"][:-1], 1 - FOUR["hybrid"][-1]]
    got = verdict({"rag": nearly, "hybrid": FOUR["hybrid"]}, smallest_difference=0.05)
    assert got.recommended == "rag"
    assert "costs less (0.05 against 0.051 for 1000 questions)" in text(got.reasons)


def test_without_a_smallest_difference_the_same_is_undecided() -> None:
    nearly = [*FOUR["hybrid"][:-1], 1 - FOUR["hybrid"][-1]]
    assert verdict({"rag": nearly, "hybrid": FOUR["hybrid"]}, smallest_difference=0.001).undecided


def test_of_exactly_equal_approaches_the_cheapest_is_recommended() -> None:
    got = verdict(dict.fromkeys(FACTS, FOUR["rag"]))
    assert got.recommended == "base"
    assert set(got.probability_best.values()) == {0.25}
    assert "exactly as well" in text(got.reasons)


def test_of_equal_cost_the_one_without_training_is_recommended() -> None:
    facts = {"tuned": replace(FACTS["base"], train_seconds=60), "base": FACTS["base"]}
    assert verdict({"tuned": FOUR["rag"], "base": FOUR["rag"]}, facts).recommended == "base"


def test_an_approach_over_a_limit_is_out_and_the_next_is_recommended() -> None:
    facts = FACTS | {"hybrid": replace(FACTS["hybrid"], latency_p95_ms=1840)}
    got = verdict({**FOUR, "tuned": scored(0.1, 150, 3)}, facts, max_p95_ms=1500)
    assert got.recommended == "rag"
    assert "hybrid is out: the p95 latency is 1840 ms, over the limit of 1500 ms (max_p95_ms)." in got.reasons
    assert "If the p95 latency could be 1840 ms (max_p95_ms), hybrid would be recommended, with 0.71." in got.flips


def test_freshness_rules_out_what_never_follows_a_changed_document() -> None:
    got = verdict({**FOUR, "tuned": scored(0.95, 150, 5)}, freshness="1h")
    assert got.recommended == "hybrid"
    assert "tuned is out: it never follows a changed document, and freshness asks for that within 1 h." in got.reasons
    expected = "If answers need not follow changed documents (freshness), tuned would be recommended, with 0.96."
    assert expected in got.flips


def test_where_no_approach_follows_changed_documents_it_is_said() -> None:
    got = verdict({"base": FOUR["base"], "tuned": FOUR["tuned"]}, freshness="1h")
    assert got.recommended is None
    assert "none of them ever follows a changed document" in text(got.reasons)


def test_the_volume_from_which_training_pays_is_told() -> None:
    nearly = [*FOUR["hybrid"][:-1], 1 - FOUR["hybrid"][-1]]  # rag leads by one example, hybrid answers cheaper
    facts = FACTS | {"hybrid": replace(FACTS["hybrid"], cost_per_1000=0.04)}
    got = verdict({"rag": nearly, "hybrid": FOUR["hybrid"]}, facts, smallest_difference=0.08)
    assert got.recommended == "hybrid"
    assert "rag has the best mean" in text(got.reasons)
    assert "hybrid costs less than rag from about 3 200 questions a month on." in got.reasons
    assert "With fewer than about 3 200 questions a month rag would be recommended, with 0.72." in got.flips


def test_where_nothing_keeps_within_the_limits_the_nearest_is_named() -> None:
    got = verdict(FOUR, max_p95_ms=50)
    assert (got.recommended, got.undecided, got.examples_needed) == (None, False, None)
    assert "No approach keeps within the limits" in text(got.reasons)
    assert "base comes nearest, with 2 times the limit" in text(got.reasons)


def test_the_only_approach_left_is_recommended_and_so_it_says() -> None:
    got = verdict(FOUR, max_cost_per_1000=0.0205)
    assert got.recommended == "base"
    assert "the only approach that keeps within the limits" in text(got.reasons)


def test_one_approach_alone_is_recommended_and_nothing_was_compared() -> None:
    got = verdict({"rag": FOUR["rag"]})
    assert (got.recommended, got.comparisons, got.flips) == ("rag", (), ())
    assert "nothing was compared" in text(got.reasons)


def test_the_base_winning_is_said() -> None:
    got = verdict({"base": scored(0.8, 150, 1), "rag": scored(0.3, 150, 2)})
    assert got.recommended == "base"
    assert "base is the model as it came" in text(got.reasons)


def test_everything_near_0_is_said() -> None:
    got = verdict({"base": [0.0] * 99 + [1.0], "rag": [0.0] * 100})
    assert "None answers well: the best mean is 0.01 (base)" in text(got.reasons)


@pytest.mark.parametrize(("right", "told"), [(20, True), (60, False)])
def test_it_is_said_where_abstaining_from_all_questions_would_do_as_well(right: int, told: bool) -> None:
    def asked(name: str, scores: Sequence[float]) -> list[list[Record]]:
        given = rows(name, scores)
        return [[*(replace(one, example=replace(one.example, answers=())) for one in given[:50]), *given[50:]]]

    records = {"base": asked("base", [0.0] * 100), "rag": asked("rag", [1.0] * right + [0.0] * (100 - right))}
    got = decide(records, FACTS, DecideTable(), question="knowledge", task="qa", run="r1")

    sentence = "50 % of the questions have no answer, so abstaining from all questions would score 0.50"
    assert (sentence in text(got.reasons)) == told


def test_one_group_leaves_it_undecided_and_says_why() -> None:
    got = verdict({"base": [0.0] * 40, "hybrid": [1.0] * 40}, groups=["a"] * 40)
    assert got.undecided
    assert "All examples belong to one group" in text(got.reasons)
    assert got.qualities["hybrid"].low == 0


def test_few_groups_are_said_and_many_are_not() -> None:
    better = {"base": scored(0.3, 60, 1), "hybrid": scored(0.8, 60, 2)}
    few, many = (verdict(better, groups=[str(i % count) for i in range(60)]) for count in (4, 20))
    assert "The 60 examples are of only 4 groups" in text(few.reasons)
    assert "groups" not in text(many.reasons)


def test_alike_examples_of_a_group_make_it_less_sure() -> None:
    better = {"rag": [0.0, 1.0] * 30, "hybrid": [1.0, 1.0] * 20 + [0.0, 0.0] * 10}
    alone, grouped = verdict(better), verdict(better, groups=[str(i // 10) for i in range(60)])
    assert (
        grouped.comparisons[0].high - grouped.comparisons[0].low > alone.comparisons[0].high - alone.comparisons[0].low
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_examples_are_never_a_clear_verdict(n: int) -> None:
    got = verdict({"base": [0.0] * n, "hybrid": [1.0] * n})
    assert got.undecided
    assert got.examples_needed is not None
    assert got.examples_needed > 0
    assert f"Only {n} examples were asked" in text(got.reasons)


def test_level_approaches_that_no_number_of_examples_would_settle() -> None:
    got = verdict({"base": [0.0, 1.0] * 20, "rag": [1.0, 0.0] * 20}, smallest_difference=0)
    assert (got.undecided, got.examples_needed) == (True, None)
    assert "no number of examples" in text(got.reasons)


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    st.sampled_from([None, 0.03]),
    st.sampled_from([None, "1h"]),
    st.sampled_from([0.0, 0.02, 0.5]),
)
@settings(max_examples=25, deadline=None)
def test_any_records_give_a_verdict_that_is_json(
    columns: list[list[float]], cost: float | None, freshness: str | None, smallest: float
) -> None:
    scores = dict(zip(FACTS, columns, strict=False))
    got = verdict(scores, max_cost_per_1000=cost, freshness=freshness, smallest_difference=smallest)
    json.dumps(got.to_json(), allow_nan=False)
    assert got.recommended is None or not got.undecided
    assert got.reasons
    assert sum(got.probability_best.values()) == pytest.approx(1)


# ---------------------------------------------------------------- wrong input


def test_an_approach_that_missed_examples_is_named_with_them() -> None:
    with pytest.raises(WorkFailed, match=r"rag has no answer to 2 of 3 examples \(q1, q2\)"):
        verdict({"base": [0.0, 0.0, 1.0], "rag": [1.0]})


def test_no_records_at_all_are_an_error() -> None:
    with pytest.raises(WorkFailed, match="no records"):
        verdict({"base": []})


def test_an_example_answered_twice_is_an_error() -> None:
    twice = {"base": [rows("base", [0.0]) * 2]}
    with pytest.raises(WorkFailed, match="base has 2 answers to 1 examples"):
        decide(twice, FACTS, DecideTable(), question="skill", task="qa", run="r")


def test_an_approach_without_facts_is_an_error() -> None:
    facts: dict[str, Facts] = {}
    with pytest.raises(WorkFailed, match="no latency and cost of base"):
        verdict({"base": [1.0]}, facts)


def test_a_quality_of_another_task_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(UserError, match=r"quality = 'accuracy' does not fit the task qa; one of: f1, exact, contains"):
        verdict({"base": [1.0]}, quality="accuracy")


@pytest.mark.parametrize("value", ["", "1", "an hour", "1w", "-1h", "0s", "1h30m", "\u0661h"])
def test_a_freshness_that_is_no_duration_is_an_error_with_the_value(value: str) -> None:
    with pytest.raises(UserError, match=r"\[decide\] freshness = "):
        verdict({"base": [1.0]}, freshness=value)
