"""General English of our own, on everything and nothing: by it is measured what tuning made a model forget.

What is replayed in training (replay.txt) is never what is measured (text.txt, questions.jsonl).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class GeneralQuestion:
    """A question that has nothing to do with anybody's documents, its right answer, and three wrong ones."""

    question: str
    right: str
    wrong: tuple[str, ...]


def measured_text() -> list[str]:
    """Paragraphs that a model is measured on, and never trained on."""
    return _paragraphs("text.txt")


def replayed_text() -> list[str]:
    """Other paragraphs, to be trained on against forgetting."""
    return _paragraphs("replay.txt")


def questions() -> list[GeneralQuestion]:
    """What most people know. Each has four choices."""
    rows = map(json.loads, _read("questions.jsonl").splitlines())
    return [GeneralQuestion(row["question"], row["right"], tuple(row["wrong"])) for row in rows]


def _paragraphs(name: str) -> list[str]:
    return [paragraph.strip("\n") for paragraph in _read(name).split("\n\n")]


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
