"""What would flip the answer: each sentence is checked by really changing that one thing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from groundtune.config import DecideTable
from groundtune.decide import Facts
from groundtune.decide.choose import Results, choose
from groundtune.decide.compare import Comparison
from groundtune.decide.flips import flips, write_count
from groundtune.decide.limits import limits_of

FACTS = {
    "base": Facts(50, 100, 0.02, 0, None, 400, 80),
    "rag": Facts(100, 200, 0.05, 0, 60, 500, 300),
    "tuned": Facts(50, 110, 0.021, 1200, None, 420, 80),
    "hybrid": Facts(100, 210, 0.051, 1200, 60, 520, 300),
}
MEANS = {"base": 0.2, "rag": 0.5, "tuned": 0.4, "hybrid": 0.6}


def results(half_width: float = 0.05, **changed: float) -> Results:
    names = list(MEANS)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    means = MEANS | changed
    gaps = {(a, b): means[a] - means[b] for a, b in pairs}
    compared = [Comparison(a, b, "f1", d, d - half_width, d + half_width, 0.5, False) for (a, b), d in gaps.items()]
    return Results(means, FACTS, compared)


def recommended(given: Results, table: DecideTable) -> str | None:
    return choose(given, limits_of(table), table.smallest_difference).recommended


def test_a_stricter_latency_limit_flips_it_where_the_sentence_says() -> None:
    table = DecideTable()
    assert recommended(results(), table) == "hybrid"
    assert "If the p95 latency had to stay under 210 ms (max_p95_ms), rag would be recommended, with 0.50." in flips(
        results(), table
    )
    assert recommended(results(), DecideTable(max_p95_ms=209)) == "rag"
    assert recommended(results(), DecideTable(max_p95_ms=210)) == "hybrid"


def test_figures_are_rounded_so_that_the_sentence_stays_true() -> None:
    facts = {**FACTS, "hybrid": replace(FACTS["hybrid"], latency_p95_ms=1843.7)}
    odd = replace(results(), facts=facts)
    assert "If the p95 latency had to stay under 1840 ms (max_p95_ms), rag would be recommended, with 0.50." in flips(
        odd, DecideTable()
    )
    limited = DecideTable(max_p95_ms=1000)
    expected = "If the p95 latency could be 1850 ms (max_p95_ms), hybrid would be recommended, with 0.60."
    assert expected in flips(odd, limited)
    assert recommended(odd, DecideTable(max_p95_ms=1850)) == "hybrid"


def test_a_looser_cost_limit_flips_it_where_the_sentence_says() -> None:
    table = DecideTable(max_cost_per_1000=0.03)
    assert recommended(results(), table) == "tuned"
    expected = "If the cost of 1000 questions could be 0.05 (max_cost_per_1000), rag would be recommended, with 0.50."
    assert expected in flips(results(), table)
    assert recommended(results(), DecideTable(max_cost_per_1000=0.05)) == "rag"


def test_a_demand_for_freshness_flips_a_tuned_model_that_never_hears_of_changes() -> None:
    best = results(tuned=0.9)
    assert recommended(best, DecideTable()) == "tuned"
    expected = "If answers had to follow changed documents (freshness), hybrid would be recommended, with 0.60."
    assert expected in flips(best, DecideTable())
    assert recommended(best, DecideTable(freshness="1h")) == "hybrid"


def test_the_volume_at_which_training_pays_flips_it() -> None:
    near = results(rag=0.59, half_width=0.005)  # rag is as good as hybrid: the cheaper one wins
    facts = {**FACTS, "hybrid": replace(FACTS["hybrid"], cost_per_1000=0.0507, train_seconds=3600)}
    given, table = replace(near, facts=facts), DecideTable(queries_per_month=50_000, price_per_hour=0.1)
    assert recommended(given, table) == "rag"
    # Training costs 0.1 a month, 0.002 per 1000 at 50 000; 1000 answers cost 0.0487 against 0.05: 0.1 / 0.0000013
    assert "From about 77 000 questions a month on hybrid would be recommended, with 0.60." in flips(given, table)


def test_a_larger_smallest_difference_flips_it_to_the_cheaper() -> None:
    table = DecideTable()
    sentence = next(s for s in flips(results(), table) if "smallest_difference" in s)
    assert sentence.startswith("If differences up to 0.15 did not matter (smallest_difference), rag would be")
    assert recommended(results(), DecideTable(smallest_difference=0.151)) == "rag"


def test_an_undecided_verdict_says_what_would_decide_it() -> None:
    open_one = results(half_width=0.15)  # hybrid is not told apart from rag, nor rag from tuned
    assert recommended(open_one, DecideTable()) is None
    told = flips(open_one, DecideTable())
    assert "If the p95 latency had to stay under 200 ms (max_p95_ms), tuned would be recommended, with 0.40." in told
    assert not any("smallest_difference" in sentence for sentence in told)  # 0.25 would matter to anyone


def test_nothing_flips_a_winner_that_is_best_in_everything() -> None:
    facts = {**FACTS, "base": replace(FACTS["base"], update_seconds=1)}
    assert flips(replace(results(base=0.95), facts=facts), DecideTable()) == []


@pytest.mark.parametrize(
    ("number", "written"), [(3, "3"), (10.2, "11"), (183, "190"), (76_923, "77 000"), (999, "1 000")]
)
def test_counts_are_written_to_two_digits_and_never_too_small(number: float, written: str) -> None:
    assert write_count(number) == written
