"""What each adapter made the model forget: measured once an adapter, on general text and questions of our own."""

from __future__ import annotations

from dataclasses import asdict

import groundtune
from groundtune.general import measured_text, questions
from groundtune.measure.forgetting import General, forgetting, general
from groundtune.models.backend import TunableBackend
from groundtune.project import Project
from groundtune.stages.build import weights_digest
from groundtune.types import Json
from groundtune.workspace import digest


def forgetting_stage(project: Project) -> list[Json]:
    """For the first training of each use what it forgot, as the verdict tells it; empty where nothing was tuned.

    `replay_share`: of the rows, general text from the beginning; `replayed_from`: the share of the steps that were done
    when general text began to be replayed because too much was forgotten, else None.
    """
    made = project.workspace.last("tune").get("adapters", {}) if isinstance(project.backend, TunableBackend) else {}
    return [forgotten(project, use, trainings[0]) for use, trainings in made.items()]


def forgotten(project: Project, use: str, training: Json) -> Json:
    """What the adapter of one training forgot. The bare model and the adapter are each measured once."""
    replaying = training["replaying"]
    before, after = _general(project, None), _general(project, training["adapter"])
    return {
        "use": use,
        "adapter": training["adapter"],
        "replay_share": training["settings"]["replay_share"] or 0.0,
        "replayed_from": None if replaying is None else replaying / training["steps"],
        "held_out": min(training["held_out"], default=None),
        "most": project.config.tune.forget_most,
        **forgetting(before, after, project.config.decide.confidence).to_json(),
    }


def _general(project: Project, adapter: str | None) -> General:
    mark = f"general-{adapter or 'base'}"
    texts, asked, table = measured_text(), questions(), project.config.model
    model = [table.name, table.bits, table.engine, weights_digest(table.name)]
    inputs = digest([model, adapter, texts, asked, groundtune.__version__])
    done = project.workspace.done(mark, inputs)
    if done is None:
        backend = project.backend
        assert isinstance(backend, TunableBackend), "an adapter was tuned, so the model can be"  # noqa: S101
        folder = project.workspace.adapter(adapter) if adapter else None
        done = asdict(general(backend, folder, texts, asked))
        project.workspace.finish(mark, inputs, done)
    return General(**{key: tuple(values) for key, values in done.items()})
