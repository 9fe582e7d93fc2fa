"""The plots of a report: quality, differences, and quality against what it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundtune.report.standing import Standing
from groundtune.report.svg import COLOURS, INK, LINE, OWN, PAPER, SOFT, draw_svg
from groundtune.report.wording import known, metric_name, milliseconds, money, score, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHAPES = "osD^vPX*"
_MOST_LEADS = 12
_LONGEST_NAME = 16


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture; alt: the same in words, with every number that is in it."""

    title: str
    svg: str
    alt: str
    note: str = ""


def plots(standing: Standing) -> list[Plot]:
    """All plots that the verdict has the numbers for."""
    p95 = {name: (one.get("latency_ms") or {}).get("p95") for name, one in standing.approaches.items()}
    cost = {name: one.get("cost_per_1000") for name, one in standing.approaches.items()}
    drawn = [
        _quality(standing),
        _leads(standing),
        _against(standing, p95, "Quality against latency", "p95 latency", milliseconds),
        _against(standing, cost, "Quality against cost", "cost of 1000 questions", money),
    ]
    return [plot for plot in drawn if plot is not None]


def _quality(standing: Standing) -> Plot:
    def draw(axes: Axes) -> None:
        for row, name in enumerate(standing.names):
            low, mean, high = _interval(standing, name)
            look = _look(standing, name)
            axes.plot([low, high], [row, row], linewidth=2.4, solid_capstyle="round", **look)
            axes.plot(mean, row, _shape(standing, name), markersize=8, **look)
            axes.annotate(score(mean), (mean, row), (0, 8), textcoords="offset points", ha="center", color=INK)
        axes.set_yticks(range(len(standing.names)), [_short(name) for name in standing.names])
        axes.set_ylim(len(standing.names) - 0.5, -0.7)
        axes.set_xlim(0, _top(standing))
        axes.set_xlabel(metric_name(standing.metric))
        axes.grid(axis="x", color=LINE, linewidth=0.8)

    svg = draw_svg("quality", 0.9 + 0.5 * len(standing.names), draw)
    return Plot("Quality", svg, f"{metric_name(standing.metric)}: {_in_words(standing, standing.names)}.")


def _leads(standing: Standing) -> Plot | None:
    leads = standing.leads()[:_MOST_LEADS]
    if not leads:
        return None

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=SOFT, linewidth=1)
        for row, lead in enumerate(leads):
            axes.plot([lead.low, lead.high], [row, row], color=INK, linewidth=2, solid_capstyle="round")
            axes.plot(lead.difference, row, "o", color=INK, markerfacecolor=INK if lead.sure else PAPER, markersize=7)
        axes.set_yticks(range(len(leads)), [f"{_short(lead.ahead)} over {_short(lead.behind)}" for lead in leads])
        axes.set_ylim(len(leads) - 0.5, -0.5)
        axes.set_xlabel(f"difference in {metric_name(standing.metric)}")
        axes.grid(axis="x", color=LINE, linewidth=0.8)

    words = [
        f"{lead.ahead} over {lead.behind} {signed(lead.difference)} ({signed(lead.low)} to {signed(lead.high)})"
        for lead in leads
    ]
    hollow = " A hollow dot: the two are not told apart." if any(not lead.sure for lead in leads) else ""
    note = f"They hold for all pairs together.{hollow}"
    return Plot(
        "Differences", draw_svg("differences", 0.9 + 0.32 * len(leads), draw), f"Differences: {'; '.join(words)}.", note
    )


def _against(
    standing: Standing, at: dict[str, float | None], title: str, axis: str, write: Callable[[float | None], str]
) -> Plot | None:
    """Quality over a figure that should be small; approaches without that figure are named below the plot."""
    values = {name: value for name, value in at.items() if value is not None and known(value)}
    if len(values) < 2:  # one point shows nothing that the table does not say
        return None
    missing = [name for name in standing.names if name not in values]
    wide = min(values.values()) > 0 and max(values.values()) / min(values.values()) > 15

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

        for name, value in values.items():
            low, mean, high = _interval(standing, name)
            look = _look(standing, name)
            axes.plot([value, value], [low, high], linewidth=1.6, solid_capstyle="round", **look)
            axes.plot(value, mean, _shape(standing, name), markersize=8, **look)
        if wide:
            axes.set_xscale("log")
            axes.set_xlim(min(values.values()) / 1.7, max(values.values()) * 1.7)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=6))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_xlim(0, max(values.values()) * 1.2 or 1)
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
        axes.set_ylim(0, _top(standing))
        axes.set_xlabel(axis + (", on a logarithmic scale" if wide else ""))
        axes.set_ylabel(metric_name(standing.metric))
        axes.grid(color=LINE, linewidth=0.8, which="major")
        _label(axes, [(name, value, standing.mean(name)) for name, value in values.items()])

    words = [f"{name} {write(value)} at {score(standing.mean(name))}" for name, value in values.items()]
    note = f"Not measured for {', '.join(missing)}." if missing else ""
    return Plot(title, draw_svg(title.split()[-1], 3.1, draw), f"{title} ({axis}): {'; '.join(words)}.", note)


def _label(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Writes names beside points, pushed upwards where one would cover another."""
    if (figure := axes.get_figure(root=True)) is not None:
        figure.draw_without_rendering()  # from here on the axes stand where they will stay
    placed: list[tuple[float, float]] = []
    middle = axes.transAxes.transform((0.6, 0))[0]
    for name, x, y in sorted(points, key=lambda point: (point[2], point[0])):
        left, height = axes.transData.transform((x, y))
        text_height = height
        while any(abs(left - other) < 70 and abs(text_height - taken) < 13 for other, taken in placed):
            text_height += 1
        placed.append((left, text_height))
        right = left > middle
        axes.annotate(
            _short(name),
            (x, y),
            (-9 if right else 9, text_height - height),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            color=INK,
        ).set_in_layout(False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _interval(standing: Standing, name: str) -> tuple[float, float, float]:
    quality = standing.approaches[name]["quality"]
    return quality["low"], quality["mean"], quality["high"]


def _top(standing: Standing) -> float:
    """Where the axis of quality ends: a little over the highest interval."""
    return max(0.05, 1.12 * max(_interval(standing, name)[2] for name in standing.names))


def _in_words(standing: Standing, names: Sequence[str]) -> str:
    parts = []
    for name in names:
        low, mean, high = _interval(standing, name)
        parts.append(f"{name} {score(mean)} ({score(low)} to {score(high)})")
    return "; ".join(parts)


def _look(standing: Standing, name: str) -> dict[str, Any]:
    """How an approach is drawn; over the edge too, so that a mark at 0 is seen whole."""
    return {"color": OWN[standing.place[name] % COLOURS], "clip_on": False}


def _shape(standing: Standing, name: str) -> str:
    place = standing.place[name]
    return _SHAPES[(place + place // COLOURS) % len(_SHAPES)]
