"""One score from two: a convex combination of BM25 and cosine (Bruch, Gai and Ingber 2023, "An Analysis of Fusion
Functions for Hybrid Retrieval").

Each is first scaled from the lowest value that it can have at all, 0 for BM25 and -1 for a cosine, to the highest that
this query found. So a weight means the same however many candidates there are, which it does not where the lowest value
found becomes 0 (benchmarks/LOG.md).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

DEFAULT_WEIGHT = 0.8  # the vectors' share: the best on the train questions of SciFact (benchmarks/LOG.md)
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))  # that are tried
DEPTH = 10  # ranks that count where a weight is chosen

Id = TypeVar("Id", bound=Hashable)


def fuse(words: Mapping[Id, float], vectors: Mapping[Id, float], weight: float, pool: int) -> dict[Id, float]:
    """Scores of 0 to 1 for everything that one of both searches found.

    words: BM25 by id; vectors: cosine by id; weight: the vectors' share; pool: how much each search was asked for. What
    only the other search found counts as the last that this one found; where this one found less than it was asked
    for, there was no more: it counts as lowest.
    """
    nearness = {id: 1 + cosine for id, cosine in vectors.items()}
    last_words, share_of_words = _last(words, pool), _share(1 - weight, words)
    last_vectors, share_of_vectors = _last(nearness, pool), _share(weight, nearness)
    return {
        id: share_of_words * words.get(id, last_words) + share_of_vectors * nearness.get(id, last_vectors)
        for id in {**words, **nearness}
    }


def choose_weight(
    words: Sequence[Mapping[Id, float]],
    vectors: Sequence[Mapping[Id, float]],
    relevant: Sequence[Collection[Id]],
    pool: int,
) -> float:
    """The weight with the highest mean nDCG@10 on training questions.

    words, vectors: for each question what both searches found of the `pool` that they were asked for; relevant: what
    they should have found. The default stays unless another weight is better by more than one standard error of the
    questions' differences: with few questions the best of many weights is best by chance.
    """
    asked = list(zip(words, vectors, relevant, strict=True))
    default = [ndcg(fuse(a, b, DEFAULT_WEIGHT, pool), right) for a, b, right in asked]
    chosen, most = DEFAULT_WEIGHT, 0.0
    for weight in WEIGHTS:
        scores = [ndcg(fuse(a, b, weight, pool), right) for a, b, right in asked]
        gain, error = _mean_and_error([new - old for new, old in zip(scores, default, strict=True)])
        if gain > max(most, error):
            chosen, most = weight, gain
    return chosen


def ndcg(scores: Mapping[Id, float], relevant: Collection[Id], depth: int = DEPTH) -> float:
    """nDCG (Järvelin and Kekäläinen 2002) of the order that these scores give; a thing is relevant or it is not."""
    if not relevant:
        return 0.0
    order = sorted(scores, key=lambda id: -scores[id])[:depth]
    gained = sum(1 / math.log2(rank + 2) for rank, id in enumerate(order) if id in relevant)
    return gained / sum(1 / math.log2(rank + 2) for rank in range(min(depth, len(relevant))))


def _last(scores: Mapping[Id, float], pool: int) -> float:
    return min(scores.values()) if len(scores) >= pool else 0.0


def _share(weight: float, scores: Mapping[Id, float]) -> float:
    highest = max(scores.values(), default=0.0)
    return weight / highest if highest > 0 else 0.0


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return 0.0, 0.0
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
