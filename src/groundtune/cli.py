"""The command line: verbs, and nothing but them. Exit codes: 0 done, 1 the work failed, 2 the input is wrong."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundtune.errors import UserError
from groundtune.progress import TerminalProgress

if TYPE_CHECKING:
    from groundtune.project import Project

INTERRUPTED = 130

app = typer.Typer(
    name="groundtune",
    help="Ground it, tune it, or both: measured. Builds base, RAG, fine-tuned and hybrid versions of one model, "
    "measures them on the same held-out questions and says which to ship.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The project's file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
CONFIG = Path("groundtune.toml")


@app.command()
def init(
    docs: Annotated[Path | None, typer.Option(help="The folder of your documents.")] = None,
    examples: Annotated[Path | None, typer.Option(help="The file of your examples.")] = None,
    config: ConfigOption = CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Look at documents and examples, say what they are, and write groundtune.toml."""
    from groundtune.start import write_config

    for line in write_config(docs, examples, config, force=force, progress=TerminalProgress()):
        print(line)


@app.command()
def doctor(config: ConfigOption = CONFIG) -> None:
    """Check the machine, the packages, the weights and, where there is one, the project's file."""
    from groundtune.doctor import check_up

    healthy = True
    for check in check_up(config):
        healthy &= check.fine
        print(f"{'ok  ' if check.fine else 'bad '} {check.what}: {check.found}")
    raise typer.Exit(0 if healthy else 2)


@app.command()
def plan(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Say what a run would do and what it could show, before anything is trained."""
    from groundtune import stages

    project = _project(config)
    facts = stages.split_stage(project)
    stages.sync_stage(project)
    training = stages.tune_stage(project, plan_only=True)
    difference = stages.visible_difference(project)
    if as_json:
        print(json.dumps({"train": facts["train"], "test": facts["test"], "training": training, "visible": difference}))
        return
    print(f"question: {project.config.question}; {facts['train']} examples to train on, {facts['test']} held out")
    print(f"differences under about {difference:.2f} will mostly not be told apart with so many")


@app.command()
def sync(
    config: ConfigOption = CONFIG,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build the index anew from nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the index in step with the sources."""
    from dataclasses import asdict

    from groundtune import stages

    project = _project(config)
    if rebuild:
        project.workspace.remove_index()
    summary = stages.sync_stage(project)
    if as_json:
        print(json.dumps(asdict(summary)))


@app.command()
def tune(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Train the adapter."""
    from groundtune import stages

    project = _project(config)
    stages.split_stage(project)
    stages.sync_stage(project)
    trained = stages.tune_stage(project)
    if as_json:
        print(json.dumps(trained))


@app.command()
def measure(config: ConfigOption = CONFIG) -> None:
    """Ask every approach every held-out question."""
    from groundtune import stages

    project = _project(config)
    stages.split_stage(project)
    stages.sync_stage(project)
    stages.measure_stage(project)


@app.command()
def report(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Decide anew over what was measured, and write the report."""
    from groundtune import stages

    project = _project(config)
    stages.split_stage(project)
    verdict = stages.decide_stage(project)
    stages.report_stage(project)
    _show(project, verdict, as_json=as_json)


@app.command()
def run(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Do it all: index, tune, measure, decide, report. Running it again does only what is left to do."""
    from groundtune import stages

    project = _project(config)
    verdict = stages.run(project)
    _show(project, verdict, as_json=as_json)


@app.command()
def ask(
    question: str,
    approach: Annotated[str | None, typer.Option(help="base, rag, tuned, hybrid; else the recommended one.")] = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Answer one question, with citations and what the answer took."""
    from groundtune.asking import ask as answer

    answered = answer(_project(config), question, approach)
    print(json.dumps(answered.to_json(), ensure_ascii=False) if as_json else answered.to_text())


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where to put the demo.")] = Path("groundtune-demo"),
    as_json: JsonOption = False,
) -> None:
    """Run the whole line on the handbook of an invented firm, in 12 minutes or less."""
    from groundtune import stages
    from groundtune.demo import unpack

    config = unpack(folder)
    progress = TerminalProgress()
    progress.say(f"the demo's documents, questions and groundtune.toml are in {folder}")
    project = _project(config)
    verdict = stages.run(project)
    _show(project, verdict, as_json=as_json)
    if not as_json:
        print(f'\nAsk it something: groundtune ask -c {config} "How long can I send a cabinet back?"')
        print("With your own files: groundtune init --docs DIR --examples FILE, then groundtune run")


def _project(path: Path) -> Project:
    from groundtune.config import load
    from groundtune.project import Project

    return Project(load(path), TerminalProgress(), path.read_text(encoding="utf-8"))


def _show(project: Project, verdict: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(verdict, ensure_ascii=False))
        return
    from groundtune.report.terminal import terminal

    for line in terminal(verdict):
        print(line)
    print(f"report: {project.workspace.report('html')}")


def main() -> None:
    """Runs the command line; every foreseen error is one message and an exit code, never a traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' notes to programmers are not for users
    try:
        code = app(standalone_mode=False) or 0
    except UserError as error:
        print(f"groundtune: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        code = error.exit_code
    except typer.TyperException as error:  # a wrong option or verb
        print(f"groundtune: {error}; see groundtune --help", file=sys.stderr)
        code = UserError.exit_code
    if code == INTERRUPTED:
        print("groundtune: interrupted; run the same command again and it goes on where it stopped", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
