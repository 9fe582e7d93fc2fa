"""Records to numbers: each approach's quality, and every pair's difference, paired by example and clustered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from groundtune.errors import UserError, WorkFailed
from groundtune.metrics import METRICS
from groundtune.stats import clustered_bootstrap, holm, interval, paired_p, probability_best
from groundtune.stats.clusters import Floats
from groundtune.types import Example, Record, Task


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
    """The scores of all approaches, (examples, approaches), on the same examples, and the examples' cluster labels."""

    metric: str
    approaches: tuple[str, ...]
    values: Floats
    clusters: tuple[str, ...]

    def differences(self, a: str, b: str) -> Floats:
        """How much better `a` did than `b`, example by example."""
        columns = self.approaches.index(a), self.approaches.index(b)
        result: Floats = self.values[:, columns[0]] - self.values[:, columns[1]]
        return result


def quality_metric(asked: str | None, task: Task) -> str:
    """The metric that decides. Raises UserError for one that this task does not score every answer by."""
    valid = METRICS[task]
    if asked is not None and asked not in valid:
        raise UserError(f"[decide] quality = {asked!r} does not fit the task {task}; one of: {', '.join(valid)}")
    return asked or valid[0]


def align(records: Mapping[str, Sequence[Record]], metric: str) -> Scores:
    """The approaches' scores side by side.

    Raises WorkFailed where an approach has not answered the same examples as the others, each once.
    """
    by_id = {name: {record.example.id: record for record in rows} for name, rows in records.items()}
    examples = {id: record.example for rows in by_id.values() for id, record in rows.items()}
    if not examples:
        raise WorkFailed("there are no records to decide on", 'run "groundtune measure" first')
    for name, rows in records.items():
        missing = [id for id in examples if id not in by_id[name]]
        if missing:
            raise WorkFailed(
                f"{name} has no answer to {len(missing)} of {len(examples)} examples ({_some(missing)})",
                'run "groundtune measure" again: it goes on where it stopped',
            )
        if len(rows) > len(examples):
            raise WorkFailed(f"{name} has {len(rows)} answers to {len(examples)} examples", "remove its records file")
    values = [[by_id[name][id].scores[metric] for name in records] for id in examples]
    return Scores(metric, tuple(records), np.array(values), tuple(map(cluster_of, examples.values())))


def cluster_of(example: Example) -> str:
    """Which examples it is like: those of its group, else those of the document it is about, else none."""
    if example.group:
        return f"group {example.group}"
    document = example.evidence[0].document if example.evidence else ""
    return f"document {document}" if document else f"example {example.id}"


def qualities(scores: Scores, samples: Floats, confidence: float) -> dict[str, Quality]:
    """Each approach's quality; samples: the bootstrap of all of `scores.values`."""
    found = {}
    for place, name in enumerate(scores.approaches):
        values = scores.values[:, place]
        low, high = interval(samples[:, place], values, scores.clusters, confidence)
        found[name] = Quality(scores.metric, float(values.mean()), low, high, len(values))
    return found


def comparisons(scores: Scores, samples: Floats, confidence: float) -> list[Comparison]:
    """All pairs of approaches, in their order; samples: the bootstrap of all of `scores.values`."""
    pairs = list(combinations(range(len(scores.approaches)), 2))
    if not pairs:
        return []
    together = confidence_together(confidence, len(scores.approaches))
    differences = [scores.values[:, a] - scores.values[:, b] for a, b in pairs]
    p_values = holm([paired_p(values, scores.clusters) for values in differences])
    found = []
    for (a, b), values, p in zip(pairs, differences, p_values, strict=True):
        low, high = interval(samples[:, a] - samples[:, b], values, scores.clusters, together, bounds=(-1.0, 1.0))
        names = scores.approaches[a], scores.approaches[b]
        mean = float(values.mean())
        found.append(Comparison(*names, scores.metric, mean, low, high, float(p), equal=not values.any()))
    return found


def confidence_together(confidence: float, approaches: int) -> float:
    """What each pair's interval must have for all pairs' intervals to hold together (Bonferroni)."""
    return 1 - (1 - confidence) / max(1, math.comb(approaches, 2))


def resample(scores: Scores) -> tuple[Floats, dict[str, float]]:
    """The bootstrap of the means, (resamples, approaches), and how probable it makes each approach the best."""
    samples = clustered_bootstrap(scores.values, scores.clusters)
    return samples, dict(zip(scores.approaches, probability_best(samples).tolist(), strict=True))


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
