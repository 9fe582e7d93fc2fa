"""How many examples does a difference need to be seen, and how small a difference can so many examples show?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from groundtune.stats.bootstrap import unseen_share
from groundtune.stats.clusters import Labels, by_cluster, effective_clusters, independent_examples, variance_of_mean
from groundtune.stats.trainings import variance_of_trainings, welch

LEAST_EFFECT = 1e-6  # a smaller mean difference is a rounding error
STEP = 1.05  # by so much more clusters the next number is that is tried


def examples_needed(
    differences: ArrayLike,
    clusters: Labels,
    effect: float,
    confidence: float,
    power: float = 0.8,
    trainings: ArrayLike = (0.0,),
) -> float:
    """How many further examples, at least 1, would tell a true mean difference of `effect` from none.

    differences: the n paired differences seen so far, with their n cluster labels; trainings: the mean difference of
    each training. Takes further examples to vary as these do, and to come in clusters like these. Of one cluster alone
    nothing is known about others: then examples are counted as if each came alone, the fewest there can be, and those
    seen do not count. What tuning adds does not shrink with more examples: infinitely many where it is still too much
    when it has become the greater part of the variance, for from there on more examples hardly help.
    Raises ValueError for an effect under LEAST_EFFECT.
    """
    if effect < LEAST_EFFECT:
        raise ValueError(f"no number of examples shows a difference of {effect}")
    values = np.asarray(differences, dtype=np.float64)
    sizes = by_cluster(values, clusters)[1]
    tuning = variance_of_trainings(trainings), len(np.asarray(trainings))
    if len(sizes) == 1:
        spread = float(values.var(ddof=1)) if len(values) > 1 else 0.0
        return _clusters_needed(spread, 1.0, effect, confidence, power, *tuning)
    count = effective_clusters(sizes)
    spread, worth = variance_of_mean(values, clusters) * count, independent_examples(values, clusters) / count
    needed = _clusters_needed(spread, worth, effect, confidence, power, *tuning)
    return needed if math.isinf(needed) else max(1, math.ceil((needed / count - 1) * len(values)))


def _clusters_needed(
    spread: float, worth: float, effect: float, confidence: float, power: float, tuning: float, trainings: int
) -> float:
    """The fewest clusters that show the effect; infinite if only more trainings could.

    With several trainings more do not always show more: the less of the variance comes of the questions, the fewer
    degrees of freedom are left. So ever more are tried in small steps, and only the last step is bisected.

    spread: the variance of the mean of one cluster; worth: how many independent examples one cluster is as good as;
    tuning: the variance that so many trainings leave, however many clusters there are.
    """

    def shown(clusters: int) -> bool:
        questions = spread / clusters
        freedom = welch(questions, clusters - 1, tuning, trainings)
        return _visible(math.sqrt(questions + tuning), freedom, confidence, power) <= effect

    def enough(clusters: int) -> bool:
        # No interval is narrower than the share of examples that may be unseen; such a one may differ by -1.
        return unseen_share(clusters * worth, confidence) * (1 + effect) <= effect and shown(clusters)

    low, high = 1, 2
    while not enough(high):
        if spread / high <= tuning and not shown(high):
            return math.inf
        low, high = high, max(high + 1, int(high * STEP))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def smallest_detectable(
    n: int, sd: float, design_effect: float, confidence: float, power: float = 0.8, clusters: int | None = None
) -> float:
    """The smallest mean difference that n examples tell from none with this power, never under what they can exclude.

    sd: the standard deviation of the paired differences; design_effect: how many examples count as one (1: each alone).
    clusters: how many there are (None: n). Infinite where there are no two, of which alone a variance can be told.
    """
    freedom = (n if clusters is None else clusters) - 1
    if freedom < 1:
        return math.inf
    unseen = unseen_share(n / design_effect, confidence)
    return max(_visible(sd * math.sqrt(design_effect / n), freedom, confidence, power), unseen / (1 - unseen))


def _visible(standard_error: float, freedom: float, confidence: float, power: float) -> float:
    """The effect whose interval leaves out 0 with this power."""
    from scipy.stats import t  # type: ignore[import-untyped]

    return float((t.ppf((1 + confidence) / 2, freedom) + t.ppf(power, freedom)) * standard_error)
