"""Scores of answers: one file a family. A score lies between 0 and 1; more is better, but for those in LESS_IS_BETTER
and those that only tell how often something was left unsaid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

from groundtune.metrics import labels, qa, text
from groundtune.metrics.evidence import abstention_scores, citation_scores, prompt_scores, retrieval_scores
from groundtune.metrics.selective import aurc, ece, is_right
from groundtune.types import Answer, Example, Record, Task

__all__ = ["LESS_IS_BETTER", "METRICS", "is_right", "prompt_scores", "retrieval_scores", "score", "summary"]

# What each task's answers are scored by; the first decides unless the config names another.
METRICS: dict[Task, tuple[str, ...]] = {"qa": qa.NAMES, "labels": labels.NAMES, "text": text.NAMES}
LESS_IS_BETTER = frozenset({"aurc", "ece"})

_SCORE: dict[Task, Callable[[Sequence[str], str], dict[str, float]]] = {
    "qa": qa.score,
    "labels": labels.score,
    "text": text.score,
}
_CORPUS: dict[Task, Callable[[Sequence[Record]], dict[str, float]]] = {"labels": labels.corpus, "text": text.corpus}


def score(example: Example, answer: Answer) -> dict[str, float]:
    """The scores of one answer: those of its task (see METRICS), then citations and abstention where known.

    Those of the search behind it are prompt_scores and retrieval_scores.

    An abstention is right, and scores 1 in all the task's metrics, if the example has no right answer. Anything else
    said there scores 0, and so does an abstention where there is an answer (SQuAD 2.0's rule).
    """
    return {
        **_task_scores(example, answer),
        **citation_scores(example, answer),
        **abstention_scores(example, answer),
    }


def _task_scores(example: Example, answer: Answer) -> dict[str, float]:
    if answer.abstained or not example.answers:
        return dict.fromkeys(METRICS[example.task], float(answer.abstained and not example.answers))
    return _SCORE[example.task](example.answers, answer.text)


def summary(task: Task, records: Sequence[Record]) -> dict[str, float]:
    """One approach's scores over all its records: means over the records that have a score, and what only a corpus has.

    Also abstention_rate; answerable_answered, unanswerable_abstained; and `METRIC_when_answered`, the task's first
    metric over the answerable questions that were answered. Where replies have a confidence: aurc, and ece where they
    are right or wrong (selective.py), both of what would have been said if nothing were withheld. Where questions have
    no answer or replies were withheld: the task's first metric if all were abstained from (always_abstain), and if
    nothing were withheld (never_withhold). Whatever nothing is known of is left out.
    """
    columns: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name, value in record.scores.items():
            columns[name].append(value)
    means = {name: fmean(values) for name, values in columns.items()}
    means.pop("abstained", None)  # told below, under plainer names
    means.pop("abstained_rightly", None)
    corpus = _CORPUS[task](records) if task in _CORPUS else {}
    return {**means, **corpus, **_abstentions(METRICS[task][0], records), **_selective(task, records)}


def _abstentions(quality: str, records: Sequence[Record]) -> dict[str, float]:
    answerable = [record for record in records if record.example.answers]
    unanswerable = [record for record in records if not record.example.answers]
    answered = [record for record in answerable if not record.answer.abstained]
    told = {}
    if records:
        told["abstention_rate"] = fmean(record.answer.abstained for record in records)
    if answerable:
        told["answerable_answered"] = len(answered) / len(answerable)
    if unanswerable:
        told["unanswerable_abstained"] = fmean(record.answer.abstained for record in unanswerable)
    if answered:
        told[f"{quality}_when_answered"] = fmean(record.scores[quality] for record in answered)
    return told


def _selective(task: Task, records: Sequence[Record]) -> dict[str, float]:
    quality = METRICS[task][0]
    replies = [(record.answer.confidence, _reply_scores(record)) for record in records]
    sure = [(confidence, scores) for confidence, scores in replies if confidence is not None]
    told = {}
    if sure:
        confidences = [confidence for confidence, _ in sure]
        told["aurc"] = aurc(confidences, [1 - scores[quality] for _, scores in sure])
        right = [hit for _, scores in sure if (hit := is_right(task, scores)) is not None]
        if right:
            told["ece"] = ece(confidences, right)
    withheld = [record for record in records if record.answer.withheld]
    if withheld:
        told["withheld_rate"] = len(withheld) / len(records)
    if withheld or any(not record.example.answers for record in records):
        told["always_abstain"] = fmean(not record.example.answers for record in records)
        told["never_withhold"] = fmean(scores[quality] for _, scores in replies)
    return told


def _reply_scores(record: Record) -> dict[str, float]:
    """The task's scores of what the model replied, withheld or not."""
    answer = record.answer
    said = replace(answer, text=answer.unsaid, abstained=False) if answer.withheld else answer
    return _task_scores(record.example, said)
