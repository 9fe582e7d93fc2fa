"""Finds the best prompt for a model that was not tuned: a weak one would make tuning look good for the wrong reason."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from groundtune.approach import Approach
from groundtune.errors import TooLongError
from groundtune.metrics import METRICS, score
from groundtune.prompts import ABSTENTION, Shot, Template, candidates
from groundtune.types import Example, NoProgress, Passage, Progress, Task

SHOTS = 8
SHORT = 6  # of so many examples for each shot, the shortest are taken: long ones cost tokens at every question


@dataclass(frozen=True, slots=True)
class Choice:
    """The best template, and every candidate's mean score over `n` train questions."""

    best: Template
    scores: dict[str, float]
    n: int


def choose_template(
    approach: Approach,
    templates: Sequence[Template],
    asked: Sequence[Example],
    progress: Progress | None = None,
    metric: str | None = None,
) -> Choice:
    """Asks the train questions with each template; the best mean of the metric wins.

    metric: one that the task scores single answers by, else its first decides. A template that is too long for the
    model is left out. Without questions the first template is taken. Raises TooLongError where all are too long.
    """
    progress = progress or NoProgress()
    if not asked:
        return Choice(templates[0], {}, 0)
    metrics = METRICS[asked[0].task]
    decisive = metric if metric in metrics else metrics[0]
    scores: dict[str, float] = {}
    progress.start(f"comparing prompts for {approach.name}", len(templates) * len(asked))
    for template in templates:
        try:
            answers = replace(approach, template=template).answer([example.question for example in asked])
        except TooLongError as error:
            too_long = error
        else:
            scores[template.name] = fmean(
                score(example, answer)[decisive] for example, answer in zip(asked, answers, strict=True)
            )
        progress.advance(len(asked))
    progress.finish()
    if not scores:
        raise too_long
    best = max((template for template in templates if template.name in scores), key=lambda one: scores[one.name])
    return Choice(best, scores, len(asked))


def candidate_templates(
    task: Task, train: Sequence[Example], gold: Callable[[Example], Passage | None], n: int, seed: int
) -> tuple[list[Template], list[Example]]:
    """Templates with shots from train, and `n` other train examples to compare them on. Of few or no examples there are
    no shots.

    gold: an example's evidence passage, which its shot shows where the approach has a retriever; None where it was not
    found, and then the example is a shot only if there are no better ones. Where some examples cannot be answered,
    every fourth shot is one of them, so that abstaining is shown as well.
    """
    order = list(train)
    random.Random(seed).shuffle(order)
    answerable = [example for example in order if example.answers]
    unanswerable = [example for example in order if not example.answers]
    passages = {example.id: gold(example) for example in answerable[: SHOTS * SHORT]}
    pool = sorted(answerable[: SHOTS * SHORT], key=lambda example: _worth(example, passages[example.id]))
    most = min(SHOTS, len(order) // 2)  # the other half is asked
    shown = _labels_first(pool)[:most]
    other = next((passages[example.id] for example in reversed(pool) if passages[example.id]), None)
    for place, example in zip(range(3, most, 4), unanswerable, strict=False):
        shown[place : place + 1] = [example]
        passages[example.id] = other  # which does not answer it
    used = {example.id for example in shown}
    asked = [example for example in order if example.id not in used][:n]
    return candidates(task, [_shot(example, passages[example.id]) for example in shown]), asked


def _labels_first(pool: list[Example]) -> list[Example]:
    """For labels: one example of each label before a second one of any; else the pool as it is."""
    if not pool or pool[0].task != "labels":
        return pool
    seen: dict[str, int] = {}
    ranked = []
    for place, example in enumerate(pool):
        seen[example.answers[0]] = seen.get(example.answers[0], 0) + 1
        ranked.append((seen[example.answers[0]], place))
    return [pool[place] for _, place in sorted(ranked)]


def _shot(example: Example, passage: Passage | None) -> Shot:
    return Shot(example.question, example.answers[0] if example.answers else ABSTENTION, (passage,) if passage else ())


def _worth(example: Example, passage: Passage | None) -> tuple[bool, int]:
    """Orders shots: those whose passage was found first, then the shortest."""
    length = len(example.question) + len(example.answers[0]) + (len(passage.text) if passage else 0)
    return passage is None, length
