"""The command line: verbs, and nothing but them. Exit codes: 0 done, 1 the work failed, 2 the input is wrong."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import groundtune
from groundtune.errors import UserError, WorkFailed
from groundtune.export import Format, Numbers
from groundtune.progress import TerminalProgress, printable

if TYPE_CHECKING:
    from groundtune.project import Project
    from groundtune.types import Reader

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
ReaderOption = Annotated[
    list[str] | None, typer.Option("--reader", metavar="GROUP", help="Read as a member of this group; once for each.")
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="Of what was known at that time: 2026-11-22T14:30.")
]
SeedsOption = Annotated[
    int | None,
    typer.Option("--seeds", metavar="N", min=1, max=20, help="Train so many adapters, instead of [tune] seeds."),
]
CONFIG = Path("groundtune.toml")
SYNC_PATIENCE = 60.0  # seconds that a sync waits for another one to end


def _version(wanted: bool) -> None:
    if wanted:
        _print(f"groundtune {groundtune.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version, and no more.")
    ] = False,
) -> None:
    """What may stand before a verb."""


@app.command()
def init(
    docs: Annotated[Path | None, typer.Option(help="The folder of your documents.")] = None,
    examples: Annotated[Path | None, typer.Option(help="The file of your examples.")] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="OURS=THEIRS", help="What our name is in that file; once for each.")
    ] = None,
    config: ConfigOption = CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Look at documents and examples, say what they are, and write groundtune.toml."""
    from groundtune.start import write_config

    pairs = _pairs("--columns", columns or [])
    with TerminalProgress() as progress:
        found = write_config(docs, examples, config, columns=pairs, force=force, progress=progress)
    for line in found:
        _print(printable(line))


@app.command()
def doctor(config: ConfigOption = CONFIG) -> None:
    """Check the machine, the packages, the weights and, where there is one, the project's file."""
    from groundtune.doctor import check_up

    healthy = True
    for check in check_up(config):
        healthy &= check.fine
        _print(printable(f"{'ok  ' if check.fine else 'bad '} {check.what}: {check.found}"))
    raise typer.Exit(0 if healthy else 2)


@app.command()
def plan(config: ConfigOption = CONFIG, seeds: SeedsOption = None, as_json: JsonOption = False) -> None:
    """Say what a run would do and what it could show, before anything is trained."""
    from groundtune import stages

    with _at_work(config, seeds=seeds) as project:
        facts = stages.prepare(project)
        training = stages.tune_stage(project, plan_only=True)
        difference = stages.visible_difference(project)
        kept_out = stages.kept_out(project)
    if as_json:
        counts = {"train": facts["train"], "test": facts["test"]}
        _print(json.dumps({**counts, "training": training, "visible": difference, "kept_out": kept_out}))
        return
    _print(f"question: {project.config.question}; {facts['train']} examples to train on, {facts['test']} held out")
    _print(f"differences under about {difference:.2f} will mostly not be told apart with so many")


@app.command()
def sync(
    config: ConfigOption = CONFIG,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build the index anew from nothing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing: hold the index against the sources, passage by passage.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the index in step with the sources."""
    from groundtune import stages

    if verify and rebuild:
        raise UserError("--verify and --rebuild exclude each other", "--verify changes nothing")
    if verify:
        _verify(config, as_json=as_json)
        return
    with _at_work(config, patience=SYNC_PATIENCE) as project:
        summary = stages.sync_stage(project, rebuild=rebuild)
    if as_json:
        _print(json.dumps(summary.to_json(), ensure_ascii=False))
    stages.insist(summary)


def _verify(config: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from groundtune import stages

    with _at_work(config, patience=SYNC_PATIENCE) as project:
        differences = stages.differences(project)
        documents, passages = project.index.counts()
    if as_json:
        _print(json.dumps([asdict(one) for one in differences], ensure_ascii=False))
    else:
        for one in differences:
            _print(printable(f"{one.document or 'the index'}: {one.what}"))
        _print(f"{documents:,} documents, {passages:,} passages: {len(differences):,} differences")
        if differences:
            _print('"groundtune sync" brings in what has changed since; what remains is mended by --rebuild')
    raise typer.Exit(1 if differences else 0)


@app.command()
def watch(config: ConfigOption = CONFIG) -> None:
    """Keep the index in step while it runs: as files change, and by the clock for databases and the web."""
    from groundtune.watching import interrupts
    from groundtune.watching import watch as keep_watching

    with TerminalProgress() as progress, interrupts() as interrupted:
        keep_watching(_project(config, progress), interrupted)


@app.command()
def search(
    query: str,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many passages.")] = 5,
    reader: ReaderOption = None,
    as_of: AsOfOption = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Find passages, with the document, offsets, version and score of each."""
    from groundtune.searching import search as find

    found = find(_project(config, TerminalProgress()), query, k, _reader(reader), as_of)
    _print(json.dumps(found.to_json(), ensure_ascii=False) if as_json else found.to_text())


@app.command()
def tune(config: ConfigOption = CONFIG, seeds: SeedsOption = None, as_json: JsonOption = False) -> None:
    """Train the adapters: one, or several by [tune] recipe and seeds."""
    from groundtune import stages

    with _at_work(config, seeds=seeds) as project:
        stages.prepare(project)
        trained = stages.tune_stage(project)
    if as_json:
        _print(json.dumps(trained))


@app.command()
def measure(config: ConfigOption = CONFIG, seeds: SeedsOption = None) -> None:
    """Ask every approach every held-out question."""
    from groundtune import stages

    with _at_work(config, seeds=seeds) as project:
        stages.prepare(project)
        stages.measure_stage(project)


@app.command()
def report(config: ConfigOption = CONFIG, seeds: SeedsOption = None, as_json: JsonOption = False) -> None:
    """Decide anew over what was measured, and write the report."""
    from groundtune import stages

    with _at_work(config, seeds=seeds) as project:
        stages.split_stage(project)
        verdict = stages.decide_stage(project)
        stages.report_stage(project)
    _show(project, verdict, as_json=as_json)


@app.command()
def run(config: ConfigOption = CONFIG, seeds: SeedsOption = None, as_json: JsonOption = False) -> None:
    """Do it all: index, tune, measure, decide, report. Running it again does only what is left to do."""
    from groundtune import stages

    with _at_work(config, seeds=seeds) as project:
        verdict = stages.run(project)
    _show(project, verdict, as_json=as_json)


@app.command()
def ask(
    question: str,
    approach: Annotated[str | None, typer.Option(help="base, rag, tuned, hybrid; else the recommended one.")] = None,
    reader: ReaderOption = None,
    as_of: AsOfOption = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Answer one question, with citations and what the answer took."""
    from groundtune.asking import ask as answer

    answered = answer(_project(config, TerminalProgress()), question, approach, _reader(reader), as_of)
    _print(json.dumps(answered.to_json(), ensure_ascii=False) if as_json else answered.to_text())


@app.command()
def export(
    folder: Path,
    approach: Annotated[str | None, typer.Option(help="A tuned one; else the recommended one.")] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="A PEFT adapter, a merged Hugging Face folder, or a GGUF with a Modelfile."),
    ] = "adapter",
    numbers: Annotated[
        Numbers | None, typer.Option("--type", help="The number format of a GGUF's weights; else f16.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an earlier export.")] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write a tuned model into a folder, with a card, after holding it to the answers that were measured."""
    from groundtune import stages

    with _at_work(config) as project:
        told = stages.export_stage(project, folder, approach, form, numbers, force=force)
    if as_json:
        _print(json.dumps(told, ensure_ascii=False))
        return
    _print(printable(f"{folder}: {told['approach']} as {told['format']}; {told['held']}"))
    for one in told["differences"]:
        _print(printable(f"  {one['question']!r}: {one['exported']!r} in place of {one['measured']!r}"))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where to put the demo.")] = Path("groundtune-demo"),
    seeds: SeedsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole line on the handbook of an invented firm, in 12 minutes or less."""
    from groundtune import stages
    from groundtune.demo import unpack

    config = unpack(folder)
    with _at_work(config, seeds=seeds) as project:
        project.progress.say(f"the demo's documents, questions and groundtune.toml are in {folder}")
        verdict = stages.run(project)
    _show(project, verdict, as_json=as_json)
    if not as_json:
        name = "" if verdict["recommended"] else f" --approach {verdict['leader'] or 'rag'}"
        _print(printable(f'\nAsk it something: groundtune ask -c {config}{name} "How long can I send a cabinet back?"'))
        _print("With your own files: groundtune init --docs DIR --examples FILE, then groundtune run")


@contextmanager
def _at_work(path: Path, patience: float = 0, seeds: int | None = None) -> Iterator[Project]:
    """The project of a verb that writes: no second one works on it meanwhile. seeds: in place of [tune] seeds.

    Raises WorkFailed where one does, for longer than `patience` in seconds.
    """
    with TerminalProgress() as progress:
        project = _project(path, progress, seeds)
        with project.workspace.alone(patience, progress.say):
            yield project


def _project(path: Path, progress: TerminalProgress, seeds: int | None = None) -> Project:
    from groundtune.config import load
    from groundtune.project import Project

    config, text = load(path), path.read_text(encoding="utf-8")
    if seeds is not None:
        config = config.model_copy(update={"tune": config.tune.model_copy(update={"seeds": seeds})})
        text = f"# --seeds {seeds} took the place of [tune] seeds\n{text}"
    return Project(config, progress, text)


def _reader(groups: list[str] | None) -> Reader:
    from groundtune.types import Reader

    return Reader(frozenset(groups or []))


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """What was given as "ours=theirs"."""
    pairs = {}
    for one in given:
        ours, _, theirs = one.partition("=")
        if not ours or not theirs:
            raise UserError(f"{option} {one!r} is not of the form OURS=THEIRS", f"as in {option} question=Frage")
        pairs[ours] = theirs
    return pairs


def _show(project: Project, verdict: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        _print(json.dumps(verdict, ensure_ascii=False))
        return
    from groundtune.report.terminal import terminal

    for line in terminal(verdict):
        _print(printable(line))
    _print(printable(f"report: {project.workspace.report('html')}"))


def _print(text: str) -> None:
    """Writes to standard output at once. A reader who has gone (`| head -1`) ends the verb without a word."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(WorkFailed.exit_code) from error
        raise WorkFailed(f"standard output: {error.strerror}") from error


def _misused(error: Any) -> str:
    """What is wrong with the words of a command, and where its right ones are told; without any, the help itself."""
    message: str = error.format_message().removesuffix(".").replace("Value error, ", "")
    if message.startswith("Usage:"):
        return message
    context = getattr(error, "ctx", None)
    verb = f"{context.info_name} " if context and context.parent else ""
    return f"groundtune: {message}; see groundtune {verb}--help"


def main() -> None:
    """Runs the command line; every foreseen error is one message and an exit code, never a traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' notes to programmers are not for users
    try:
        code = app(standalone_mode=False) or 0
    except UserError as error:
        print(printable(f"groundtune: {error.message}"), file=sys.stderr)
        if error.hint:
            print(printable(f"  {error.hint}"), file=sys.stderr)
        code = error.exit_code
    except typer.TyperException as error:  # a wrong option or verb
        print(printable(_misused(error)), file=sys.stderr)
        code = UserError.exit_code
    if code == INTERRUPTED:
        print("groundtune: interrupted; run the same command again and it goes on where it stopped", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
