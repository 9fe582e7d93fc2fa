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
from groundtune.types import Example, NoProgress, Passage, Progress

SHOTS = 8
SHORT = 6  # of so many examples for each shot, the shortest are taken: long ones cost tokens at every question


@dataclass(frozen=True, slots=True)
class Choice:
    """The best template, and every candidate's mean score over `n` train questions."""

    best: Template
    scores: dict[str, float]
    n: int


def choose_template(
    approach: Approach, templates: Sequence[Template], asked: Sequence[Example], progress: Progress | None = None
) -> Choice:
    """Asks the train questions with each template; the best mean of the task's first metric wins.

    A template that is too long for the model is left out. Raises TooLongError where all of them are.
    """
    progress = progress or NoProgress()
    metric = METRICS[asked[0].task][0]
    scores: dict[str, float] = {}
    progress.start(f"comparing prompts for {approach.name}", len(templates) * len(asked))
    for template in templates:
        try:
            answers = replace(approach, template=template).answer([example.question for example in asked])
        except TooLongError as error:
            too_long = error
        else:
            scores[template.name] = fmean(
                score(example, answer)[metric] for example, answer in zip(asked, answers, strict=True)
            )
        progress.advance(len(asked))
    progress.finish()
    if not scores:
        raise too_long
    best = max((template for template in templates if template.name in scores), key=lambda one: scores[one.name])
    return Choice(best, scores, len(asked))


def candidate_templates(
    train: Sequence[Example], gold: Callable[[Example], Passage | None], n: int, seed: int
) -> tuple[list[Template], list[Example]]:
    """Templates with shots from train, and `n` other train examples to compare them on.

    gold: an example's evidence passage, which its shot shows where the approach has a retriever. Where some examples
    cannot be answered, every fourth shot is one of them, so that abstaining is shown as well.
    """
    order = list(train)
    random.Random(seed).shuffle(order)
    answerable = [example for example in order if example.answers]
    unanswerable = [example for example in order if not example.answers]
    pool = sorted(answerable[: SHOTS * SHORT], key=lambda example: _length(example, gold(example)))
    most = min(SHOTS, len(order) // 2)  # the other half is asked
    shots = [_shot(example, gold(example)) for example in _labels_first(pool)[:most]]
    for place, example in zip(range(3, most, 4), unanswerable, strict=False):
        other = gold(pool[-1]) if pool else None
        shots[place : place + 1] = [Shot(example.question, ABSTENTION, (other,) if other else ())]
    used = {shot.question for shot in shots}
    asked = [example for example in order if example.question not in used][:n]
    return candidates(train[0].task, shots), asked


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
    return Shot(example.question, example.answers[0], (passage,) if passage else ())


def _length(example: Example, passage: Passage | None) -> int:
    return len(example.question) + len(example.answers[0]) + (len(passage.text) if passage else 0)
