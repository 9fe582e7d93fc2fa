"""Selective answering: does a reply's confidence tell the right ones from the wrong ones, and what is silence worth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import fmean

from groundtune.types import Task

BINS = 10
NEARLY = 0.5  # token F1 from which on a short answer counts as right


def is_right(task: Task, scores: Mapping[str, float]) -> bool | None:
    """Whether a reply with these scores is right: the label is; a short answer's F1 is 0.5 at least, and so is an
    abstention where there is no answer. None for longer texts, which are better or worse, but neither right nor wrong.
    """
    match task:
        case "labels":
            return scores["accuracy"] == 1
        case "qa":
            return scores["f1"] >= NEARLY
        case _:
            return None


def aurc(confidences: Sequence[float], risks: Sequence[float]) -> float:
    """The area under the risk-coverage curve (Geifman & El-Yaniv 2017, Selective classification): the mean risk over
    the surest 1, 2, ... n replies, averaged. 0 is best. Equally sure replies share their mean risk, whatever their
    order. Raises ValueError without any replies.
    """
    if not confidences:
        raise ValueError("there are no replies")
    ordered = sorted(zip(confidences, risks, strict=True), reverse=True)
    total = 0.0
    shares: list[float] = []
    for _, group in groupby(ordered, key=lambda pair: pair[0]):
        tied = [risk for _, risk in group]
        for _ in tied:
            total += fmean(tied)
            shares.append(total / (len(shares) + 1))
    return fmean(shares)


def ece(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The expected calibration error (Guo et al. 2017, On calibration of modern neural networks): over ten bins of
    equal width, how far the mean confidence is from the share of right replies, weighted by the replies in each. 0 is
    best. Raises ValueError without any replies.
    """
    if not confidences:
        raise ValueError("there are no replies")
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, hit in zip(confidences, right, strict=True):
        bins[min(int(confidence * BINS), BINS - 1)].append((confidence, hit))
    gaps = (abs(sum(c for c, _ in one) - sum(hit for _, hit in one)) for one in bins)
    return sum(gaps) / len(confidences)
