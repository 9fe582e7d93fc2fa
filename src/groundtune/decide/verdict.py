"""Records in, verdict out: which approach, how sure, why, what it costs, what would flip it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

from groundtune.config import DecideTable
from groundtune.decide.choose import Choice, Results, choose
from groundtune.decide.compare import (
    Comparison,
    Quality,
    Scores,
    align,
    comparisons,
    confidence_together,
    qualities,
    quality_metric,
    resample,
)
from groundtune.decide.facts import Facts
from groundtune.decide.flips import flips, round_up
from groundtune.decide.limits import limits_of
from groundtune.decide.reasons import Case, reasons
from groundtune.errors import WorkFailed
from groundtune.metrics import summary
from groundtune.stats import LEAST_EFFECT, examples_needed
from groundtune.types import Json, Question, Record, Task


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a run. `to_json` is what verdict.json holds (docs/verdict.md tells each key)."""

    question: Question
    task: Task
    qualities: Mapping[str, Quality]
    metrics: Mapping[str, Mapping[str, float]]
    trainings: Mapping[str, Sequence[float]]  # the mean score of each training; none where nothing was trained
    facts: Mapping[str, Facts]
    comparisons: tuple[Comparison, ...]
    confidence: float
    leader: str | None
    unsettled: tuple[str, ...]
    unsettled_by_tuning: tuple[str, ...]
    recommended: str | None
    probability_best: Mapping[str, float]
    undecided: bool
    examples_needed: int | None
    reasons: tuple[str, ...]
    flips: tuple[str, ...]
    run: str

    def to_json(self) -> Json:
        """Plain values only: ready for json.dumps."""
        return {
            "question": self.question,
            "task": self.task,
            "approaches": {name: self._approach(name) for name in self.qualities},
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "confidence": self.confidence,
            "leader": self.leader,
            "unsettled": list(self.unsettled),
            "unsettled_by_tuning": list(self.unsettled_by_tuning),
            "recommended": self.recommended,
            "probability_best": dict(self.probability_best),
            "undecided": self.undecided,
            "examples_needed": self.examples_needed,
            "reasons": list(self.reasons),
            "flips": list(self.flips),
            "run": self.run,
        }

    def _approach(self, name: str) -> Json:
        facts = asdict(self.facts[name])
        latency = {"p50": facts.pop("latency_p50_ms"), "p95": facts.pop("latency_p95_ms")}
        means = self.trainings[name]
        return {
            "quality": asdict(self.qualities[name]),
            "metrics": dict(self.metrics[name]),
            "trainings": len(means),
            "training_means": list(means),
            "training_spread": stdev(means) if len(means) > 1 else None,
            "latency_ms": latency,
            **facts,
        }


def decide(
    records: Mapping[str, Sequence[Sequence[Record]]],
    facts: Mapping[str, Facts],
    table: DecideTable,
    *,
    question: Question,
    task: Task,
    run: str,
) -> Verdict:
    """The verdict on approaches that answered the same examples; see choose.py for the rule.

    records: by approach, those of each of its trainings (one where it is not trained); facts: by approach; run: the
    digest of what was measured. Raises UserError where [decide] names a metric or a freshness that there is not,
    WorkFailed where approaches have not answered the same examples or lack their facts.
    """
    limits = limits_of(table)
    scores = align(records, quality_metric(table.quality, task))
    if missing := [name for name in records if name not in facts]:
        raise WorkFailed(f"no latency and cost of {', '.join(missing)}", 'run "groundtune measure" again')
    samples, probability_best = resample(scores)
    quality = qualities(scores, samples, table.confidence)
    compared = comparisons(scores, samples, table.confidence)
    results = Results(
        means={name: quality[name].mean for name in records},
        facts={name: facts[name] for name in records},
        comparisons=compared,
    )
    choice = choose(results, limits, table.smallest_difference)
    needed, by_tuning = _needed(scores, results, choice, table)
    metrics = {name: _means([summary(task, rows) for rows in trainings]) for name, trainings in records.items()}
    always_abstain = max(one.get("always_abstain", 0.0) for one in metrics.values())
    case = Case(results, quality, choice, table, len(set(scores.clusters)), needed, by_tuning, always_abstain)
    return Verdict(
        question=question,
        task=task,
        qualities=quality,
        metrics=metrics,
        trainings={name: _training_means(scores, name, results.facts[name], len(records[name])) for name in records},
        facts=results.facts,
        comparisons=tuple(compared),
        confidence=table.confidence,
        leader=choice.leader,
        unsettled=choice.unsettled,
        unsettled_by_tuning=by_tuning,
        recommended=choice.recommended,
        probability_best=probability_best,
        undecided=choice.undecided,
        examples_needed=needed,
        reasons=tuple(reasons(case)),
        flips=tuple(flips(results, table)),
        run=run,
    )


def _means(summaries: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each metric's mean over the trainings that have it."""
    names = dict.fromkeys(name for one in summaries for name in one)
    return {name: fmean(one[name] for one in summaries if name in one) for name in names}


def _training_means(scores: Scores, name: str, facts: Facts, count: int) -> list[float]:
    column = scores.trainings[:count, scores.approaches.index(name)]
    return [float(mean) for mean in column] if facts.train_seconds > 0 else []


def _needed(scores: Scores, results: Results, choice: Choice, table: DecideTable) -> tuple[int | None, tuple[str, ...]]:
    """The most further examples that any unsettled pair needs, to two digits, None where all is settled or they could
    not settle it; and the rivals that more trainings would tell from the leader, not more examples."""
    if choice.leader is None or not choice.unsettled:
        return None, ()
    confidence = confidence_together(table.confidence, len(scores.approaches))
    counts = {}
    for name in choice.unsettled:
        effect = max(abs(results.gap(choice.leader, name).difference), table.smallest_difference)
        if effect < LEAST_EFFECT:
            return None, ()
        values, trainings = scores.differences(choice.leader, name)
        counts[name] = examples_needed(values, scores.clusters, effect, confidence, trainings=trainings)
    by_tuning = tuple(name for name, count in counts.items() if math.isinf(count))
    return None if by_tuning else round_up(max(counts.values())), by_tuning
