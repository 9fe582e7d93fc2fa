"""What the reports say of how often tuned approaches were trained."""

from __future__ import annotations

from groundtune.config import DecideTable
from groundtune.decide import decide
from groundtune.report import ReportContext, html, markdown
from groundtune.report.terminal import terminal
from groundtune.report.trainings import trainings_note
from groundtune.types import Json, Record
from tests.report.conftest import FACTS, make_records

ONCE = (
    "tuned and hybrid were trained once, so the spread of tuning itself is not in the intervals; --seeds 3 would "
    "measure it."
)


def several(n: int = 150) -> tuple[Json, dict[str, list[Record]]]:
    """Three trainings of the tuned approaches: their verdict, and the records of the first."""
    runs = [make_records(n=n, seed=seed) for seed in (3, 4, 5)]
    records = {name: [run[name] for run in runs] if FACTS[name].train_seconds else [runs[0][name]] for name in runs[0]}
    found = decide(records, FACTS, DecideTable(), question="knowledge", task="qa", run="r").to_json()
    return found, runs[0]


def test_one_training_is_said_in_every_report_with_what_would_measure_more(
    verdict: Json, records: dict[str, list[Record]]
) -> None:
    for page in (
        markdown(verdict, ReportContext()),
        "\n".join(terminal(verdict)),
        html(verdict, records, ReportContext()),
    ):
        assert ONCE in page


def test_several_trainings_are_told_with_the_score_of_each() -> None:
    verdict, records = several()
    means = ", ".join(f"{mean:.2f}" for mean in verdict["approaches"]["tuned"]["training_means"])
    spread = verdict["approaches"]["tuned"]["training_spread"]
    for page in (
        markdown(verdict, ReportContext()),
        "\n".join(terminal(verdict)),
        html(verdict, records, ReportContext()),
    ):
        assert "tuned and hybrid were trained 3 times, each time from another seed" in page
        assert f"tuned {means} (standard deviation {spread:.3f})" in page
    assert "each in its first training." in html(verdict, records, ReportContext())


def test_where_nothing_was_tuned_nothing_is_said_of_it(alone: tuple[Json, dict[str, list[Record]]]) -> None:
    assert trainings_note(alone[0]) == ""
    assert "trained" not in markdown(alone[0], ReportContext())


def test_a_single_tuned_approach_is_spoken_of_in_the_singular(verdict: Json) -> None:
    few = {"tuned": verdict["approaches"]["tuned"], "rag": verdict["approaches"]["rag"]}
    assert trainings_note(verdict | {"approaches": few}).startswith("tuned was trained once, so")


def test_what_only_more_trainings_would_settle_is_said_in_the_first_line(verdict: Json) -> None:
    open_ = verdict | {
        "recommended": None, "undecided": True, "leader": "hybrid", "unsettled": ["rag"],
        "unsettled_by_tuning": ["rag"], "examples_needed": None,
    }  # fmt: skip
    first = markdown(open_, ReportContext()).splitlines()[0]
    assert first.endswith("of rag; more trainings would settle it, not more examples.")
    assert "Undecided. More trainings would settle it, not more examples." in terminal(open_)
