"""Records to numbers: each approach's quality, and every pair's difference, paired by example and clustered.

A tuned approach may have been trained several times: then its scores are means over the trainings, and how far these
lie apart belongs to every interval (stats/trainings.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from groundtune.errors import UserError, WorkFailed
from groundtune.metrics import METRICS
from groundtune.stats import (
    clustered_bootstrap,
    drawn_trainings,
    holm,
    interval,
    p_of_difference,
    probability_best,
)
from groundtune.stats.clusters import Floats
from groundtune.types import Example, Record, Task

_AGAIN = 'run "groundtune measure" again: it goes on where it stopped'


@dataclass(frozen=True, slots=True)
class Quality:
    """The mean of one approach's scores and its interval, at the confidence asked for, of this approach alone."""

    metric: str
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better `a` is than `b`. All comparisons' intervals hold together at the confidence asked for
    (Bonferroni), and their p values are adjusted together (Holm). `equal`: on every single example."""

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    equal: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all approaches on the same examples.

    values: (examples, approaches), means over the trainings; clusters: the examples' labels; trainings: (trainings,
    approaches), the mean score of each, all the same where an approach was not trained.
    """

    metric: str
    approaches: tuple[str, ...]
    values: Floats
    clusters: tuple[str, ...]
    trainings: Floats

    def differences(self, a: str, b: str) -> tuple[Floats, Floats]:
        """How much better `a` did than `b`, example by example, and training by training."""
        one, other = self.approaches.index(a), self.approaches.index(b)
        return self.values[:, one] - self.values[:, other], self.trainings[:, one] - self.trainings[:, other]


def quality_metric(asked: str | None, task: Task) -> str:
    """The metric that decides. Raises UserError for one that this task does not score every answer by."""
    valid = METRICS[task]
    if asked is not None and asked not in valid:
        raise UserError(f"[decide] quality = {asked!r} does not fit the task {task}; one of: {', '.join(valid)}")
    return asked or valid[0]


def align(records: Mapping[str, Sequence[Sequence[Record]]], metric: str) -> Scores:
    """The approaches' scores side by side.

    records: by approach, those of each of its trainings; one sequence alone where it is not trained. Raises WorkFailed
    where an approach has not answered the same examples as the others, each once, or was trained less often.
    """
    answers = [record for trainings in records.values() for rows in trainings for record in rows]
    examples = {record.example.id: record.example for record in answers}
    if not examples:
        raise WorkFailed("there are no records to decide on", 'run "groundtune measure" first')
    most = max(map(len, records.values()))
    values, means = [], []
    for name, trainings in records.items():
        if len(trainings) not in (1, most):
            raise WorkFailed(f"{name} has records of {len(trainings)} trainings, another approach of {most}", _AGAIN)
        scores = np.array([_in_order(name, rows, list(examples), metric) for rows in trainings])
        values.append(scores.mean(axis=0))
        means.append(np.broadcast_to(scores.mean(axis=1), most))
    clusters = tuple(map(cluster_of, examples.values()))
    return Scores(metric, tuple(records), np.stack(values, axis=1), clusters, np.stack(means, axis=1))


def _in_order(name: str, rows: Sequence[Record], ids: Sequence[str], metric: str) -> list[float]:
    """The scores of one training of an approach, in the order of the examples."""
    by_id = {record.example.id: record.scores[metric] for record in rows}
    if missing := [id for id in ids if id not in by_id]:
        raise WorkFailed(f"{name} has no answer to {len(missing)} of {len(ids)} examples ({_some(missing)})", _AGAIN)
    if len(rows) > len(ids):
        raise WorkFailed(f"{name} has {len(rows)} answers to {len(ids)} examples", "remove its records file")
    return [by_id[id] for id in ids]


def cluster_of(example: Example) -> str:
    """Which examples it is like: those of its group, else those of the document it is about, else none."""
    if example.group:
        return f"group {example.group}"
    document = example.evidence[0].document if example.evidence else ""
    return f"document {document}" if document else f"example {example.id}"


def qualities(scores: Scores, samples: Floats, confidence: float) -> dict[str, Quality]:
    """Each approach's quality; samples: of `resample`."""
    found = {}
    for place, name in enumerate(scores.approaches):
        values = scores.values[:, place]
        trainings = scores.trainings[:, place]
        low, high = interval(samples[:, place], values, scores.clusters, confidence, trainings=trainings)
        found[name] = Quality(scores.metric, float(values.mean()), low, high, len(values))
    return found


def comparisons(scores: Scores, samples: Floats, confidence: float) -> list[Comparison]:
    """All pairs of approaches, in their order; samples: of `resample`."""
    pairs = list(combinations(scores.approaches, 2))
    if not pairs:
        return []
    clusters, together = scores.clusters, confidence_together(confidence, len(scores.approaches))
    means = dict(zip(scores.approaches, samples.T, strict=True))
    differences = [scores.differences(a, b) for a, b in pairs]
    p_values = holm([p_of_difference(values, clusters, trainings) for values, trainings in differences])
    found = []
    for (a, b), (values, trainings), p in zip(pairs, differences, p_values, strict=True):
        low, high = interval(means[a] - means[b], values, clusters, together, (-1.0, 1.0), trainings)
        equal = not values.any() and not trainings.any()
        found.append(Comparison(a, b, scores.metric, float(values.mean()), low, high, float(p), equal))
    return found


def confidence_together(confidence: float, approaches: int) -> float:
    """What each pair's interval must have for all pairs' intervals to hold together (Bonferroni)."""
    return 1 - (1 - confidence) / max(1, math.comb(approaches, 2))


def resample(scores: Scores) -> tuple[Floats, dict[str, float]]:
    """The bootstrap of the means, (resamples, approaches), and how probable it makes each approach the best.

    Examples and trainings are both drawn again, each for itself, and the same ones for all approaches.
    """
    samples = clustered_bootstrap(scores.values, scores.clusters) + drawn_trainings(scores.trainings)
    return samples, dict(zip(scores.approaches, probability_best(samples).tolist(), strict=True))


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
