"""The verdict on a terminal."""

from __future__ import annotations

from groundtune.report.terminal import terminal
from groundtune.types import Json


def test_the_interval_is_called_by_the_verdicts_own_confidence_and_the_columns_stand_in_line(verdict: Json) -> None:
    lines = terminal(verdict | {"confidence": 0.999})
    head = next(line for line in lines if line.startswith("approach"))
    assert "99.9 % interval" in head
    rows = [line for line in lines if line.split(" ")[0] in verdict["approaches"]]
    assert {len(line) for line in rows} == {len(head)}
