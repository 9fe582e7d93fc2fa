"""What confidences are worth, by hand."""

import pytest

from groundtune.metrics import score, summary
from groundtune.metrics.selective import aurc, ece, is_right
from groundtune.types import Answer, Example, Record


def record(number: int, answers: tuple[str, ...], answer: Answer) -> Record:
    example = Example(f"e{number}", "qa", f"q{number}", answers)
    return Record("base", example, answer, score(example, answer))


def test_the_area_under_the_risk_coverage_curve() -> None:
    assert aurc([0.9, 0.8, 0.1], [0, 0, 1]) == pytest.approx((0 + 0 + 1 / 3) / 3)
    assert aurc([0.1, 0.8, 0.9], [0, 0, 1]) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    # Equally sure: half a mistake each, in whatever order they come.
    assert aurc([0.5, 0.5], [0, 1]) == aurc([0.5, 0.5], [1, 0]) == pytest.approx(0.5)


def test_the_expected_calibration_error() -> None:
    assert ece([0.85, 0.85], [True, True]) == pytest.approx(0.15)
    assert ece([0.75, 0.75, 0.15, 1.0], [True, False, False, True]) == pytest.approx((2 * 0.25 + 0.15 + 0) / 4)


@pytest.mark.parametrize("measure", [aurc, ece])
def test_no_replies_have_neither(measure: object) -> None:
    with pytest.raises(ValueError, match="no replies"):
        measure([], [])  # type: ignore[operator]


def test_what_is_right_depends_on_the_task() -> None:
    assert is_right("labels", {"accuracy": 1.0})
    assert is_right("qa", {"f1": 0.5})
    assert not is_right("qa", {"f1": 0.49})
    assert is_right("text", {"chrf": 1.0}) is None


def test_a_summary_tells_what_withholding_is_worth_beside_always_and_never_doing_so() -> None:
    unsure = Answer("I don't know.", abstained=True, confidence=0.2, withheld=True, unsaid="nine")
    records = [
        record(1, ("seven",), Answer("seven", confidence=0.9)),
        record(2, ("eight",), Answer("eight", confidence=0.8)),
        record(3, (), unsure),
        record(4, ("nine",), unsure),
    ]

    told = summary("qa", records)

    assert told["f1"] == 3 / 4  # one withheld wrongly
    assert told["always_abstain"] == 1 / 4
    assert told["never_withhold"] == 3 / 4
    assert told["withheld_rate"] == 1 / 2
    assert told["aurc"] == pytest.approx((0 + 0 + 0.5 / 3 + 1 / 4) / 4)
    assert told["ece"] == pytest.approx((0.1 + 0.2 + abs(0.4 - 1)) / 4)


def test_without_confidences_and_unanswerable_questions_nothing_of_it_is_told() -> None:
    told = summary("qa", [record(1, ("seven",), Answer("seven"))])

    assert not told.keys() & {"aurc", "ece", "always_abstain", "never_withhold", "withheld_rate"}
