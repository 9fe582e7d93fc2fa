"""What a model writes to be learnt from: questions about the documents, and other wordings of the examples' questions.

Both are kept in the workspace as they are written, so a killed run goes on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TypeVar

from groundtune.approach import Approach
from groundtune.errors import UserError
from groundtune.examples.store import from_row, to_row
from groundtune.models.backend import TunableBackend
from groundtune.project import Project
from groundtune.stages.build import (
    build_inputs,
    max_tokens,
    prompts_inputs,
    prompts_stage,
    read_template,
    rows,
    solved_shots,
)
from groundtune.stages.data import split_stage
from groundtune.synthesis import Made, examples_of, wordings
from groundtune.types import Example, Generator, Json, Passage, Reader
from groundtune.workspace import append_jsonl, digest, read_jsonl, write_jsonl

T = TypeVar("T")
Work = Callable[[Sequence[T]], Json]
AT_ONCE = 32  # passages or questions that are worked on and saved together


def check_recipe(project: Project) -> None:
    """Raises UserError where the recipe has nothing to make rows from: other tasks than qa, or documents that tuning
    may not read because the question is skill."""
    config = project.config
    qa = split_stage(project)["task"] == "qa"
    if config.tune.recipe == "facts" and not qa:
        raise UserError(
            '[tune] recipe = "facts" says short answers in several wordings: it needs the task qa',
            'choose recipe = "mixed"',
        )
    if config.tune.recipe == "documents" and not (qa and config.question == "knowledge" and config.sources):
        raise UserError(
            '[tune] recipe = "documents" makes questions from documents that tuning may read: it needs the task qa, '
            '[[sources]], and [examples] question = "knowledge"',
            'choose recipe = "mixed"',
        )


def made_examples(
    project: Project, passages: Sequence[Passage], reader: Reader, *, write: bool = True
) -> list[Example]:
    """Questions with answers made from the documents (recipe "documents"), checked; see synthesis.py.

    reader: by whom the passages may be read, and as whom the questions are looked up again. write: else no model is
    asked, and what is written already is all there is. Raises UserError where no example shows what is asked about a
    passage, or there is no base approach to check with.
    """
    table = project.config.tune
    if not any(row.reads == "context" for row in rows(project, "base").values()):
        raise UserError(
            '[tune] recipe = "documents" checks its questions with the base model and the retriever',
            'keep an approach with generator = "base" and retriever = true',
        )
    shots = solved_shots(project)
    if not shots:
        raise UserError(
            '[tune] recipe = "documents": no train example was found with the passage that answers it, so there is '
            "nothing that shows what is asked here",
            'name the documents of examples ("evidence"), or choose recipe = "mixed"',
        )
    chosen = random.Random(table.seed).sample(list(passages), min(table.made_from, len(passages)))

    def making() -> Work[Passage]:
        writer, again = _writer(project), _answering(project)

        def make(part: Sequence[Passage]) -> Json:
            made = examples_of(part, writer, shots, again, table.made_each, table.seed, reader)
            return {**asdict(made), "examples": [to_row(example) for example in made.examples]}

        return make

    seen = [(one.document, one.version, one.start, one.end) for one in chosen]
    how = [project.config.writer, table.made_each, table.seed, sorted(reader.groups), prompts_inputs(project)]
    inputs = digest([build_inputs(project), seen, how])
    if write:
        written = _kept(project, "made", inputs, chosen, making, "writing questions about the documents")
    else:
        written = _written(project, "made", inputs)
        _say_unwritten(project, len(written), len(chosen), "passages are still to be written from")
    made = [Made(tuple(map(from_row, row.pop("examples"))), **row) for row in written]
    examples = [example for one in made for example in one.examples]
    project.progress.say(
        f"{len(examples):,} questions made from {min(len(chosen), AT_ONCE * len(made)):,} passages, of "
        f"{_sum(made, 'written')} written: {_sum(made, 'not_in_passage')} answers are not in the passage, "
        f"{_sum(made, 'not_found_again')} passages are not found again, {_sum(made, 'answered_otherwise')} were "
        "answered otherwise by a second pass"
    )
    return examples


def paraphrased(project: Project, examples: Sequence[Example], *, write: bool = True) -> dict[str, list[str]]:
    """Other wordings of the examples' questions, by example (recipe "facts"); none where no [writer] is configured.

    write: else no model is asked, and what is written already is all there is.
    """
    if project.config.writer is None:
        project.progress.say(
            'recipe "facts": no [writer] is configured, so questions keep their wording; facts are said anew by rule'
        )
        return {}

    def wording() -> Work[Example]:
        writer = _writer(project)

        def word(part: Sequence[Example]) -> Json:
            found = wordings([example.question for example in part], writer)
            return {"wordings": {example.id: lines for example, lines in zip(part, found, strict=True)}}

        return word

    inputs = digest([project.config.writer, [(example.id, example.question) for example in examples]])
    if write:
        written = _kept(project, "wordings", inputs, examples, wording, "wording questions anew")
    else:
        written = _written(project, "wordings", inputs)
        _say_unwritten(project, len(written), len(examples), "questions are still to be reworded")
    return {id: lines for row in written for id, lines in row["wordings"].items()}


def _writer(project: Project) -> Generator:
    return (project.writer or project.backend).generator()


def _answering(project: Project) -> Approach:
    """The base model with the best prompt and the retriever: it answers what was made a second time."""
    return Approach(
        name="second pass",
        generator=project.backend.generator(),
        template=read_template(prompts_stage(project)["context"]["template"]),
        retriever=project.retriever,
        k=project.config.retrieve.k,
        max_tokens=max_tokens(project),
    )


def _kept(
    project: Project, name: str, inputs: str, items: Sequence[T], working: Callable[[], Work[T]], what: str
) -> list[Json]:
    """What the work gives for the items, some at a time; parts that were done with these inputs are not done again.

    working: gives the work, and is asked for it only where some is left.
    """
    path, results = project.workspace.written(name), _written(project, name, inputs)
    # Without those of other inputs, and what was cut off.
    write_jsonl(path, [{"inputs": inputs, "result": result} for result in results])
    work = working() if _left(len(results), len(items)) else None
    project.progress.start(what, len(items))
    for start in range(0, len(items), AT_ONCE):
        if work is not None and start >= len(results) * AT_ONCE:
            results.append(work(items[start : start + AT_ONCE]))
            append_jsonl(path, [{"inputs": inputs, "result": results[-1]}])
        project.progress.advance(min(AT_ONCE, len(items) - start))
    project.progress.finish()
    if isinstance(project.writer, TunableBackend):
        project.writer.let_go()  # before a model is trained
    return results


def _written(project: Project, name: str, inputs: str) -> list[Json]:
    """What was written with these inputs so far, a part each."""
    path = project.workspace.written(name)
    return [row["result"] for row in read_jsonl(path) if row["inputs"] == inputs] if path.exists() else []


def _left(parts: int, items: int) -> int:
    """Items that are still to be worked on where so many parts are done."""
    return max(0, items - parts * AT_ONCE)


def _say_unwritten(project: Project, parts: int, items: int, what: str) -> None:
    if left := _left(parts, items):
        writer = project.config.writer or project.config.model
        project.progress.say(f"{left:,} of {items:,} {what} by {writer.name}, which this plan does not count")


def _sum(made: Sequence[Made], what: str) -> str:
    return f"{sum(getattr(one, what) for one in made):,}"
