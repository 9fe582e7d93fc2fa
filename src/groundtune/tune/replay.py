"""General text among what is learnt, so that a model does not forget what it could do before.

Rehearsal: Robins 1995 (Catastrophic forgetting, rehearsal and pseudorehearsal); for language models Scialom et al. 2022
(Fine-tuned language models are continual learners), who find one row in a hundred to be enough for large ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from groundtune.tune.rows import Row
from groundtune.types import Message, Prompt


def replay_rows(texts: Sequence[str], others: int, share: float, seed: int) -> list[Row]:
    """So many rows of the texts that they are `share` of all, with `others` besides; a text comes again where there are
    too few. The loss is on all of a text but its first word."""
    if not share:
        return []
    wanted = max(1, round(others * share / (1 - share)))
    order = random.Random(seed).sample(texts, len(texts))
    return [_row(order[number % len(order)], number) for number in range(wanted)]


def _row(text: str, number: int) -> Row:
    first, _, rest = text.partition(" ")
    return Row(Prompt((Message("user", first),), plain=True), f" {rest}", "replay", f"replay:{number}")
