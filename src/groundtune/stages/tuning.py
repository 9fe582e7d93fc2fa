"""The adapters: what they learn from, how many there are, and their training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from groundtune.cases import holds_evidence, same_question
from groundtune.errors import UserError
from groundtune.models.backend import TunableBackend
from groundtune.project import Project
from groundtune.prompts import trained
from groundtune.stages.build import build_inputs, hidden_documents, rows, untunable
from groundtune.stages.data import open_examples, split_stage, train_examples, tuning_split
from groundtune.stages.synthesis import check_recipe, made_examples, paraphrased
from groundtune.tune.recipes import Use, learn, uses
from groundtune.tune.rows import Material, Row
from groundtune.types import Example, Json, Passage, Reader
from groundtune.workspace import digest

if TYPE_CHECKING:
    from groundtune.tune.plan import Plan
    from groundtune.tune.trainer import Trainer


def tune_stage(project: Project, *, plan_only: bool = False) -> Json | None:
    """The adapters of all tuned approaches; None where there are none. plan_only: says what the first would train.

    Gives {"adapters": {use: [training, ...]}}: one training a seed, each with its folder's name, the kinds of its rows
    and what trainer.Trained says.
    """
    if note := untunable(project):
        if not rows(project):
            raise UserError(note, 'nothing remains: add approaches with generator = "base", or choose another model')
        project.progress.say(note)
    if not isinstance(project.backend, TunableBackend) or not rows(project, "tuned"):
        return None
    inputs = tune_inputs(project)
    done = project.workspace.done("tune", inputs)
    if (reason := kept_out(project)) and (plan_only or done is None):
        project.progress.say(reason)
    if done is not None:
        return _first(done)["plan"] if plan_only else done
    check_recipe(project)
    trainers = _trainers(project, inputs)
    if plan_only:
        return asdict(_say_plan(project, *next(trainers)))
    adapters: dict[str, list[Json]] = {}
    for use, trainer, learnt in trainers:
        plan = _say_plan(project, use, trainer, learnt)
        training = trainer.train(plan, project.progress)
        adapters.setdefault(use, []).append(
            {"adapter": trainer.folder.name, "mix": dict(_counts(learnt)), **training.to_json()}
        )
        project.progress.say(
            f"tuned{_for(use)} in {training.seconds / 60:.1f} minutes on {training.plan.rows:,} rows, "
            f"{training.steps:,} steps; loss {training.loss:.3f}{_held_out(training.held_out)}"
        )
    result: Json = {"adapters": adapters}
    project.workspace.finish("tune", inputs, result)
    return result


def tune_inputs(project: Project) -> str:
    """The digest of all that the adapters depend on."""
    config = project.config
    kinds = sorted({row.retriever for row in rows(project, "tuned").values()})
    table = config.tune
    writer = config.writer if table.recipe in ("documents", "facts") else None
    return digest([build_inputs(project), table, writer, config.question, sorted(hidden_documents(project)), kinds])


def tuning_reader(project: Project) -> Reader:
    """As whom tuning reads: what not everyone may read is not for the weights, which cannot keep it from anyone."""
    return Reader(frozenset(project.config.tune.readers))


def kept_out(project: Project) -> str:
    """What tuning does not read although it is in the index, in a sentence; empty where it reads all."""
    reader = tuning_reader(project)
    documents = len(project.index.versions()) - len(project.index.documents(reader))
    if not documents:
        return ""
    examples = len(train_examples(project)) - len(open_examples(project, reader))
    return (
        f"kept out of tuning: {documents:,} documents that not everyone may read and {examples:,} examples about them, "
        "for a model tells what it was tuned on to whoever asks it ([tune] readers names groups to read as)"
    )


def _trainers(project: Project, inputs: str) -> Iterator[tuple[Use, Trainer, list[Row]]]:
    """A trainer for each adapter and seed, with the rows that it learns from."""
    from groundtune.tune.trainer import Trainer

    teach, deciding = tuning_split(project, open_examples(project, tuning_reader(project)))
    given, held_out = _material(project, teach), _material(project, deciding, decides=True)
    tuned = rows(project, "tuned").values()
    table = project.config.tune
    wanted = uses(table, context=any(row.retriever for row in tuned), closed=not all(row.retriever for row in tuned))
    for use in wanted:
        for number in range(table.seeds):
            seeded = table.model_copy(update={"seed": table.seed + number, "seeds": 1})
            learnt = learn(given, seeded, use)
            deciding_rows = learn(held_out, _deciding(seeded), use) if deciding else []
            folder = project.workspace.adapter(digest([inputs, use, number]))
            backend: Any = project.backend
            tokenizer, model = backend.fresh()
            yield use, Trainer(tokenizer, model, backend.render, learnt, seeded, folder, deciding_rows), learnt


def _deciding(table: Any) -> Any:
    """The settings that rows to decide by are made with: as questions will be asked, and nothing to be known by heart.

    Questions about held-out documents cannot be answered from the weights, so no loss on them says what is good.
    """
    return table.model_copy(update={"alone_share": 0.0, "closed_share": 0.0, "documents_share": 0.0})


def _material(project: Project, examples: Sequence[Example], *, decides: bool = False) -> Material:
    """What rows are made of. decides: of examples that are not learnt from, so nothing but them."""
    facts = split_stage(project)
    hidden, own = hidden_documents(project), same_question(train_examples(project))

    def allowed(passage: Passage, example: Example) -> bool:
        return passage.document not in hidden and passage.document not in own.get(example.question, ())

    reader, recipe = tuning_reader(project), project.config.tune.recipe
    with_retriever = any(row.retriever for row in rows(project, "tuned").values())
    reads_documents = project.config.question == "knowledge" and bool(project.sources) and not decides
    passages = project.index.all_passages(reader) if reads_documents else []
    return Material(
        examples=examples,
        search=partial(project.retriever.search, reader=reader) if with_retriever else None,
        holds=holds_evidence,
        allowed=allowed,
        passages=passages,
        template=trained(facts["task"]),
        choices=tuple(facts["choices"]),
        k=project.config.retrieve.k,
        made=made_examples(project, passages) if recipe == "documents" and not decides else (),
        paraphrases=paraphrased(project, examples) if recipe == "facts" and not decides else {},
    )


def _say_plan(project: Project, use: Use, trainer: Trainer, learnt: Sequence[Row]) -> Plan:
    plan = trainer.plan()
    mix = ", ".join(f"{n:,} {kind}" for kind, n in _counts(learnt).items())
    twice = ", activations computed twice to keep to [tune] memory_gb" if plan.checkpointed else ""
    project.progress.say(
        f"tuning{_for(use)} on {plan.rows:,} rows ({mix}), {plan.tokens:,} tokens in {plan.steps:,} steps: "
        f"about {plan.seconds / 60:.1f} minutes at {plan.tokens_per_second:.0f} tokens a second, "
        f"{plan.memory_gb:.1f} GB of memory{twice}"
    )
    if plan.left_out:
        minutes = project.config.tune.minutes
        project.progress.say(
            f"[tune] minutes = {minutes:g} leaves out {plan.left_out:,} of {plan.rows_given:,} rows "
            f"(all of them: about {plan.rows_given / plan.rows * plan.seconds / 60:.0f} minutes)"
        )
    return plan


def _for(use: Use) -> str:
    return {"both": "", "context": " for questions with passages", "closed": " for questions without passages"}[use]


def _held_out(losses: Sequence[float]) -> str:
    return f", on held-out rows {min(losses):.3f}" if losses else ""


def _first(done: Json) -> Json:
    return dict(next(iter(done["adapters"].values()))[0])


def _counts(learnt: Sequence[Row]) -> Counter[str]:
    return Counter(row.kind for row in learnt)
