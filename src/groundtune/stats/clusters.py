"""What examples that come in clusters add up to: sums and sizes, how many clusters there really are, the variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# How alike two scores of one cluster are taken to be where the scores themselves cannot tell.
TYPICAL_CORRELATION = 0.05

Floats = NDArray[np.float64]
Labels = Sequence[Any] | NDArray[Any]


def by_cluster(values: ArrayLike, clusters: Labels) -> tuple[Floats, Floats]:
    """The sum of each column of `values`, (n,) or (n, a), in each cluster, (clusters, a), and the clusters' sizes.

    Raises ValueError where there is no row, or not one cluster label a row.
    """
    rows = np.asarray(values, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    labels = np.asarray(clusters)
    if len(rows) == 0 or labels.shape != (len(rows),):
        raise ValueError(f"{len(rows)} rows with cluster labels of shape {labels.shape}; one label a row is needed")
    _, place = np.unique(labels, return_inverse=True)
    sums = np.stack([np.bincount(place, weights=column) for column in rows.T], axis=1).astype(np.float64)
    return sums, np.bincount(place).astype(np.float64)


def effective_clusters(sizes: Floats) -> float:
    """How many clusters of one size tell as much: their number, if they are of one size, else fewer (Kish 1965)."""
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def variance_of_mean(values: ArrayLike, clusters: Labels) -> float:
    """The variance of the mean of all rows when clusters are drawn at random: a ratio estimate by linearisation.

    Source: Cochran, Sampling Techniques (1977), chapter 6; two clusters at least.
    """
    sums, sizes = by_cluster(values, clusters)
    residuals = sums[:, 0] - sizes * sums[:, 0].sum() / sizes.sum()
    count = len(sizes)
    return float(count / (count - 1) * (residuals**2).sum() / sizes.sum() ** 2)


def design_effect(cluster_size: float, correlation: float = TYPICAL_CORRELATION) -> float:
    """How many clustered examples tell as much as one alone (Kish 1965); correlation: of two of one cluster."""
    return 1 + max(0.0, cluster_size - 1) * correlation


def independent_examples(values: ArrayLike, clusters: Labels) -> float:
    """How many examples, each of its own cluster, would tell as much about the mean: the design effect as seen.

    Never fewer than there are (effective) clusters, nor more than scores of a typical correlation would be worth; the
    latter where all values are equal. Two clusters at least.
    """
    rows = np.asarray(values, dtype=np.float64)
    count = effective_clusters(by_cluster(rows, clusters)[1])
    most = len(rows) / design_effect(len(rows) / count)
    variance = variance_of_mean(rows, clusters)
    return max(count, min(most, float(rows.var()) / variance)) if variance > 0 else most
