"""General text among what is learnt, so that a model does not forget what it could do before.

Rehearsal: Robins 1995 (Catastrophic forgetting, rehearsal and pseudorehearsal); for language models Scialom et al. 2022
(Fine-tuned language models are continual learners), who find one row in a hundred to be enough for large ones. Of the
text nothing is learnt: the model is held to what it expected there before (Li and Hoiem 2016, Learning without
Forgetting), so that the same few paragraphs can come again and again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from groundtune.tune.rows import Row, after_first_word


def replay_rows(texts: Sequence[str], others: int, share: float, seed: int) -> list[Row]:
    """So many rows of the texts that they are `share` of all, with `others` besides; a text comes again where there are
    too few."""
    if not share:
        return []
    wanted = max(1, round(others * share / (1 - share)))
    order = random.Random(seed).sample(texts, len(texts))
    return general_rows([order[number % len(order)] for number in range(wanted)])


def general_rows(texts: Sequence[str]) -> list[Row]:
    """The texts, each as a row of its own: the loss is on all of it but its first word."""
    return [Row(*after_first_word(text), "replay", f"replay:{number}") for number, text in enumerate(texts)]
