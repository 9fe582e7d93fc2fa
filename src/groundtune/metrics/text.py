"""Free text: how much of a right text is there, by characters (chrF) and by words in order (ROUGE-L)?"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from groundtune.metrics.words import words
from groundtune.types import Record

NAMES = ("chrf", "rouge_l")


def score(answers: Sequence[str], text: str) -> dict[str, float]:
    """chrF (Popović 2015, by sacrebleu) and ROUGE-L's F (Lin 2004, by rouge-score), best over the right texts."""
    return {
        "chrf": _chrf().sentence_score(text, list(answers)).score / 100,
        "rouge_l": _rouge().score_multi(list(answers), text)["rougeL"].fmeasure,
    }


def corpus(records: Sequence[Record]) -> dict[str, float]:
    """chrF of all texts as one, as translation work reports it; an abstention counts as an empty text."""
    asked = [record for record in records if record.example.answers]
    if not asked:
        return {}
    said = ["" if record.answer.abstained else record.answer.text for record in asked]
    # sacrebleu wants the first right text of every example, then the second of every example (None: it has none) ...
    right = [list(column) for column in zip_longest(*(record.example.answers for record in asked))]
    return {"chrf_corpus": _chrf().corpus_score(said, right).score / 100}


@functools.cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


@functools.cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    return RougeScorer(["rougeL"], tokenizer=_Words())


class _Words:
    """What rouge-score calls a tokenizer. Its own one drops every letter but a-z."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)
