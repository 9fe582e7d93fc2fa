"""The tables of a report as rows of text, shared by the page and the Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from groundtune.report.standing import BASE, Standing
from groundtune.report.wording import (
    METRICS,
    MISSING,
    count,
    duration,
    memory,
    metric_meaning,
    metric_name,
    milliseconds,
    money,
    score,
    signed,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table: the value, and smaller beside it what belongs to it."""

    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def approaches_table(standing: Standing) -> Table:
    """One row an approach. A column that no approach has a value for is left out."""
    columns = {title: [cell(standing, name) for name in standing.names] for title, cell in _COLUMNS.items()}
    columns = {title: cells for title, cells in columns.items() if any(cell.value != MISSING for cell in cells)}
    cells = zip(*columns.values(), strict=True)
    return Table(tuple(columns), tuple(Row(name, row) for name, row in zip(standing.names, cells, strict=True)))


def metrics_table(standing: Standing) -> Table:
    """One row a metric, one column an approach: every summary value there is."""
    found = {metric for one in standing.approaches.values() for metric in one.get("metrics", {})}
    order = [metric for metric in METRICS if metric in found] + sorted(found - METRICS.keys())
    rows = [
        Row(
            metric_name(metric),
            tuple(Cell(score(one.get("metrics", {}).get(metric))) for one in standing.approaches.values()),
            metric_meaning(metric),
        )
        for metric in order
    ]
    return Table(tuple(standing.names), tuple(rows))


def _quality(standing: Standing, name: str) -> Cell:
    quality = standing.approaches[name]["quality"]
    return Cell(score(quality["mean"]), f"{score(quality['low'])} to {score(quality['high'])}, n = {quality['n']}")


def _delta(standing: Standing, name: str) -> Cell:
    lead = standing.lead(name, BASE) if name != BASE else None
    if lead is None:
        return Cell(MISSING)
    difference, low, high = lead.difference, lead.low, lead.high
    if lead.ahead == BASE:
        difference, low, high = -difference, -high, -low
    return Cell(signed(difference), f"{signed(low)} to {signed(high)}")


def _update(standing: Standing, name: str) -> Cell:
    approach = standing.approaches[name]
    if "update_seconds" not in approach:
        return Cell(MISSING)
    return Cell("never" if approach["update_seconds"] is None else duration(approach["update_seconds"]))


def _training(standing: Standing, name: str) -> Cell:
    seconds = standing.approaches[name].get("train_seconds")
    return Cell("none" if seconds == 0 else duration(seconds))


def _latency(standing: Standing, name: str) -> Cell:
    latency = standing.approaches[name].get("latency_ms") or {}
    p50, p95 = milliseconds(latency.get("p50")), milliseconds(latency.get("p95"))
    return Cell(p50, f"p95 {p95}" if p95 != MISSING else "")


def _plain(key: str, write: Callable[[float | None], str]) -> Callable[[Standing, str], Cell]:
    return lambda standing, name: Cell(write(standing.approaches[name].get(key)))


_COLUMNS: dict[str, Callable[[Standing, str], Cell]] = {
    "Quality": _quality,
    "Over base": _delta,
    "Latency p50": _latency,
    "Cost of 1000": _plain("cost_per_1000", money),
    "Training": _training,
    "Takes up a change in": _update,
    "Peak memory": _plain("peak_memory_mb", memory),
    "Tokens a question": _plain("tokens_per_question", count),
}
