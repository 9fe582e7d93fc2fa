"""The documentation tells what there is: every key, every verb, and no link or path that leads nowhere."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from groundtune import cli, plug
from groundtune.config import Config, OpenTable, parse
from groundtune.prompts import candidates

ROOT = Path(__file__).resolve().parents[1]
CODE = ROOT / "src" / "groundtune"
DATA = CODE / "demo"  # its Markdown is an invented firm's, not ours, here and where `make demo` puts it
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and not path.is_relative_to(DATA)
    and not path.is_relative_to(ROOT / "groundtune-demo")
)
NOT_SET = "-"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def tokens(page: Path) -> Iterator[Token]:
    """Everything in a page, what stands within lines included."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def sections(page: Path) -> dict[str, str]:
    """A page's parts by their heading of the second level."""
    parts = re.split(r"^## (.+)\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading.strip("`"): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def anchors(page: Path) -> set[str]:
    """The names that a page's headings can be linked by (as GitHub makes them)."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def fences(page: Path, language: str) -> list[str]:
    return [token.content for token in tokens(page) if token.type == "fence" and token.info == language]


# ---------------------------------------------------------------- the config


def tables() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every table of the config: its heading, the line before its keys ("" for none), its keys with their defaults."""
    for name, field in Config.model_fields.items():
        inner = [kind for kind in get_args(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        model = inner[0] if inner else field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        heading = {"sources": "[[sources]]", "approaches": "[approaches.NAME]"}.get(name, f"[{name}]")
        yield heading, "", defaults(model)
        if issubclass(model, OpenTable):
            for kind in plug.kinds(name):
                factory = importlib.import_module(f"groundtune.{name}.{kind}").create
                if options := defaults(plug.options_of(factory)):
                    yield heading, f'With `kind = "{kind}"`:', options


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    return {
        name: PydanticUndefined if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
    }


def written_rows(heading: str, lead: str) -> dict[str, str]:
    """The keys of one table in docs/config.md and their defaults, as they stand there."""
    section = sections(ROOT / "docs" / "config.md")[heading]
    table = section[section.index(lead) :]
    first = re.search(r"(?:^\|.*\n)+", table, flags=re.MULTILINE)
    assert first is not None
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in first[0].splitlines()[2:]]
    return {row[0].strip("`"): row[1].strip("`") for row in rows}


def toml(value: Any) -> Any:
    """A default as the file would hold it."""
    match value:
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


@pytest.mark.parametrize(("heading", "lead", "keys"), list(tables()))
def test_every_key_of_the_config_is_told_with_its_default(heading: str, lead: str, keys: dict[str, Any]) -> None:
    written = written_rows(heading, lead)
    assert list(written) == list(keys)
    for name, default in keys.items():
        if default is PydanticUndefined:
            assert written[name] == "required"
        elif default is None:
            assert written[name] == NOT_SET
        else:
            assert tomllib.loads(f"value = {written[name]}")["value"] == toml(default), name


def test_no_table_is_told_that_is_not_there() -> None:
    told = {heading for heading in sections(ROOT / "docs" / "config.md") if heading.startswith("[")}
    assert told == {heading for heading, _, _ in tables()}


def test_every_prompt_is_told() -> None:
    written = sections(ROOT / "docs" / "config.md")["[prompt]"]
    assert [template.name for template in candidates("qa", ()) if f"`{template.name}`" not in written] == []


@every_page
def test_a_config_in_the_documentation_is_valid(page: Path) -> None:
    for text in fences(page, "toml"):
        parse(tomllib.loads(text), page)


# ---------------------------------------------------------------- the command line


def commands() -> dict[str, list[Any]]:
    """Every verb with its parameters."""
    group: Any = typer.main.get_command(cli.app)
    return {name: command.params for name, command in group.commands.items()}


def test_every_verb_and_option_is_told_and_none_that_is_not_there() -> None:
    written = sections(ROOT / "docs" / "cli.md")
    for verb, parameters in commands().items():
        (usage,) = re.findall(r"```\n(groundtune .+)\n```", written[verb])
        assert usage.startswith(f"groundtune {verb}"), verb
        options = {max(one.opts, key=len) for one in parameters if one.opts[0].startswith("-")}
        assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", usage)) == options, verb


@every_page
def test_a_command_in_the_documentation_can_be_run(page: Path) -> None:
    known = commands()
    code = [token.content for token in tokens(page) if token.type in ("fence", "code_inline")]
    for verb, rest in re.findall(r"^(?:\S*/)?groundtune ([a-z]+)\b([^\n#]*)", "\n".join(code), flags=re.MULTILINE):
        assert verb in known, verb
        options = {"--help", *(name for one in known[verb] for name in one.opts)}
        given = re.findall(r"(?<![\w-])--?[a-z][\w-]*", re.sub(r'"[^"]*"', "", rest))
        assert set(given) <= options, f"groundtune {verb}{rest}"


def test_every_exit_code_is_told() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE) == ["0", "1", "2", str(cli.INTERRUPTED)]


# ---------------------------------------------------------------- links and paths


@every_page
def test_a_link_leads_somewhere(page: Path) -> None:
    targets = [str(token.attrs[name]) for token in tokens(page) for name in ("href", "src") if name in token.attrs]
    for target in targets:
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@every_page
def test_a_path_of_the_code_is_there(page: Path) -> None:
    spans = [token.content for token in tokens(page) if token.type == "code_inline"]
    paths = [span for span in spans if re.fullmatch(r"(src|tests|docs|benchmarks)/[\w./-]*|[\w/]+\.py", span)]
    for path in paths:
        if not re.search(r"\b[A-Z]{3,}\b", path) or path == "benchmarks/LOG.md":  # NAME stands for any
            assert any((folder / path).exists() for folder in (ROOT, CODE, ROOT / "tests")), path


@every_page
def test_a_module_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"\b(?:groundtune|benchmarks)(?:\.\w+)+", text):
        if name not in ("groundtune.toml", "groundtune.json", "benchmarks.NAME"):
            assert (ROOT / "src" / name.replace(".", "/")).is_dir() or importlib.util.find_spec(name), name
    for module, names in re.findall(r"^from (groundtune[\w.]*) import (.+)$", text, flags=re.MULTILINE):
        assert all(hasattr(importlib.import_module(module), name.strip()) for name in names.split(",")), module


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_tree_shows_the_folders_that_there_are(page: str) -> None:
    (tree,) = (text for text in fences(ROOT / page, "") if text.startswith("src/groundtune/\n"))
    shown = {match[1] for line in tree.splitlines() if (match := re.match(r"[\d ]*([\w.]+(?:/|\.py))", line))}
    assert [name for name in shown if not (CODE / name).exists() and not (ROOT / name).exists()] == []
    there = {f"{folder.parent.name}/" for folder in CODE.glob("*/__init__.py")}
    there |= {file.name for file in CODE.glob("*.py")} - {"__init__.py"}
    assert there <= shown


@pytest.mark.parametrize("file", sorted(CODE.rglob("*.py")), ids=lambda file: str(file.relative_to(CODE)))
def test_a_page_that_the_code_names_is_there(file: Path) -> None:
    named = re.findall(r"\b(?:docs|benchmarks)/[\w/-]+\.md", file.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


# ---------------------------------------------------------------- the demo


def test_the_demo_is_counted_rightly() -> None:
    text = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
    told = {name: int(count) for name, count in re.findall(r"^\| `([\w./-]+)` \| (\d+) \|", text, flags=re.MULTILINE)}
    lines = {name: (DATA / name) for name in told if name.endswith(".jsonl")}
    lines["changes/2026-09-14/"] = DATA / "changes" / "2026-09-14" / "questions.jsonl"
    counted = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in lines.items()}
    counted["handbook/"] = sum(path.is_file() for path in (DATA / "handbook").rglob("*"))
    assert told == counted
