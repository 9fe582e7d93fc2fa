"""Labels: is the text's label the right one?"""

from __future__ import annotations

from collections.abc import Sequence

from groundtune.types import Record

NAMES = ("accuracy",)


def score(answers: Sequence[str], text: str) -> dict[str, float]:
    """1 if the label is right; case and white space around it do not count."""
    return {"accuracy": float(_plain(text) in map(_plain, answers))}


def corpus(records: Sequence[Record]) -> dict[str, float]:
    """Macro-F1: the F1 of each label that is right somewhere, averaged with equal weights.

    An abstention says no label, and so costs its label recall. Of several right labels the one said counts, else the
    first.
    """
    pairs = [_pair(record) for record in records if record.example.answers]
    labels = {right for right, _ in pairs}
    if not labels:
        return {}
    return {"macro_f1": sum(_f1(pairs, label) for label in labels) / len(labels)}


def _pair(record: Record) -> tuple[str, str]:
    said = "" if record.answer.abstained else _plain(record.answer.text)
    right = [_plain(answer) for answer in record.example.answers]
    return (said if said in right else right[0]), said


def _f1(pairs: list[tuple[str, str]], label: str) -> float:
    hits = sum(right == said == label for right, said in pairs)
    return 2 * hits / sum((right == label) + (said == label) for right, said in pairs)


def _plain(label: str) -> str:
    return " ".join(label.split()).casefold()
