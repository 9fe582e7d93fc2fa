"""How sure each approach's model must be: fitted on train examples that nothing else has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from groundtune.approach import Approach
from groundtune.calibration import fit
from groundtune.metrics import is_right, score
from groundtune.project import Project
from groundtune.stages.build import (
    approach,
    calibration_mark,
    made_for,
    max_tokens,
    prompts_inputs,
    rows,
    trainings_for,
)
from groundtune.stages.data import open_examples
from groundtune.stages.deciding import FEWEST, TOO_FEW, tuning_split
from groundtune.stages.tuning import tune_inputs, tuning_reader
from groundtune.types import EVERYONE, Answer, Example, Json
from groundtune.workspace import digest


def calibration_stage(project: Project, name: str, training: int = 0) -> Json:
    """The calibration of an approach that is built, kept in the workspace; empty where there is nothing to fit it on.

    training: which of several, where it is tuned.
    """
    withholds = project.config.prompt.abstain_below is not None
    built = built_inputs(project, name, training)
    config = project.config
    deciding = [config.examples.seed, config.question, config.tune.readers]  # what tuning leaves to decide by
    inputs = digest([built, max_tokens(project), deciding, withholds])
    mark = calibration_mark(name, training)
    done = project.workspace.done(mark, inputs)
    if done is not None:
        return done
    project.workspace.begin(mark)
    result, why_not = _fitted(project, approach(project, name, training, on_train=True))
    if result:
        result["of"] = digest(made_for(project, name, training))
    if why_not:
        none_withheld = ", so none of its answers is withheld" if withholds else ""
        project.progress.say(f"{name}: confidence is not calibrated: {why_not}{none_withheld}")
    project.workspace.finish(mark, inputs, result)
    return result


def built_inputs(project: Project, name: str, training: int = 0) -> str:
    """The digest of all that an approach is built from; of its other trainings nothing."""
    row = rows(project)[name]
    tuned = row.generator == "tuned"
    inputs = tune_inputs(project) if tuned else prompts_inputs(project)
    made = project.workspace.done("tune" if tuned else "prompts", inputs)
    if tuned and made:
        return digest([inputs, row, trainings_for(made, row.reads)[training : training + 1]])
    return digest([inputs, row, made])


def _fitted(project: Project, built: Approach) -> tuple[Json, str]:
    """A calibration, or why there is none where one could be expected."""
    if built.template.task == "text":
        return {}, "a longer text is neither right nor wrong"
    if built.template.task == "qa" and built.abstain_below is None:
        return {}, ""  # nothing is withheld by it, so the questions that it takes are saved
    examples, shown = _deciding(project, built)
    if len(examples) < FEWEST:
        return {}, f"its prompt shows {shown} of the few that tuning was kept from" if shown else TOO_FEW
    answers = _asked(built, examples)
    known = [
        (answer.confidence, bool(is_right(example.task, score(example, answer))))
        for example, answer in zip(examples, answers, strict=False)
        if answer.confidence is not None
    ]
    if len(known) < FEWEST:
        return {}, "the model does not tell how sure it is"
    confidences, right = zip(*known, strict=True)
    return {**asdict(fit(confidences, right)), "n": len(known)}, ""


def _deciding(project: Project, built: Approach) -> tuple[list[Example], int]:
    """What tuning did not learn from, everyone may read about, and the prompt does not show; and how many it shows."""
    _, deciding = tuning_split(project, open_examples(project, tuning_reader(project)))
    everyone = {example.id for example in open_examples(project, EVERYONE)}
    shown = {shot.question for shot in built.template.shots}
    found = [example for example in deciding if example.id in everyone]
    left = [example for example in found if example.question not in shown]
    return left, len(found) - len(left)


def _asked(built: Approach, examples: Sequence[Example]) -> list[Answer]:
    """The answers; no more than the first few where none of them tells a confidence."""
    questions = [example.question for example in examples]
    first = built.answer(questions[:FEWEST])
    if all(answer.confidence is None for answer in first):
        return first
    return [*first, *built.answer(questions[FEWEST:])]
