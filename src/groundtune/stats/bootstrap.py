"""The clustered bootstrap: whole clusters are drawn again, because examples of one document are alike."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from groundtune.stats.clusters import (
    Floats,
    Labels,
    by_cluster,
    effective_clusters,
    independent_examples,
    variance_of_mean,
)
from groundtune.stats.trainings import variance_of_trainings, welch

FEW_CLUSTERS = 10  # with fewer the bootstrap is too narrow, and Student's t takes its place
_BLOCK = 1000  # resamples at a time: bounds the memory


def clustered_bootstrap(values: ArrayLike, clusters: Labels, resamples: int = 10_000, seed: int = 0) -> Floats:
    """Means that might have come out: (resamples, a), from values of shape (n,) or (n, a) and n cluster labels.

    Each resample draws as many clusters as there are, with replacement, the same ones for all columns, so that columns
    can be compared pair by pair. A mean is the sum of the drawn clusters over their size, for sizes differ.
    Source: Davison & Hinkley, Bootstrap Methods (1997), section 3.8; Field & Welsh (2007).
    """
    sums, sizes = by_cluster(values, clusters)
    count = len(sizes)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, sums.shape[1]))
    for start in range(0, resamples, _BLOCK):
        block = means[start : start + _BLOCK]
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=len(block)).astype(np.float64)
        block[:] = drawn @ sums / (drawn @ sizes)[:, None]
    return means


def interval(
    samples: ArrayLike,
    values: ArrayLike,
    clusters: Labels,
    confidence: float,
    bounds: tuple[float, float] = (0.0, 1.0),
    trainings: ArrayLike = (0.0,),
) -> tuple[float, float]:
    """The interval of a mean: (low, high), within `bounds`, the values' least and greatest possible value.

    samples: (resamples,) of `clustered_bootstrap`, with several trainings those of `drawn_trainings` added; values: the
    (n,) values themselves, means over the trainings; clusters: their n labels; trainings: the mean of each training.

    Percentiles of the bootstrap, widened as t is wider than the normal (Hesterberg 2015: expanded percentiles). With
    fewer than FEW_CLUSTERS: Student's t on the variance between clusters. With several trainings the variance between
    these is added, and the degrees of freedom are Welch's; where they are as few as those of few clusters, it is
    Student's t, too. Either way no narrower than what so many examples can exclude: a kind of question that none of
    them shows may still be a share `unseen` of all (Clopper & Pearson 1934), so 20 right answers of 20 give 0.83 to 1,
    not 1 to 1. One cluster says nothing about others: then it is `bounds`.
    """
    from scipy.stats import norm, t  # type: ignore[import-untyped]

    sums, sizes = by_cluster(values, clusters)
    if len(sizes) == 1:
        return bounds
    mean = float(sums.sum() / sizes.sum())
    count, tail = effective_clusters(sizes), (1 - confidence) / 2
    questions, tuning = variance_of_mean(values, clusters), variance_of_trainings(trainings)
    freedom = welch(questions, count - 1, tuning, len(np.asarray(trainings)))
    quantile = min(float(t.ppf(1 - tail, freedom)), 1e9)  # infinite where one cluster is nearly everything
    if freedom < FEW_CLUSTERS - 1:
        half = quantile * math.sqrt(questions + tuning)
        low, high = mean - half, mean + half
    else:
        share = norm.cdf(-quantile * math.sqrt(count / (count - 1)))
        low, high = (float(edge) for edge in np.quantile(np.asarray(samples), [share, 1 - share]))
    unseen = unseen_share(independent_examples(values, clusters), confidence)
    low = min(low, mean - unseen * (mean - bounds[0]))
    high = max(high, mean + unseen * (bounds[1] - mean))
    return max(low, bounds[0]), min(high, bounds[1])


def unseen_share(examples: float, confidence: float) -> float:
    """The greatest share that a kind of example may have when none of so many independent ones was of that kind."""
    return float(1 - ((1 - confidence) / 2) ** (1 / examples))


def probability_best(samples: ArrayLike) -> Floats:
    """The share of resamples, (resamples, a), in which each column is the greatest; a tie is shared out."""
    means = np.asarray(samples, dtype=np.float64)
    best = means >= means.max(axis=1, keepdims=True) - 1e-12  # equal columns may differ by rounding
    shares: Floats = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
