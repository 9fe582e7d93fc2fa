"""Tuning is a draw, too: another seed gives another adapter, and so other scores. What that adds to the uncertainty.

`trainings` is everywhere the mean score of each of S trainings, all asked the same examples. Two approaches are paired
training by training: where they share adapters that is what they are; where they do not, the variance of the paired
differences is still the sum of both variances in the mean. One training tells nothing of its spread, and adds none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from groundtune.stats.clusters import Floats, Labels, by_cluster, effective_clusters, variance_of_mean
from groundtune.stats.permutation import paired_p


def variance_of_trainings(trainings: ArrayLike) -> float:
    """The variance of the mean of S trainings' means, (S,), from how far these lie apart; 0 for one.

    They also lie apart because so few examples are asked, which `variance_of_mean` counts as well (the share of it that
    is this training's alone): the sum of the two errs a little on the side of caution (Owen 2007, The pigeonhole
    bootstrap, on rows and columns that are both drawn).
    """
    means = np.asarray(trainings, dtype=np.float64)
    if len(means) < 2 or np.ptp(means) == 0:
        return 0.0
    return float(means.var(ddof=1) / len(means))


def welch(questions: float, freedom: float, tuning: float, trainings: int) -> float:
    """The degrees of freedom of the sum of two variances (Satterthwaite 1946; Welch 1947).

    questions: the variance that comes of the examples, with its degrees of freedom; tuning: that of so many trainings.
    """
    if tuning == 0:
        return freedom
    return (questions + tuning) ** 2 / (questions**2 / freedom + tuning**2 / (trainings - 1))


def drawn_trainings(trainings: ArrayLike, resamples: int = 10_000, seed: int = 0) -> Floats:
    """How far the mean of other trainings might have been off: (resamples, a), from means of shape (S, a).

    Each resample draws S trainings with replacement, the same ones for all columns, on a stream of random numbers of
    its own. S draws of S lie too close together by the factor sqrt((S - 1) / S), which is made good (Hesterberg 2015).
    """
    means = np.asarray(trainings, dtype=np.float64)
    count = len(means)
    if count < 2:
        return np.zeros((resamples, means.shape[1]))
    generator = np.random.default_rng([seed, 1])
    shares = generator.multinomial(count, np.full(count, 1 / count), size=resamples) / count
    apart = means - means[0]  # exactly 0 where all are level
    off: Floats = math.sqrt(count / (count - 1)) * (shares @ apart - apart.mean(axis=0))
    return off


def p_of_difference(differences: ArrayLike, clusters: Labels, trainings: ArrayLike) -> float:
    """Two-sided p of the mean of n paired differences, with their cluster labels and the mean difference, (S,), of each
    training.

    Where tuning adds no variance: `paired_p`. Else the larger of that and of Welch's t, in which both kinds of chance
    are counted as the interval counts them.
    """
    p, tuning = paired_p(differences, clusters), variance_of_trainings(trainings)
    sums, sizes = by_cluster(differences, clusters)
    if tuning == 0 or len(sizes) == 1:
        return p
    from scipy.stats import t  # type: ignore[import-untyped]

    questions = variance_of_mean(differences, clusters)
    freedom = welch(questions, effective_clusters(sizes) - 1, tuning, len(np.asarray(trainings)))
    mean = abs(float(sums.sum() / sizes.sum()))
    return max(p, float(2 * t.sf(mean / math.sqrt(questions + tuning), freedom)))
