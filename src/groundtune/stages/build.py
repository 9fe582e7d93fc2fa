"""What approaches are built from: the base generator's prompts and the adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from groundtune.approach import Approach
from groundtune.config import ApproachTable
from groundtune.errors import UserError
from groundtune.measure.prompting import candidate_templates, choose_template
from groundtune.models.backend import TunableBackend
from groundtune.project import LeaveOneOut, Project, holds_evidence, solved_case
from groundtune.prompts import Shot, Template, trained
from groundtune.stages.data import file_digest, split_stage, train_examples
from groundtune.tune.recipes import Material, Row, mixed
from groundtune.types import Example, Json, Passage
from groundtune.workspace import digest


def prompts_stage(project: Project) -> Json:
    """The best prompt for the base generator, with passages and without, found on train questions."""
    facts = split_stage(project)
    table = project.config.prompt
    kinds = {"context" if row.retriever else "closed" for row in rows(project, "base").values()}
    inputs = digest([build_inputs(project), table, sorted(kinds), project.config.examples.seed])
    done = project.workspace.done("prompts", inputs)
    if done is not None:
        return done
    templates, asked = candidate_templates(
        train_examples(project), _gold(project), table.candidates_on, project.config.examples.seed
    )
    if table.name != "auto":
        names = [template.name for template in templates]
        if table.name not in names:
            raise UserError(f'[prompt] name = "{table.name}" is unknown; one of: auto, {", ".join(names)}')
        templates = [templates[names.index(table.name)]]
    result: Json = {}
    for kind in sorted(kinds):
        plain = Approach(
            name=f"base, {kind}",
            generator=project.backend.generator(),
            template=templates[0],
            retriever=LeaveOneOut(project.retriever, asked) if kind == "context" else None,
            k=project.config.retrieve.k,
            max_tokens=facts["max_tokens"],
            choices=tuple(facts["choices"]),
        )
        choice = choose_template(plain, templates, asked, project.progress)
        result[kind] = {"template": asdict(choice.best), "scores": choice.scores, "n": choice.n}
        project.progress.say(f"prompt for the base model, {kind}: {choice.best.name} of {_scores(choice.scores)}")
    project.workspace.finish("prompts", inputs, result)
    return result


def tune_stage(project: Project, *, plan_only: bool = False) -> Json | None:
    """The adapter that all tuned approaches share; None where there are none. plan_only: says what it would train."""
    if note := untunable(project):
        project.progress.say(note)
    backend = project.backend
    if not isinstance(backend, TunableBackend) or not rows(project, "tuned"):
        return None
    from groundtune.tune.trainer import Trainer

    table = project.config.tune
    inputs = digest([build_inputs(project), table])
    done = project.workspace.done("tune", inputs)
    if done is not None:
        return done
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
    trained_ = trainer.train(plan, project.progress)
    result = {"adapter": folder.name, "mix": _counts(learnt), **trained_.to_json()}
    project.workspace.finish("tune", inputs, result)
    project.progress.say(
        f"tuned in {trained_.seconds / 60:.1f} minutes, {trained_.steps} steps; loss {trained_.loss:.3f}"
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
        template=trained(facts["task"]) if tuned else _template(made[kind]["template"]),
        retriever=project.retriever if row.retriever else None,
        k=project.config.retrieve.k,
        max_tokens=facts["max_tokens"],
        choices=tuple(facts["choices"]),
    )


def rows(project: Project, generator: str | None = None) -> dict[str, ApproachTable]:
    """The approaches that this model can have, all or those with one generator."""
    rows = project.config.approaches
    if not isinstance(project.backend, TunableBackend):
        rows = {name: row for name, row in rows.items() if row.generator != "tuned"}
    return {name: row for name, row in rows.items() if generator in (None, row.generator)}


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
    return digest([config.model, config.embedder, config.retrieve, index, file_digest(project.workspace.train)])


def _material(project: Project) -> Material:
    facts = split_stage(project)
    hidden = set(facts["held_out_documents"]) if project.config.question == "skill" else set()

    def allowed(passage: Passage, example: Example) -> bool:
        return passage.document not in hidden and passage.document != solved_case(example)

    with_retriever = any(row.retriever for row in rows(project, "tuned").values())
    reads_documents = project.config.question == "knowledge" and bool(project.sources)
    return Material(
        examples=train_examples(project),
        search=project.retriever.search if with_retriever else None,
        holds=holds_evidence,
        allowed=allowed,
        passages=project.index.all_passages() if reads_documents else [],
        template=trained(facts["task"]),
        choices=tuple(facts["choices"]),
        k=project.config.retrieve.k,
    )


def _gold(project: Project) -> Callable[[Example], Passage | None]:
    """A function from a train example to the passage that holds its evidence, None where none is found."""

    def gold(example: Example) -> Passage | None:
        hits = project.retriever.search([example.question], 5)[0]
        passages = [hit.passage for hit in hits if hit.passage.document != solved_case(example)]
        return next((p for p in passages if holds_evidence(p, example)), passages[0] if passages else None)

    return gold


def _template(row: Json) -> Template:
    shots = tuple(
        Shot(shot["question"], shot["answer"], tuple(Passage(**passage) for passage in shot["passages"]))
        for shot in row["shots"]
    )
    return Template(row["name"], row["task"], row["plain"], shots)


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.kind] = counts.get(row.kind, 0) + 1
    return counts


def _mix(rows: Sequence[Row]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in _counts(rows).items())


def _scores(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
