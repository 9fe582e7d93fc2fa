"""What an approach costs besides its mistakes: time, money, memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured of one approach beside the quality of its answers."""

    latency_p50_ms: float
    latency_p95_ms: float
    cost_per_1000: float  # questions, training spread over them; in the currency of [decide] price_per_hour
    train_seconds: float  # 0: nothing was trained
    update_seconds: float | None  # until a changed document is answered by; None: never
    peak_memory_mb: float
    tokens_per_question: float


def cost_per_1000(
    seconds_per_question: float,
    price_per_hour: float,
    train_seconds: float,
    queries_per_month: float,
    tokens_per_question: float = 0,
    price_per_million_tokens: float = 0,
) -> float:
    """What 1000 questions cost: the machine's time and the tokens for them, and their share of one training a month."""
    training = train_seconds / 3600 * price_per_hour
    answering = seconds_per_question / 3600 * price_per_hour + tokens_per_question / 1e6 * price_per_million_tokens
    return 1000 * (answering + training / queries_per_month)


def break_even_queries(training_a: float, answering_a: float, training_b: float, answering_b: float) -> float | None:
    """How many questions a month make two approaches cost the same; None if one is never dearer than the other.

    training: what a month's training costs; answering: what one question costs then.
    """
    dearer_training, cheaper_answering = training_a - training_b, answering_b - answering_a
    if dearer_training * cheaper_answering <= 0:
        return None
    return dearer_training / cheaper_answering
