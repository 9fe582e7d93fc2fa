"""Short answers to questions: is the answer right, word for word or nearly?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from groundtune.metrics.words import stands_in, words

NAMES = ("f1", "exact", "contains")


def score(answers: Sequence[str], text: str) -> dict[str, float]:
    """Token F1 and exact match as in SQuAD (Rajpurkar et al. 2016), and whether a right answer stands in the text.

    Each is the best over the right answers, which are one at least.
    """
    said = words(text)
    right = [words(answer) for answer in answers]
    return {
        "f1": max(token_f1(said, answer) for answer in right),
        "exact": float(said in right),
        "contains": float(any(stands_in(answer, said) for answer in right)),
    }


def token_f1(said: list[str], right: list[str]) -> float:
    """The harmonic mean of the share of said words that are right and the share of right words that are said."""
    common = (Counter(said) & Counter(right)).total()
    return 2 * common / (len(said) + len(right)) if common else 0.0
