"""What a report tells besides the verdict: data, training, prompts, the run. What is not known is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundtune.types import LeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What tuning did. mix: kind of row -> how many of the rows were of it."""

    rows: int | None = None
    tokens: int | None = None
    steps: int | None = None
    seconds: float | None = None
    mix: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptChoice:
    """Which prompt a generator got. candidates: every prompt tried -> its score on `n` train questions."""

    generator: str
    chosen: str
    candidates: Mapping[str, float] = field(default_factory=dict)
    n: int | None = None
    text: str = ""  # the chosen prompt as the model reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """The surroundings of a verdict. The question asked (knowledge or skill) stands in the verdict itself."""

    title: str = ""
    model: str = ""
    documents: int | None = None  # None: the examples stand alone
    passages: int | None = None
    train: int | None = None  # examples
    test: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()  # sentences from reading, splitting, leak gates and so on
    training: Training | None = None
    prompts: tuple[PromptChoice, ...] = ()
    price_per_hour: float | None = None
    queries_per_month: int | None = None
    finished: str = ""  # ISO 8601
    version: str = ""  # of groundtune
    config: str = ""  # the TOML file as it was read
