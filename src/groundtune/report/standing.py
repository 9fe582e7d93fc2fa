"""What the verdict says, read once for all parts of a report: who stands where, and against whom."""

from __future__ import annotations

from dataclasses import dataclass

from groundtune.report.wording import percent
from groundtune.types import Json

BASE = "base"
USUAL = (BASE, "rag", "tuned", "hybrid")


@dataclass(frozen=True, slots=True)
class Lead:
    """How far `ahead` is before `behind`, the difference never negative. `sure`: its interval lies above zero."""

    ahead: str
    behind: str
    difference: float
    low: float
    high: float
    p: float | None

    @property
    def sure(self) -> bool:
        return self.low > 0


class Standing:
    """The approaches of a verdict (issue: verdict.json), in its order.

    place: name -> number of its colour, the same on every page for the usual four.
    """

    def __init__(self, verdict: Json) -> None:
        self.verdict = verdict
        self.approaches: dict[str, Json] = verdict["approaches"]
        self.names = list(self.approaches)
        others = [name for name in self.names if name not in USUAL]
        self.place = {name: place for place, name in enumerate([*USUAL, *others])}

    @property
    def metric(self) -> str:
        """The metric that decides, the same for all."""
        return next((one["quality"]["metric"] for one in self.approaches.values()), "")

    @property
    def n(self) -> int:
        """How many examples every approach answered."""
        return max((one["quality"]["n"] for one in self.approaches.values()), default=0)

    @property
    def run(self) -> str:
        return str(self.verdict["run"])

    @property
    def recommended(self) -> str | None:
        name: str | None = self.verdict["recommended"]
        return name

    @property
    def interval(self) -> str:
        """What the intervals hold at: "95 %"."""
        return percent(self.verdict["confidence"])

    @property
    def ranked(self) -> list[str]:
        """Best mean first; what is level keeps its order."""
        return sorted(self.names, key=lambda name: -self.mean(name))

    @property
    def champion(self) -> str | None:
        """The recommended approach, else the leader, else the one with the best mean; None where there are none."""
        return self.recommended or self.verdict["leader"] or next(iter(self.ranked), None)

    @property
    def rival(self) -> str | None:
        """The strongest approach besides the champion."""
        return next((name for name in self.ranked if name != self.champion), None)

    def mean(self, name: str) -> float:
        return float(self.approaches[name]["quality"]["mean"])

    def leads(self) -> list[Lead]:
        """All comparisons, turned so that the better one comes first, the widest lead first."""
        leads = []
        for row in self.verdict["comparisons"]:
            names, difference, low, high = (row["a"], row["b"]), row["difference"], row["low"], row["high"]
            if difference < 0:
                names, difference, low, high = names[::-1], -difference, -high, -low
            leads.append(Lead(*names, difference, low, high, row.get("p")))
        return sorted(leads, key=lambda lead: -lead.difference)

    def lead(self, a: str, b: str) -> Lead | None:
        """The comparison of two approaches, whoever is ahead; None where the verdict has none."""
        return next((lead for lead in self.leads() if {lead.ahead, lead.behind} == {a, b}), None)
