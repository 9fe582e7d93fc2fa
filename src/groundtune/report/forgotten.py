"""What tuning made the model forget, as a table and in sentences, for all reports."""

from __future__ import annotations

from groundtune.report.table import Cell, Row, Table
from groundtune.report.wording import count, percent, signed
from groundtune.types import Json

_WHICH = {"both": "The tuned model", "context": "The model tuned for questions with passages",
          "closed": "The model tuned for questions without passages"}  # fmt: skip


def forgotten_table(verdict: Json) -> Table:
    """One row an adapter; no rows where nothing was tuned."""
    rows = [_row(_WHICH[one["use"]] + (", with replay" if _replayed(one) else ""), one) for one in _all(verdict)]
    columns = ("General text, perplexity", "Times", "General questions right", "Difference", "Loss on held-out rows")
    return Table(columns, tuple(rows))


def forgotten_note(verdict: Json) -> str:
    """What the numbers of the table are, and how many things they rest on."""
    one = verdict["forgetting"][0]
    return (
        f"Before tuning → after it, on general English that is in no training: {count(one['paragraphs'])} paragraphs "
        f"of {count(one['tokens'])} tokens and {count(one['questions'])} questions with four choices. In brackets "
        f"{percent(one['confidence'])} intervals, paired."
    )


def forgotten_sentences(verdict: Json) -> list[str]:
    """For each adapter how much it forgot, whether that is too much, what was done about it and what can be done."""
    return [forgotten_sentence(one) for one in _all(verdict)]


def _all(verdict: Json) -> list[Json]:
    return list(verdict.get("forgetting", ()))


def _replayed(one: Json) -> bool:
    """Whether general text was among the rows, from the beginning or from where it was needed."""
    return bool(one["replay_share"]) or one["replayed_from"] is not None


def _row(name: str, one: Json) -> Row:
    held_out = one["held_out"]
    return Row(
        name,
        (
            Cell(f"{one['perplexity_before']:.1f} → {one['perplexity_after']:.1f}"),
            Cell(f"{one['ratio']:.2f}", f"{one['ratio_low']:.2f} to {one['ratio_high']:.2f}"),
            Cell(f"{one['right_before']} → {one['right_after']}", f"of {one['questions']}"),
            Cell(signed(one["difference"]), f"{signed(one['low'])} to {signed(one['high'])}"),
            Cell("–" if held_out is None else f"{held_out:.3f}"),
        ),
    )


def forgotten_sentence(one: Json) -> str:
    """The same for one adapter, as it stands in the verdict."""
    kept = f"answers {one['right_after']} of {one['questions']} general questions rightly, {one['right_before']} before"
    said = f"{_WHICH[one['use']]} finds general text {one['ratio']:.2f} times as perplexing as the base, and {kept}"
    if one["replayed_from"] is not None:
        done = percent(round(one["replayed_from"], 2))
        said += f"; after {done} of the steps it was becoming too much, so general text was replayed from there"
    if one["ratio"] <= one["most"]:
        return f"{said}."
    advice = "fewer [tune] epochs or a lower rate forget less"
    if not _replayed(one):
        advice = "[tune] replay_share = 0.1 keeps more"
    return f"{said}. That is more than [tune] forget_most = {one['most']:g}: {advice}."
