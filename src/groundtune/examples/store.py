"""Examples as rows of the workspace's JSONL files, and back."""

from __future__ import annotations

from groundtune.types import Evidence, Example, Json


def to_row(example: Example) -> Json:
    """The example as a JSON object; `from_row` gives it back unchanged."""
    return {
        "id": example.id,
        "task": example.task,
        "question": example.question,
        "answers": list(example.answers),
        "evidence": [{"document": piece.document, "quote": piece.quote} for piece in example.evidence],
        "group": example.group,
    }


def from_row(row: Json) -> Example:
    """The example in a row that `to_row` made."""
    evidence = tuple(Evidence(piece["document"], piece["quote"]) for piece in row["evidence"])
    return Example(row["id"], row["task"], row["question"], tuple(row["answers"]), evidence, row["group"])
