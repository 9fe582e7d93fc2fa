"""Measuring, deciding, reporting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import groundtune
from groundtune.decide import Facts, cost_per_1000, decide, smallest_visible_difference
from groundtune.decide.compare import quality_metric
from groundtune.decide.limits import limits_of
from groundtune.errors import UserError
from groundtune.examples.spread import spread
from groundtune.measure.records import measure, read_records
from groundtune.measure.resources import latencies, peak_memory_mb, reset_peak_memory
from groundtune.project import Project
from groundtune.report import PromptChoice, ReportContext, Training, html, markdown
from groundtune.stages.build import (
    adapter_of,
    approach,
    calibration_mark,
    made_for,
    max_tokens,
    prompts_stage,
    read_template,
    rows,
    trainings_of,
    untunable,
)
from groundtune.stages.calibration import built_inputs, calibration_stage
from groundtune.stages.data import file_digest, split_stage, test_examples
from groundtune.stages.forgetting import forgetting_stage
from groundtune.stages.synthesis import check_recipe
from groundtune.stages.tuning import tune_stage
from groundtune.types import Example, Json, LeftOut, Record
from groundtune.workspace import digest, of_training, read_json, write_json, write_text


def check_settings(project: Project) -> None:
    """Raises UserError for what would else be noticed only after hours: [decide], [tune] and [retrieve] options."""
    limits_of(project.config.decide)
    quality_metric(project.config.decide.quality, split_stage(project)["task"])
    check_recipe(project)
    _ = project.retriever


def measure_stage(project: Project) -> None:
    """Records of every training of every approach, on the same test examples; latency and memory of the first."""
    prompts_stage(project)
    tune_stage(project)
    forgetting_stage(project)
    test = test_examples(project)
    for name in rows(project):
        for training in trainings_of(project, name):
            calibration_stage(project, name, training)
            _measure(project, name, training, test)


def _measure(project: Project, name: str, training: int, test: Sequence[Example]) -> None:
    if _measured(project, name, training) is not None:
        return
    run, mark = _run(project, name, training), measure_mark(name, training)
    project.workspace.begin(mark)
    built = approach(project, name, training)
    reset_peak_memory()
    records = measure(built, test, project.workspace.records(name, training), run, project.progress)
    took: Json = {"of": digest(made_for(project, name, training)), "asked": how_asked(project, name)}
    timed = spread(test, project.config.measure.latency_on)
    if training == 0:  # the others take as much, and this is the one that will be served
        took |= {
            "latency_ms": latencies(built, [example.question for example in timed], project.progress),
            "peak_memory_mb": peak_memory_mb(),
            "tokens": fmean(r.answer.prompt_tokens + r.answer.completion_tokens for r in records),
        }
    project.workspace.finish(mark, run, took)


def _measured(project: Project, name: str, training: int = 0) -> Json | None:
    """What measuring one training of an approach took; None where it is not measured on these inputs."""
    there = project.workspace.records(name, training).exists()
    return project.workspace.done(measure_mark(name, training), _run(project, name, training)) if there else None


def how_asked(project: Project, name: str) -> Json:
    """What of the config an approach's answers depend on besides what was made for it."""
    return {
        "[retrieve] k": project.config.retrieve.k if rows(project)[name].reads == "context" else None,
        "[prompt] max_tokens": max_tokens(project),
        "[prompt] abstain_below": project.config.prompt.abstain_below,
    }


def still_holds(project: Project, verdict: Json) -> bool:
    """Whether a verdict was made over the records that there are now."""
    asked = [(name, n) for name, one in verdict["approaches"].items() for n in range(max(1, one["trainings"]))]
    runs = [project.workspace.inputs(measure_mark(name, training)) for name, training in asked]
    return bool(verdict["run"] == digest(runs))


def measure_mark(name: str, training: int = 0) -> str:
    """What measuring one training of an approach is kept as in the workspace."""
    return f"measure-{of_training(name, training)}"


def _records(project: Project, name: str) -> list[list[Record]]:
    """The records of each training of an approach."""
    return [read_records(project.workspace.records(name, training)) for training in trainings_of(project, name)]


def decide_stage(project: Project) -> Json:
    """The verdict over all records; also in verdict.json."""
    facts = split_stage(project)
    asked = [(name, training) for name in rows(project) for training in trainings_of(project, name)]
    for name, training in asked:
        if _measured(project, name, training) is None:
            which = f", training {training + 1}," if training else ""
            raise UserError(
                f"{name}{which} is not measured yet with this config and these documents", 'run "groundtune run"'
            )
    records = {name: _records(project, name) for name in rows(project)}
    verdict = decide(
        records,
        {name: _facts(project, name) for name in records},
        project.config.decide,
        question=project.config.question,
        task=facts["task"],
        run=digest([_run(project, name, training) for name, training in asked]),
    ).to_json()
    verdict["forgetting"] = forgetting_stage(project) if rows(project, "tuned") else []
    write_json(project.workspace.verdict, verdict)
    return verdict


def report_stage(project: Project) -> Path:
    """report.html and report.md in the workspace; the path of the first. What it shows side by side are the answers of
    each approach's first training, the one that is served."""
    verdict = read_json(project.workspace.verdict)
    records = {name: read_records(project.workspace.records(name)) for name in verdict["approaches"]}
    context = _context(project)
    write_text(project.workspace.report("md"), markdown(verdict, context))
    write_text(project.workspace.report("html"), html(verdict, records, context))
    return project.workspace.report("html")


def named_or_recommended(project: Project, name: str | None, among: Collection[str] | None = None) -> str:
    """The approach of a name, where one is given, else the one that the verdict recommends.

    among: those that serve here, to be named in a hint; None: all. Raises UserError where there is none of that name,
    no verdict, or the verdict recommends none.
    """
    if not name:
        return _recommended(project, among or project.config.approaches)
    if name not in (table := project.config.approaches):
        raise UserError(f"--approach {name!r} is unknown; one of: {', '.join(table)}")
    return name


def _recommended(project: Project, among: Collection[str]) -> str:
    if not project.workspace.verdict.exists():
        raise UserError(
            "there is no verdict yet", f'run "groundtune run", or name one of: {", ".join(among)} (--approach)'
        )
    verdict = read_json(project.workspace.verdict)
    if verdict["recommended"] is None:
        scores = {name: row["quality"]["mean"] for name, row in verdict["approaches"].items() if name in among}
        best = f"; {max(scores, key=scores.__getitem__)} scored highest" if scores else ""
        raise UserError(
            "no approach is recommended (see the report)", f"name one of: {', '.join(among)} (--approach){best}"
        )
    return str(verdict["recommended"])


def visible_difference(project: Project) -> float:
    """The smallest difference between approaches that the test examples can show; see decide/plan.py."""
    facts = split_stage(project)
    confidence = project.config.decide.confidence
    return smallest_visible_difference(facts["test"], facts["test_groups"], len(rows(project)), confidence)


def _run(project: Project, name: str, training: int = 0) -> str:
    """The digest of all that the answers of one training of an approach depend on."""
    built, asked = built_inputs(project, name, training), how_asked(project, name)
    calibration = project.workspace.last(calibration_mark(name, training))
    return digest([built, asked, calibration, file_digest(project.workspace.test), project.config.measure])


def _facts(project: Project, name: str) -> Facts:
    import numpy as np

    row = rows(project)[name]
    measured = _measured(project, name) or {}
    tuned = adapter_of(project.workspace.last("tune"), row.reads) if row.generator == "tuned" else None
    synced = project.workspace.last("sync")
    train_seconds = tuned["seconds"] if tuned else 0.0
    p50, p95 = np.percentile(measured["latency_ms"], [50, 95])
    table = project.config.decide
    return Facts(
        latency_p50_ms=float(p50),
        latency_p95_ms=float(p95),
        cost_per_1000=cost_per_1000(
            fmean(measured["latency_ms"]) / 1000,
            table.price_per_hour,
            train_seconds,
            table.queries_per_month,
            measured["tokens"],
            table.price_per_million_tokens,
        ),
        train_seconds=train_seconds,
        update_seconds=synced["update_seconds"] if row.reads == "context" else (train_seconds or None),
        peak_memory_mb=measured["peak_memory_mb"],
        tokens_per_question=measured["tokens"],
    )


def _context(project: Project) -> ReportContext:
    facts, prompts = (project.workspace.last(stage) for stage in ("split", "prompts"))
    synced = project.workspace.last("sync")
    documents, passages = project.index.counts()
    leaks = project.workspace.last("leaks")
    return ReportContext(
        title=project.title,
        model=project.config.model.name,
        documents=documents if project.sources else None,
        passages=passages if project.sources else None,
        train=facts["train"],
        test=facts["test"],
        left_out=tuple(LeftOut(**item) for item in synced.get("left_out", [])),
        notes=tuple(filter(None, (*facts["notes"], *leaks.get("notes", []), untunable(project)))),
        training=_training(project.workspace.last("tune")) if rows(project, "tuned") else None,
        prompts=tuple(_prompt_choice(kind, chosen) for kind, chosen in prompts.items()),
        price_per_hour=project.config.decide.price_per_hour,
        queries_per_month=project.config.decide.queries_per_month,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        version=groundtune.__version__,
        config=project.text,
    )  # fmt: skip


def _training(made: Json) -> Training:
    """One training of each adapter, added up."""
    trained = [trainings[0] for trainings in made["adapters"].values()]
    mix = sum((Counter(one["mix"]) for one in trained), Counter[str]())
    return Training(
        rows=sum(one["plan"]["rows"] for one in trained),
        tokens=sum(one["plan"]["tokens"] for one in trained),
        steps=sum(one["steps"] for one in trained),
        seconds=sum(one["seconds"] for one in trained),
        mix=dict(mix),
    )


def _prompt_choice(kind: str, chosen: Json) -> PromptChoice:
    template = read_template(chosen["template"])
    prompt = template.prompt("…", [] if kind == "context" else None)
    text = "\n\n".join(message.content for message in prompt.messages)
    return PromptChoice(f"base, {kind}", template.name, chosen["scores"], chosen["n"], text)
