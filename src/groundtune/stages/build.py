"""What approaches are built from: the base generator's prompts, and the adapters that the tune stage trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import groundtune
from groundtune.approach import Approach
from groundtune.calibration import Calibration
from groundtune.cases import LeaveOneOut, NearestCases, holds_evidence, solved_cases
from groundtune.config import ApproachTable
from groundtune.errors import UserError
from groundtune.measure.prompting import candidate_templates, choose_template
from groundtune.models.backend import TunableBackend
from groundtune.project import Project
from groundtune.prompts import Shot, Template, case_candidates, trained
from groundtune.stages.data import file_digest, last_split, open_examples, train_examples
from groundtune.types import EVERYONE, Example, Json, Passage, Retriever
from groundtune.workspace import digest, of_training

LOOKED_AT = 5  # passages among which a shot's gold passage is looked for


def prompts_stage(project: Project) -> Json:
    """The best prompt for the base generator, with passages and without, found on train questions."""
    facts = last_split(project)
    if "cases" in _kinds(project):
        project.bring_cases(solved_cases(_everyones_examples(project)))
    table = project.config.prompt
    inputs = prompts_inputs(project)
    done = project.workspace.done("prompts", inputs)
    if done is not None:
        return done
    templates, asked = _candidates(project)
    for_cases = case_candidates(facts["task"])
    if table.name != "auto":
        names = [template.name for template in templates]
        if table.name not in names:
            raise UserError(
                f'[prompt] name = "{table.name}" is unknown; one of: auto, {", ".join(names)}',
                "those with shots take train examples that everyone may read",
            )
        templates = [templates[names.index(table.name)]]
        for_cases = [template for template in for_cases if template.plain == templates[0].plain]
    result: Json = {}
    for kind in _kinds(project):
        compared = for_cases if kind == "cases" else templates
        plain = Approach(
            name=f"base, {kind}",
            generator=project.backend.generator(),
            template=compared[0],
            retriever=_retriever(project, on_train=True) if kind == "context" else None,
            k=project.config.retrieve.k,
            max_tokens=max_tokens(project),
            choices=tuple(facts["choices"]),
            cases=_cases(project, on_train=True) if kind == "cases" else None,
        )
        choice = choose_template(plain, compared, asked, project.progress, project.config.decide.quality)
        result[kind] = {"template": asdict(choice.best), "scores": choice.scores, "n": choice.n}
        project.progress.say(f"prompt for the base model, {kind}: {choice.best.name}{_scores(choice.scores)}")
    project.workspace.finish("prompts", inputs, result)
    return result


def _everyones_examples(project: Project) -> list[Example]:
    examples = open_examples(project, EVERYONE)
    if not examples:
        raise UserError(
            'retriever = "examples" has nothing to show: no train example is about documents that everyone may read',
            "leave out the approaches with it",
        )
    return examples


def solved_shots(project: Project) -> list[Shot]:
    """Train examples that show what is asked about a passage: as prompts show them, with the passage that answers."""
    templates, _ = _candidates(project)
    return [shot for shot in max((one.shots for one in templates), key=len) if shot.passages]


def _candidates(project: Project) -> tuple[list[Template], list[Example]]:
    """Templates to choose from, and the train examples that they are compared on."""
    config = project.config
    train = open_examples(project, EVERYONE)
    return candidate_templates(
        last_split(project)["task"], train, _gold(project), config.prompt.candidates_on, config.examples.seed
    )


def approach(project: Project, name: str, training: int = 0, *, on_train: bool = False) -> Approach:
    """One row of the comparison as it was last built: the adapter and the prompts stay, the index is as it is now.

    training: which of several ([tune] seeds), where it is tuned. on_train: as it is asked train questions, which must
    not find themselves, and without a calibration, which those are for. Raises UserError where it was not built yet.
    """
    row = project.config.approaches[name]
    tuned = row.generator == "tuned"
    facts, made = project.workspace.last("split"), made_for(project, name, training)
    adapter = project.workspace.adapter(made) if tuned else None
    return Approach(
        name=name,
        generator=project.backend.generator(adapter),
        template=trained(facts["task"]) if tuned else _current(project, read_template(made)),
        retriever=_retriever(project, on_train=on_train) if row.reads == "context" else None,
        k=project.config.retrieve.k,
        max_tokens=max_tokens(project),
        choices=tuple(facts["choices"]),
        calibration=None if on_train else _calibration(project, name, training, digest(made)),
        abstain_below=project.config.prompt.abstain_below,
        cases=_cases(project, on_train=on_train) if row.reads == "cases" else None,
    )


def made_for(project: Project, name: str, training: int = 0) -> Any:
    """What was made for an approach: the name of its adapter, or its template as it stands in the prompts' mark.

    Raises UserError where it was not made yet.
    """
    row = project.config.approaches[name]
    tuned = row.generator == "tuned"
    kind = row.reads
    made = project.workspace.last("tune" if tuned else "prompts")
    if not project.workspace.last("split") or not made.get("adapters" if tuned else kind):
        raise UserError(f"{name} is not built yet", 'run "groundtune run" first')
    if not tuned:
        return made[kind]["template"]
    trainings = trainings_for(made, kind)
    if training >= len(trainings):
        raise UserError(f"{name} has {len(trainings)} of {training + 1} trainings", 'run "groundtune run" first')
    return trainings[training]["adapter"]


def _retriever(project: Project, *, on_train: bool) -> Retriever:
    """on_train: a train question does not find its own solved case."""
    return LeaveOneOut(project.retriever, train_examples(project)) if on_train else project.retriever


def _cases(project: Project, *, on_train: bool) -> NearestCases:
    """The train examples that everyone may read about, to be looked up as `prompts_stage` indexed them.

    on_train: a train question finds none that repeats it.
    """
    examples, retriever = open_examples(project, EVERYONE), project.retriever_of_cases()
    return NearestCases(
        LeaveOneOut(retriever, examples) if on_train else retriever, examples, project.config.retrieve.cases
    )


def calibration_mark(name: str, training: int = 0) -> str:
    """What the calibration of one training of an approach is kept as in the workspace."""
    return f"calibration-{of_training(name, training)}"


def _calibration(project: Project, name: str, training: int, of: str) -> Calibration | None:
    """of: the digest of what was made for the approach; a calibration of anything else is none of this one."""
    fitted = project.workspace.last(calibration_mark(name, training))
    return Calibration(fitted["slope"], fitted["intercept"]) if fitted.get("of") == of else None


def adapter_of(made: Json, kind: str, training: int = 0) -> Json:
    """What the tune stage says about the adapter that serves approaches of a kind: with "context" or "closed"."""
    return trainings_for(made, kind)[training]


def trainings_for(made: Json, kind: str) -> list[Json]:
    """The same of all its trainings, one a seed."""
    adapters = made["adapters"]
    trainings: list[Json] = adapters.get("both") or adapters[kind]
    return trainings


def trainings_of(project: Project, name: str) -> range:
    """The numbers of an approach's trainings: as many as [tune] seeds; one where it is not tuned."""
    return range(project.config.tune.seeds if project.config.approaches[name].generator == "tuned" else 1)


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
    weights = [(table.name, weights_digest(table.name)) for table in (config.model, config.embedder)]
    models = [*weights, config.model.base_url, config.model.bits, config.model.engine]
    train = file_digest(project.workspace.train)
    fitted = project.workspace.last("retrieval")
    retrieve = config.retrieve.model_dump(exclude={"cases"})  # which no adapter depends on
    language = config.index.language  # of the words, which are no part of the index's own digest
    return digest([models, retrieve, fitted, index, language, train, groundtune.__version__])


def prompts_inputs(project: Project) -> str:
    """The digest of all that the choice of prompts depends on."""
    config = project.config
    prompt = config.prompt.model_dump(exclude={"abstain_below"})
    cases = config.retrieve.cases if "cases" in _kinds(project) else None
    hidden = sorted(hidden_documents(project))
    asked = [config.decide.quality, _kinds(project), config.examples.seed, hidden]
    return digest([build_inputs(project), prompt, cases, asked])


def _kinds(project: Project) -> list[str]:
    return sorted({row.reads for row in rows(project, "base").values()})


def max_tokens(project: Project) -> int:
    return project.config.prompt.max_tokens or int(last_split(project)["longest_answer"])


def hidden_documents(project: Project) -> set[str]:
    """The documents that tuning must not meet: where the question is skill, those of held-out examples."""
    return set(last_split(project)["held_out_documents"]) if project.config.question == "skill" else set()


def weights_digest(name: str) -> str:
    """What a local model folder holds, so that another model put in its place is noticed; empty for other names."""
    folder = Path(name)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return digest([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])


def _gold(project: Project) -> Callable[[Example], Passage | None]:
    """A function from a train example to the passage that its shot shows.

    For qa the one that holds its evidence, None where that was not found; for other tasks the first that was found.
    """
    retriever = LeaveOneOut(project.retriever, train_examples(project))
    hidden = hidden_documents(project)

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


def _scores(scores: dict[str, float]) -> str:
    if not scores:
        return ", with no train question that everyone may read to compare others on"
    return " of " + ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
