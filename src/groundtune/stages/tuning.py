"""The adapters: what they learn from, how many there are, and their training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from groundtune.cases import holds_evidence, same_question
from groundtune.config import TuneTable
from groundtune.errors import UserError
from groundtune.general import replayed_text
from groundtune.models.backend import TunableBackend
from groundtune.project import Project
from groundtune.prompts import trained
from groundtune.report.forgotten import forgotten_sentence
from groundtune.stages.build import build_inputs, hidden_documents, rows, untunable
from groundtune.stages.data import last_split, open_examples, train_examples
from groundtune.stages.deciding import TOO_FEW, decides, tuning_split
from groundtune.stages.forgetting import forgotten
from groundtune.stages.synthesis import check_recipe, made_examples, paraphrased
from groundtune.tune.lineage import LINEAGE, keep_lineage
from groundtune.tune.recipes import Use, deciding, learn, uses
from groundtune.tune.replay import general_rows
from groundtune.tune.rows import Material, Row
from groundtune.types import Example, Json, Passage, Reader
from groundtune.workspace import digest

if TYPE_CHECKING:
    from groundtune.tune.plan import Plan
    from groundtune.tune.trainer import Trainer


def tune_stage(project: Project, *, plan_only: bool = False) -> Json | None:
    """The adapters of all tuned approaches; None where there are none.

    Gives {"adapters": {use: [training, ...]}}: one training a seed, each with its folder's name, the kinds of its rows,
    its settings, and what trainer.Trained says. What earlier runs trained from the same inputs stays, with fewer seeds
    or with more. plan_only: gives the plan of the next training, and how many `trainings` are to come.
    """
    if note := untunable(project):
        if not rows(project):
            raise UserError(note, 'nothing remains: add approaches with generator = "base", or choose another model')
        project.progress.say(note)
    if not isinstance(project.backend, TunableBackend) or not rows(project, "tuned"):
        return None
    inputs = tune_inputs(project)
    adapters = _there(project, inputs)
    seeds = project.config.tune.seeds
    complete = bool(adapters) and all(len(trainings) >= seeds for trainings in adapters.values())
    if (reason := kept_out(project)) and (plan_only or not complete):
        project.progress.say(reason)
    if complete:
        wanted = {use: trainings[:seeds] for use, trainings in adapters.items()}
        return {**next(iter(wanted.values()))[0]["plan"], "trainings": 0} if plan_only else {"adapters": wanted}
    check_recipe(project)
    lessons = [one for one in _lessons(project, write=not plan_only) if one.number >= len(adapters.get(one.use, ()))]
    if plan_only:
        use, trainer, learnt = _trainer(project, lessons[0])
        plan = trainer.plan()
        _say_plan(project, use, trainer, plan, learnt)
        if len(lessons) > 1:
            project.progress.say(f"that is one of {len(lessons)} trainings, one after the other")
        return {**asdict(plan), "trainings": len(lessons)}
    for lesson in lessons:
        made = _train(project, lesson)
        adapters.setdefault(lesson.use, []).append(made)
        if lesson.number == 0:  # and the model that was trained is let go
            project.progress.say(forgotten_sentence(forgotten(project, lesson.use, made)))
    result: Json = {"adapters": adapters}
    project.workspace.finish("tune", inputs, result)
    return result


def _there(project: Project, inputs: str) -> dict[str, list[Json]]:
    """The trainings that earlier runs did from the same inputs, as far as their adapters are still there."""
    made: dict[str, list[Json]] = (project.workspace.done("tune", inputs) or {}).get("adapters", {})
    return {
        use: list(takewhile(lambda one: project.workspace.adapter(one["adapter"]).is_dir(), trainings))
        for use, trainings in made.items()
    }


def tune_inputs(project: Project) -> str:
    """The digest of all that an adapter depends on, but for how many are trained ([tune] seeds)."""
    config = project.config
    kinds = sorted({row.retriever for row in rows(project, "tuned").values()})
    table = config.tune
    writer = config.writer if table.recipe in ("documents", "facts") else None
    settings = table.model_dump(exclude={"seeds"})
    split_by = [config.question, sorted(hidden_documents(project)), config.examples.seed, decides(project)]
    return digest([build_inputs(project), settings, writer, split_by, kinds])


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


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One training to do. number: among those of its use, one a seed; given: what is learnt from; held_out: what
    decides; name: that of the adapter's folder."""

    use: Use
    number: int
    table: TuneTable
    given: Material
    held_out: Material
    name: str


def _lessons(project: Project, *, write: bool) -> Iterator[_Lesson]:
    """The training of each adapter and seed. write: whether a model may be asked to write what is learnt from."""
    inputs = tune_inputs(project)
    examples = open_examples(project, tuning_reader(project))
    if not examples:
        raise UserError(
            f"none of {len(train_examples(project))} train examples is about documents that tuning may read",
            "name groups that may read them in [tune] readers, or keep approaches without tuning alone",
        )
    teach, decide = tuning_split(project, examples)
    given, held_out = _material(project, teach, write=write), _material(project, decide, decides=True)
    tuned = rows(project, "tuned").values()
    table = project.config.tune
    wanted = uses(table, context=any(row.retriever for row in tuned), closed=not all(row.retriever for row in tuned))
    for use in wanted:
        for number in range(table.seeds):
            seeded = table.model_copy(update={"seed": table.seed + number, "seeds": 1})
            yield _Lesson(use, number, seeded, given, held_out, digest([inputs, use, number]))


def _trainer(project: Project, lesson: _Lesson) -> tuple[Use, Trainer, list[Row]]:
    """A lesson's trainer, with the rows that it learns from."""
    from groundtune.tune.trainer import Trainer

    learnt = learn(lesson.given, lesson.table, lesson.use)
    held_out = deciding(lesson.held_out, lesson.table, lesson.use)
    if len(lesson.table.try_rates) > 1 and not held_out:
        too_few = decides(project) and not lesson.held_out.examples
        why = TOO_FEW if too_few else "short answers without passages choose none"
        project.progress.say(f"[tune] try_rates: {why}; rate = {lesson.table.rate:g} is used")
    backend: Any = project.backend
    tokenizer, model = backend.fresh()
    folder = project.workspace.adapter(lesson.name)
    general = general_rows(replayed_text()) if lesson.table.replay_share is None else []
    trainer = Trainer(tokenizer, model, backend.render, learnt, lesson.table, folder, held_out, general)
    return lesson.use, trainer, learnt


def _train(project: Project, lesson: _Lesson) -> Json:
    """Trains an adapter; what is kept of that."""
    use, trainer, learnt = _trainer(project, lesson)
    plan = trainer.plan()
    if trainer.finished() is None:  # else a process was killed that had trained it
        _say_plan(project, use, trainer, plan, learnt)
        if decides(project) and not lesson.held_out.examples:
            project.progress.say(
                f"{TOO_FEW}: it trains through its whole plan. With more, some would decide when it ends"
            )
    training = trainer.train(plan, project.progress)
    examples = {example.id: example for example in (*lesson.given.examples, *lesson.given.made)}
    keep_lineage(trainer.learnt(training.steps, training.replaying), examples, trainer.folder / LINEAGE)
    project.progress.say(
        f"tuned{_for(use)} in {training.seconds / 60:.1f} minutes on {training.plan.rows:,} rows, "
        f"{training.steps:,} steps; loss {training.loss:.3f}{_held_out(training.held_out)}"
    )
    return {
        "adapter": lesson.name,
        "mix": dict(_counts(learnt)),
        "settings": lesson.table.model_dump(mode="json"),
        **training.to_json(),
    }


def _material(project: Project, examples: Sequence[Example], *, decides: bool = False, write: bool = True) -> Material:
    """What rows are made of. decides: of examples that are not learnt from, so nothing but them; write: whether a model
    may be asked to write of it what is not written yet."""
    facts = last_split(project)
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
        made=made_examples(project, passages, reader, write=write) if recipe == "documents" and not decides else (),
        paraphrases=paraphrased(project, examples, write=write) if recipe == "facts" and not decides else {},
        general=() if decides else replayed_text(),
    )


def _say_plan(project: Project, use: Use, trainer: Trainer, plan: Plan, learnt: Sequence[Row]) -> None:
    mix = ", ".join(f"{n:,} {kind}" for kind, n in _counts(learnt).items())
    twice = ", activations computed twice to keep to [tune] memory_gb" if plan.checkpointed else ""
    apart = "" if plan.packed else ", rows one by one: this model's layers do not let them be packed"
    project.progress.say(
        f"tuning{_for(use)} on {plan.rows:,} rows (out of {mix}, each {project.config.tune.epochs:g} times), "
        f"{plan.tokens:,} tokens in {plan.steps:,} steps: "
        f"about {plan.seconds / 60:.1f} minutes at {plan.tokens_per_second:.0f} tokens a second in {plan.precision}, "
        f"{plan.memory_gb:.1f} GB of memory{twice}{apart}"
    )
    if plan.cut:
        project.progress.say(
            f"rows longer than {trainer.longest:,} tokens: {plan.cut:,} of {len(learnt):,}. Their prompts are cut at "
            "the front, answers over half of that at the end; with passages, a smaller [retrieve] k cuts fewer"
        )
    if plan.left_out:
        minutes = project.config.tune.minutes
        project.progress.say(
            f"[tune] minutes = {minutes:g} leaves out {plan.left_out:,} of {plan.rows_given:,} rows "
            f"(all of them: about {plan.rows_given / plan.rows * plan.seconds / 60:.0f} minutes)"
        )


def _for(use: Use) -> str:
    return {"both": "", "context": " for questions with passages", "closed": " for questions without passages"}[use]


def _held_out(losses: Sequence[float]) -> str:
    return f", on held-out rows {min(losses):.3f}" if losses else ""


def _counts(learnt: Sequence[Row]) -> Counter[str]:
    return Counter(row.kind for row in learnt)
