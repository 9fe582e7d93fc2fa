"""What approaches are built from: the base generator's prompts and the adapter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import groundtune
from groundtune.approach import Approach
from groundtune.cases import LeaveOneOut, holds_evidence, same_question
from groundtune.config import ApproachTable
from groundtune.errors import UserError
from groundtune.measure.prompting import candidate_templates, choose_template
from groundtune.models.backend import TunableBackend
from groundtune.project import Project
from groundtune.prompts import Shot, Template, trained
from groundtune.stages.data import file_digest, open_examples, split_stage, train_examples
from groundtune.tune.recipes import Material, Row, mixed
from groundtune.types import EVERYONE, Example, Json, Passage, Reader
from groundtune.workspace import digest

LOOKED_AT = 5  # passages among which a shot's gold passage is looked for


def prompts_stage(project: Project) -> Json:
    """The best prompt for the base generator, with passages and without, found on train questions."""
    facts = split_stage(project)
    table = project.config.prompt
    inputs = prompts_inputs(project)
    done = project.workspace.done("prompts", inputs)
    if done is not None:
        return done
    templates, asked = candidate_templates(
        open_examples(project, EVERYONE), _gold(project), table.candidates_on, project.config.examples.seed
    )
    if table.name != "auto":
        names = [template.name for template in templates]
        if table.name not in names:
            raise UserError(f'[prompt] name = "{table.name}" is unknown; one of: auto, {", ".join(names)}')
        templates = [templates[names.index(table.name)]]
    result: Json = {}
    for kind in _kinds(project):
        plain = Approach(
            name=f"base, {kind}",
            generator=project.backend.generator(),
            template=templates[0],
            retriever=LeaveOneOut(project.retriever, train_examples(project)) if kind == "context" else None,
            k=project.config.retrieve.k,
            max_tokens=_max_tokens(project),
            choices=tuple(facts["choices"]),
        )
        choice = choose_template(plain, templates, asked, project.progress, project.config.decide.quality)
        result[kind] = {"template": asdict(choice.best), "scores": choice.scores, "n": choice.n}
        project.progress.say(f"prompt for the base model, {kind}: {choice.best.name} of {_scores(choice.scores)}")
    project.workspace.finish("prompts", inputs, result)
    return result


def tune_stage(project: Project, *, plan_only: bool = False) -> Json | None:
    """The adapter that all tuned approaches share; None where there are none. plan_only: says what it would train."""
    if note := untunable(project):
        if not rows(project):
            raise UserError(note, 'nothing remains: add approaches with generator = "base", or choose another model')
        project.progress.say(note)
    backend = project.backend
    if not isinstance(backend, TunableBackend) or not rows(project, "tuned"):
        return None
    from groundtune.tune.trainer import Trainer

    table = project.config.tune
    inputs = tune_inputs(project)
    done = project.workspace.done("tune", inputs)
    if (reason := kept_out(project)) and (plan_only or done is None):
        project.progress.say(reason)
    if done is not None:
        return dict(done["plan"]) if plan_only else done
    learnt = mixed(_material(project), table)
    tokenizer, model = backend.fresh()
    folder = project.workspace.adapter(inputs)
    trainer = Trainer(tokenizer, model, backend.render, learnt, table, folder)
    plan = trainer.plan()
    project.progress.say(
        f"tuning on {plan.rows:,} rows ({_mix(learnt)}), {plan.tokens:,} tokens in {plan.steps:,} steps: "
        f"about {plan.seconds / 60:.1f} minutes at {plan.tokens_per_second:.0f} tokens a second"
    )
    if plan.left_out:
        project.progress.say(
            f"[tune] minutes = {table.minutes:g} leaves out {plan.left_out:,} of {plan.rows_given:,} rows "
            f"(all of them: about {plan.rows_given / plan.rows * plan.seconds / 60:.0f} minutes)"
        )
    if plan_only:
        return asdict(plan)
    done = trainer.train(plan, project.progress).to_json()
    result = {"adapter": folder.name, "mix": _counts(learnt), **done}
    project.workspace.finish("tune", inputs, result)
    project.progress.say(
        f"tuned in {done['seconds'] / 60:.1f} minutes on {done['plan']['rows']:,} rows, {done['steps']:,} steps; "
        f"loss {done['loss']:.3f}"
    )
    return result


def approach(project: Project, name: str) -> Approach:
    """One row of the comparison as it was last built: the adapter and the prompts stay, the index is as it is now.

    Raises UserError where it was not built yet.
    """
    row = project.config.approaches[name]
    tuned = row.generator == "tuned"
    facts, made = project.workspace.last("split"), project.workspace.last("tune" if tuned else "prompts")
    kind = "context" if row.retriever else "closed"
    if not facts or not (made if tuned else made.get(kind)):
        raise UserError(f"{name} is not built yet", 'run "groundtune run" first')
    return Approach(
        name=name,
        generator=project.backend.generator(project.workspace.adapter(made["adapter"]) if tuned else None),
        template=trained(facts["task"]) if tuned else _current(project, read_template(made[kind]["template"])),
        retriever=project.retriever if row.retriever else None,
        k=project.config.retrieve.k,
        max_tokens=_max_tokens(project),
        choices=tuple(facts["choices"]),
    )


def rows(project: Project, generator: str | None = None) -> dict[str, ApproachTable]:
    """The approaches that this model can have, all or those with one generator."""
    possible = {"base", "tuned"} if isinstance(project.backend, TunableBackend) else {"base"}
    wanted = possible if generator is None else possible & {generator}
    return {name: row for name, row in project.config.approaches.items() if row.generator in wanted}


def untunable(project: Project) -> str:
    """Which approaches this model cannot have, in a sentence; empty where it can have all."""
    missing = project.config.approaches.keys() - rows(project)
    return (
        f"{project.config.model.name} cannot be tuned here; left out: {', '.join(sorted(missing))}" if missing else ""
    )


def build_inputs(project: Project) -> str:
    """The digest of all that prompts and adapters are made from."""
    config = project.config
    index = project.index.digest()
    models = [(table.name, _weights_digest(table.name)) for table in (config.model, config.embedder)]
    train = file_digest(project.workspace.train)
    fitted = project.workspace.last("retrieval")
    return digest([models, config.model.base_url, config.retrieve, fitted, index, train, groundtune.__version__])


def prompts_inputs(project: Project) -> str:
    """The digest of all that the choice of prompts depends on."""
    config = project.config
    return digest([build_inputs(project), config.prompt, config.decide.quality, _kinds(project), config.examples.seed])


def tune_inputs(project: Project) -> str:
    """The digest of all that the adapter depends on."""
    config = project.config
    kinds = sorted({row.retriever for row in rows(project, "tuned").values()})
    return digest([build_inputs(project), config.tune, config.question, sorted(_hidden(project)), kinds])


def _kinds(project: Project) -> list[str]:
    return sorted({"context" if row.retriever else "closed" for row in rows(project, "base").values()})


def _max_tokens(project: Project) -> int:
    return project.config.prompt.max_tokens or int(split_stage(project)["longest_answer"])


def _hidden(project: Project) -> set[str]:
    """The documents that tuning must not meet: where the question is skill, those of held-out examples."""
    return set(split_stage(project)["held_out_documents"]) if project.config.question == "skill" else set()


def _weights_digest(name: str) -> str:
    """What a local model folder holds, so that another model put in its place is noticed; empty for other names."""
    folder = Path(name)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return digest([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])


def _material(project: Project) -> Material:
    facts = split_stage(project)
    hidden, own = _hidden(project), same_question(train_examples(project))

    def allowed(passage: Passage, example: Example) -> bool:
        return passage.document not in hidden and passage.document not in own[example.question]

    reader = _tuning_reader(project)
    with_retriever = any(row.retriever for row in rows(project, "tuned").values())
    reads_documents = project.config.question == "knowledge" and bool(project.sources)
    return Material(
        examples=open_examples(project, reader),
        search=partial(project.retriever.search, reader=reader) if with_retriever else None,
        holds=holds_evidence,
        allowed=allowed,
        passages=project.index.all_passages(reader) if reads_documents else [],
        template=trained(facts["task"]),
        choices=tuple(facts["choices"]),
        k=project.config.retrieve.k,
    )


def _tuning_reader(project: Project) -> Reader:
    """As whom tuning reads: what not everyone may read is not for the weights, which cannot keep it from anyone."""
    return Reader(frozenset(project.config.tune.readers))


def kept_out(project: Project) -> str:
    """What tuning does not read although it is in the index, in a sentence; empty where it reads all."""
    reader = _tuning_reader(project)
    documents = len(project.index.versions()) - len(project.index.documents(reader))
    if not documents:
        return ""
    examples = len(train_examples(project)) - len(open_examples(project, reader))
    return (
        f"kept out of tuning: {documents:,} documents that not everyone may read and {examples:,} examples about them, "
        "for a model tells what it was tuned on to whoever asks it ([tune] readers names groups to read as)"
    )


def _gold(project: Project) -> Callable[[Example], Passage | None]:
    """A function from a train example to the passage that its shot shows.

    For qa the one that holds its evidence, None where that was not found; for other tasks the first that was found.
    """
    retriever = LeaveOneOut(project.retriever, train_examples(project))
    hidden = _hidden(project)

    def gold(example: Example) -> Passage | None:
        hits = retriever.search([example.question], LOOKED_AT)[0]
        passages = [hit.passage for hit in hits if hit.passage.document not in hidden]
        shown = (passage for passage in passages if example.task != "qa" or holds_evidence(passage, example))
        return next(shown, None)

    return gold


def read_template(row: Json) -> Template:
    """The template in the mark of the prompts stage."""
    shots = tuple(
        Shot(shot["question"], shot["answer"], tuple(Passage(**passage) for passage in shot["passages"]))
        for shot in row["shots"]
    )
    return Template(row["name"], row["task"], row["plain"], shots)


def _current(project: Project, template: Template) -> Template:
    """The template without solved examples whose passage has left the documents that everyone may read."""
    texts = project.index.documents() if any(shot.passages for shot in template.shots) else {}
    shots = [shot for shot in template.shots if all(p.text in texts.get(p.document, "") for p in shot.passages)]
    return replace(template, shots=tuple(shots))


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(row.kind for row in rows))


def _mix(rows: Sequence[Row]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in _counts(rows).items())


def _scores(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
