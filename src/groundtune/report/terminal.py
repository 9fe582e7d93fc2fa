"""The verdict as a terminal shows it: one sentence, one table, the reasons, what would flip it."""

from __future__ import annotations

from groundtune.report.forgotten import forgotten_sentences
from groundtune.report.trainings import trainings_note
from groundtune.report.wording import count, percent, share
from groundtune.types import Json


def terminal(verdict: Json) -> list[str]:
    """The lines to print."""
    lines = ["", _headline(verdict), ""]
    interval = f"{percent(verdict['confidence'])} interval"
    lines.append(
        f"{'approach':12} {'quality':>8} {interval:>16} {'p50 ms':>8} {'p95 ms':>8} {'per 1000':>9} {'training':>9}"
    )
    for name, row in verdict["approaches"].items():
        quality, latency = row["quality"], row["latency_ms"]
        interval = f"{quality['low']:.3f} to {quality['high']:.3f}"
        lines.append(
            f"{name:12} {quality['mean']:8.3f} {interval:>16} {latency['p50']:8.0f} {latency['p95']:8.0f} "
            f"{row['cost_per_1000']:9.4f} {row['train_seconds']:7.0f} s"
        )
    first = next(iter(verdict["approaches"].values()))["quality"]
    lines.append(f"(quality: {first['metric']} over {first['n']} held-out examples; question: {verdict['question']})")
    if trainings := trainings_note(verdict):
        lines.append(f"({trainings})")
    told = {
        "Why": verdict.get("reasons"),
        "What would flip it": verdict.get("flips"),
        "What tuning forgot": forgotten_sentences(verdict),
    }
    for title, sentences in told.items():
        if sentences:
            lines += ["", f"{title}:", *(f"- {sentence}" for sentence in sentences)]
    return [*lines, ""]


def _headline(verdict: Json) -> str:
    if verdict["recommended"]:
        sure = verdict["probability_best"].get(verdict["recommended"])
        return f"Ship {verdict['recommended']}." + (
            f" Probability of being best: {share(sure)}." if sure is not None else ""
        )
    if verdict["undecided"]:
        if more := verdict["examples_needed"]:
            return f"Undecided. About {count(more)} more examples would settle it."
        by_tuning = verdict.get("unsettled_by_tuning")
        return "Undecided." + (" More trainings would settle it, not more examples." if by_tuning else "")
    return "No approach keeps within the limits."
