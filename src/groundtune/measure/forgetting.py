"""What tuning made a model forget: general text and general questions, before and after, the same ones.

Text is measured by perplexity, the exponential of the mean loss of a token (Jelinek et al. 1977); questions by how many
are answered with the right one of four choices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from groundtune.general import GeneralQuestion
from groundtune.models.backend import TunableBackend
from groundtune.stats import clustered_bootstrap, interval
from groundtune.types import Json, Limits, Message, Prompt

# Solved in front of each question: a small model does much better so (docs/decisions/014-forgetting.md).
_SOLVED = "Question: Which animal says moo?\nAnswer: a cow\n\nQuestion: What is one plus one?\nAnswer: two\n\n"


@dataclass(frozen=True, slots=True)
class General:
    """What one generator can do in general. losses: of each paragraph, in nats, over all its `tokens` together; right:
    whether each question was answered rightly."""

    losses: tuple[float, ...]
    tokens: tuple[int, ...]
    right: tuple[bool, ...]

    @property
    def perplexity(self) -> float:
        return math.exp(sum(self.losses) / sum(self.tokens))


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Before tuning and after it, with the intervals of what has changed at `confidence`.

    ratio: perplexity after over before, so 1 is nothing forgotten; difference: of the shares of right answers.
    """

    perplexity_before: float
    perplexity_after: float
    ratio: float
    ratio_low: float
    ratio_high: float
    paragraphs: int
    tokens: int
    right_before: int
    right_after: int
    difference: float
    low: float
    high: float
    questions: int
    confidence: float

    def to_json(self) -> Json:
        return asdict(self)


def general(
    backend: TunableBackend, adapter: Path | None, texts: Sequence[str], questions: Sequence[GeneralQuestion]
) -> General:
    """Measures the bare model, or the model with an adapter."""
    losses = backend.losses(texts, adapter)
    said = backend.generator(adapter).generate([_prompt(one) for one in questions], Limits())
    return General(
        losses=tuple(map(math.fsum, losses)),
        tokens=tuple(map(len, losses)),
        right=tuple(reply.text.strip() == one.right for reply, one in zip(said, questions, strict=True)),
    )


def forgetting(before: General, after: General, confidence: float) -> Forgetting:
    """The two compared, paired by paragraph and by question. Paragraphs, not tokens, are drawn again."""
    tokens = before.tokens
    # Every token gets its paragraph's mean, so that a mean over tokens is the one that perplexity is made of.
    change = [
        (b - a) / n for a, b, n in zip(before.losses, after.losses, tokens, strict=True) for _ in range(n)
    ]  # fmt: skip
    paragraph = [str(number) for number, n in enumerate(tokens) for _ in range(n)]
    ratio_low, ratio_high = _ratio(change, paragraph, confidence)
    gained = [float(b) - float(a) for a, b in zip(before.right, after.right, strict=True)]
    question = [str(number) for number in range(len(gained))]
    drawn = clustered_bootstrap(gained, question)[:, 0]
    low, high = interval(drawn, gained, question, confidence, bounds=(-1.0, 1.0))
    return Forgetting(
        perplexity_before=before.perplexity,
        perplexity_after=after.perplexity,
        ratio=after.perplexity / before.perplexity,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        paragraphs=len(tokens),
        tokens=sum(tokens),
        right_before=sum(before.right),
        right_after=sum(after.right),
        difference=sum(gained) / len(gained),
        low=low,
        high=high,
        questions=len(gained),
        confidence=confidence,
    )


def _ratio(change: Sequence[float], paragraph: Sequence[str], confidence: float) -> tuple[float, float]:
    """The interval of the ratio of perplexities: that of the mean change of a token's loss, exponentiated."""
    drawn = clustered_bootstrap(change, paragraph)[:, 0]
    low, high = interval(drawn, change, paragraph, confidence, bounds=(min(change), max(change)))
    return math.exp(low), math.exp(high)


def _prompt(one: GeneralQuestion) -> Prompt:
    choices = tuple(f" {choice}" for choice in sorted((one.right, *one.wrong)))
    return Prompt((Message("user", f"{_SOLVED}Question: {one.question}\nAnswer:"),), choices, plain=True)
