"""How often the tuned approaches were trained, and whether the intervals know how far trainings lie apart."""

from __future__ import annotations

from groundtune.report.wording import score
from groundtune.types import Json


def trainings_note(verdict: Json) -> str:
    """What the intervals say of tuning, for all reports; empty where nothing was tuned."""
    tuned = {name: one for name, one in verdict["approaches"].items() if one.get("trainings")}
    if not tuned:
        return ""
    names, times = " and ".join(tuned), max(one["trainings"] for one in tuned.values())
    were = "was" if len(tuned) == 1 else "were"
    if times == 1:
        return (
            f"{names} {were} trained once, so the spread of tuning itself is not in the intervals; --seeds 3 would "
            "measure it."
        )
    told = "; ".join(f"{name} {_scores(one)}" for name, one in tuned.items())
    return (
        f"{names} {were} trained {times} times, each time from another seed; scores are means over the trainings, and "
        f"the intervals hold the spread of tuning, too: {told}."
    )


def _scores(one: Json) -> str:
    return f"{', '.join(map(score, one['training_means']))} (standard deviation {one['training_spread']:.3f})"
