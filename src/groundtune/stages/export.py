"""A tuned approach as a folder to take away, held to its measured answers before it is there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import groundtune
from groundtune.approach import Approach
from groundtune.errors import UserError
from groundtune.export import Format, Numbers
from groundtune.export.adapter import write_adapter
from groundtune.export.card import card
from groundtune.export.gguf import check_gguf, write_gguf
from groundtune.export.llama import complete
from groundtune.export.merged import write_merged
from groundtune.export.modelfile import context_for, modelfile
from groundtune.export.origin import Origin
from groundtune.export.parity import chosen, hold, insist
from groundtune.measure.records import read_records
from groundtune.models import load_backend
from groundtune.project import Project
from groundtune.stages.build import adapter_of, approach, made_for, rows, untunable
from groundtune.stages.judge import how_asked, measure_mark, named_or_recommended, still_holds
from groundtune.tune.lineage import LINEAGE
from groundtune.types import Generator, Json, Record
from groundtune.workspace import digest, read_json, read_jsonl, write_json, write_text, writing

MARK = "groundtune-export.json"  # tells an export from a folder of the user's
GGUF, MODELFILE, CARD = "model.gguf", "Modelfile", "README.md"
ELSEWHERE = "choose another folder to export to"


def export_stage(
    project: Project,
    folder: Path,
    name: str | None = None,
    form: Format = "adapter",
    numbers: Numbers | None = None,
    *,
    force: bool = False,
) -> Json:
    """Exports a tuned approach, the recommended one where none is named, and says what came of it.

    numbers: of a GGUF's weights, None: f16; force: an earlier export may be written over. Raises UserError where there
    is nothing to export or the folder is somebody's, WorkFailed where the export does not answer as measured or the
    disk is full: then the folder is as it was.
    """
    if numbers is not None and form != "gguf":
        raise UserError(f"--type {numbers} is for --format gguf alone", "others keep the weights as they were measured")
    if (bits := project.config.model.bits) and form != "adapter":
        raise UserError(
            f"--format {form}: with [model] bits = {bits} the adapter is not merged: its sum with the weights would "
            "be rounded to others than were measured",
            "export it beside them: --format adapter",
        )
    _check_folder(folder, force=force)
    if form == "gguf":
        check_gguf()
    name = _tuned(project, name)
    training = _training(project, name)
    built = approach(project, name)
    origin = _origin(project, built, training)
    everything = read_records(project.workspace.records(name))
    records = chosen(everything, searches=origin.k > 0)
    longest = max((one.answer.prompt_tokens for one in everything), default=0) + built.max_tokens
    with writing(folder, ELSEWHERE) as aside:
        said = _write(project, built, origin, records, aside, form, numbers or "f16", longest)
        held = hold(records, said)
        insist(held, _way_out(form, numbers))
        shutil.copyfile(_adapter(project, origin) / LINEAGE, aside / LINEAGE)
        write_text(aside / CARD, card(origin, form, held))
        told = {"approach": name, "format": form, "adapter": origin.training["adapter"], **held.to_json()}
        files = sorted({*(path.name for path in aside.iterdir()), MARK})
        write_json(aside / MARK, {**told, "files": files})
    return {"folder": str(folder), **told}


def _write(
    project: Project,
    built: Approach,
    origin: Origin,
    records: Sequence[Record],
    folder: Path,
    form: Format,
    numbers: Numbers,
    longest: int,
) -> list[str]:
    """Writes the export's weights and what belongs to them, and asks it for each record's answer.

    longest: tokens of the longest prompt that was measured, with its answer.
    """
    backend: Any = project.backend
    adapter = _adapter(project, origin)
    if form == "adapter":
        write_adapter(adapter, folder, origin.hub_name)
        return _ask(backend.generator(folder), built, records)
    if form == "merged":
        write_merged(backend, adapter, folder)
        backend.let_go()
        table = project.config.model.model_copy(update={"name": str(folder)})
        return _ask(load_backend(table).generator(), built, records)
    merged = folder / "merged"
    folder.mkdir()
    write_merged(backend, adapter, merged)
    backend.let_go()
    project.progress.say("converting to GGUF")
    write_gguf(merged, folder / GGUF, numbers, f"{project.title} {origin.approach}")
    shutil.rmtree(merged)
    context = context_for(longest, backend.room)
    text = modelfile(origin.template, origin.limits, context, GGUF, passages=origin.k > 0)
    write_text(folder / MODELFILE, text)
    # llama.cpp puts the token that begins a text before it by itself.
    begins = backend.tokenizer.bos_token or ""
    texts = [backend.render(prompt).removeprefix(begins) for prompt in _prompts(built, records)]
    return complete(folder / GGUF, texts, built.limits, context, project.config.model.threads)


def _ask(generator: Generator, built: Approach, records: Sequence[Record]) -> list[str]:
    return [one.text for one in generator.generate(_prompts(built, records), built.limits)]


def _prompts(built: Approach, records: Sequence[Record]) -> list[Any]:
    """What the model was asked when the records were made: with the passages that were found then."""
    found = [None if built.retriever is None else one.answer.hits for one in records]
    return built.prompts([one.example.question for one in records], found)


def _check_folder(folder: Path, *, force: bool) -> None:
    if folder.resolve() == Path.cwd():
        raise UserError(f"{folder}: is the folder that you are in", ELSEWHERE)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file", ELSEWHERE)
    if not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise UserError(f"{folder}: holds files that are no export of Groundtune's", ELSEWHERE)
    if not force:
        raise UserError(f"{folder}: an export is there already", "--force writes over it")
    others = sorted({path.name for path in folder.iterdir()} - set(read_json(folder / MARK)["files"]))
    if others:
        raise UserError(f"{folder}: holds files besides the export ({', '.join(others)})", f"move them, or {ELSEWHERE}")


def _tuned(project: Project, name: str | None) -> str:
    """The name of the approach to export. Raises UserError where it has no adapter."""
    tuned = list(rows(project, "tuned"))
    name = named_or_recommended(project, name, tuned)
    if name not in tuned:
        hint = f"name a tuned one: --approach {tuned[-1]}" if tuned else untunable(project)
        raise UserError(
            f"{name} has no adapter: it is the base model with a prompt, so there is nothing to export", hint
        )
    return name


def _adapter(project: Project, origin: Origin) -> Path:
    return project.workspace.adapter(origin.training["adapter"])


def _training(project: Project, name: str) -> Json:
    """What the tune stage says of an approach's adapter. Raises UserError where it is not measured as it is by now.

    Documents may have changed since: who retrieves from them is not exported.
    """
    workspace = project.workspace
    measured = workspace.last(measure_mark(name))
    verdict = read_json(workspace.verdict) if workspace.verdict.exists() else {"approaches": {}}
    if not measured or name not in verdict["approaches"]:
        raise UserError(f"{name} is not measured yet", 'run "groundtune run" first')
    if measured.get("of") != digest(made_for(project, name)):
        raise UserError(f"{name} was tuned anew since it was measured", 'run "groundtune run" first')
    for key, now in how_asked(project, name).items():
        if now != (then := measured["asked"][key]):
            hint = f'set it back, or run "groundtune run" first: {key} was {then}'
            raise UserError(f"{name} was measured with another {key} than {now}", hint)
    if not still_holds(project, verdict):
        raise UserError("the verdict is older than what was measured last", 'run "groundtune run" first')
    return adapter_of(workspace.last("tune"), project.config.approaches[name].reads)


def _origin(project: Project, built: Approach, training: Json) -> Origin:
    """All that the card tells."""
    workspace, config = project.workspace, project.config
    verdict = read_json(workspace.verdict)
    backend: Any = project.backend
    with backend.using(workspace.adapter(training["adapter"])) as model:
        dtype = str(model.dtype).removeprefix("torch.")
        ends = model.generation_config.eos_token_id
    return Origin(
        project=project.title,
        approach=built.name,
        model=config.model.name,
        verdict=verdict,
        train=workspace.last("split")["train"],
        training=training,
        forgetting=next((one for one in verdict["forgetting"] if one["adapter"] == training["adapter"]), None),
        lineage=read_jsonl(workspace.adapter(training["adapter"]) / LINEAGE),
        template=built.template,
        limits=built.limits,
        k=built.k if built.retriever is not None else 0,
        choices=built.choices,
        abstain_below=config.prompt.abstain_below,
        dtype=dtype,
        bits=config.model.bits,
        ends=ends,
        version=groundtune.__version__,
    )


def _way_out(form: Format, numbers: Numbers | None) -> str:
    if form == "gguf":
        return "export it merged: --format merged" if numbers == "f32" else "try --type f32, or --format merged"
    return 'measure it anew: "groundtune run"'
