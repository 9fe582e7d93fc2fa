"""What tuning made the model forget, as a table and in sentences, for all reports."""

from __future__ import annotations

from groundtune.report.table import Cell, Row, Table
from groundtune.report.wording import count, percent, signed
from groundtune.types import Json

_WHICH = {"both": "The tuned model", "context": "The model tuned for questions with passages",
          "closed": "The model tuned for questions without passages"}  # fmt: skip


def forgotten_table(verdict: Json) -> Table:
    """One row an adapter, and one for each that was trained again because it forgot too much; no rows where nothing was
    tuned."""
    rows = []
    for one in verdict.get("forgetting", ()):
        if one["without_replay"]:
            rows.append(_row(f"{_WHICH[one['use']]}, at first", one["without_replay"]))
        rows.append(_row(_WHICH[one["use"]] + (", with replay" if one["replay_share"] else ""), one))
        if one["replay_in_vain"]:
            rows.append(_row(f"{_WHICH[one['use']]}, with replay, not kept", one["replay_in_vain"]))
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
    return [_sentence(one) for one in verdict.get("forgetting", ())]


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


def _sentence(one: Json) -> str:
    first, in_vain, share = one["without_replay"], one["replay_in_vain"], one["replay_share"]
    most = f"[tune] forget_most = {one['most']:g}"
    kept = f"answers {one['right_after']} of {one['questions']} general questions rightly, {one['right_before']} before"
    said = f"{_WHICH[one['use']]} finds general text {one['ratio']:.2f} times as perplexing as the base, and {kept}"
    if first:
        said += (
            f"; it was {first['ratio']:.2f} times at first, more than {most}, so it was trained again with general "
            f"text as {percent(share)} of the rows"
        )
    if one["ratio"] <= one["most"]:
        return f"{said}."
    if in_vain:
        said += f"; trained again with general text among the rows it was {in_vain['ratio']:.2f} times, so this stays"
    tried = share or in_vain
    advice = "fewer [tune] epochs or a lower rate forget less" if tried else "[tune] replay_share = 0.1 keeps more"
    return f"{said}. That is {'still ' if first else ''}more than {most}: {advice}."
