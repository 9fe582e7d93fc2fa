"""`groundtune init` looks, says what it found, and writes a config that fits."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from groundtune import parse, plug
from groundtune.config import Config, load
from groundtune.errors import UserError
from groundtune.examples.read import read_examples
from groundtune.start import _ignored, _quoted, write_config
from groundtune.types import NoProgress

ROWS = [{"question": f"What is {n} and {n * 3}?", "answers": [f"answer {n}"]} for n in range(12)]


def examples(path: Path, rows: list[dict[str, object]] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows or ROWS))
    return path


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "red.md").write_text("# Red\n\nThe red lamp costs seven coins.\n")
    (path / "office.md").write_text("---\nreaders: [office]\n---\n# Office\n\nIt costs us two.\n")
    (path / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    return path


def init(
    docs: Path | None, file: Path | None, config: Path, *, force: bool = False, columns: dict[str, str] | None = None
) -> list[str]:
    return write_config(docs, file, config, columns=columns or {}, force=force, progress=NoProgress())


def documents(config: Config) -> list[str]:
    [table] = config.sources
    source = plug.make("sources", table.kind, table.options, parse, where="[[sources]]")
    return [document.id for document in source.documents({}, lambda item: None)]


def test_what_was_found_is_said_and_the_config_is_one(tmp_path: Path) -> None:
    said = "\n".join(
        init(folder(tmp_path / "docs"), examples(tmp_path / "questions.jsonl"), tmp_path / "groundtune.toml")
    )

    assert "12 examples" in said
    assert "task: qa" in said
    assert "2 documents (2 .md)" in said
    assert "1 of them name who may read them" in said
    assert "left out: broken.pdf: " in said
    assert said.endswith("next: groundtune run")
    config = load(tmp_path / "groundtune.toml")
    assert config.examples.path == tmp_path / "questions.jsonl"
    assert (config.examples.task, config.question) == ("qa", "knowledge")
    assert documents(config) == ["office.md", "red.md"]


def test_paths_are_relative_so_that_the_project_can_be_moved(tmp_path: Path) -> None:
    project = tmp_path / "a"
    init(folder(project / "docs"), examples(project / "questions.jsonl"), project / "groundtune.toml")
    project.rename(tmp_path / "b")

    assert documents(load(tmp_path / "b" / "groundtune.toml")) == ["office.md", "red.md"]
    assert str(tmp_path) not in (tmp_path / "b" / "groundtune.toml").read_text()


@pytest.mark.parametrize("name", ["questions.jsonl", "sub/my [1] #q!.jsonl", 'a "quoted"\\ name.jsonl', "#q.jsonl"])
def test_examples_that_lie_among_the_documents_are_none(tmp_path: Path, name: str) -> None:
    docs = folder(tmp_path / "docs")
    (docs / "other.jsonl").write_text('{"text": "a document of its own"}\n')
    file = examples(docs / name)

    said = "\n".join(init(docs, file, tmp_path / "groundtune.toml"))

    config = load(tmp_path / "groundtune.toml")
    assert config.examples.path == file
    assert not [id for id in documents(config) if id.split("#")[0].startswith(name[:8])]
    assert [id for id in documents(config) if id.startswith("other.jsonl")]
    assert "3 documents" in said


@given(name=st.text(r"ab[]*?!#\\ -^", min_size=1).filter(lambda name: name.strip(".")))
def test_a_file_of_any_name_is_ignored_and_no_other(name: str) -> None:
    (pattern,) = _ignored(Path("docs"), Path("docs") / name)
    spec = GitIgnoreSpec.from_lines([pattern])
    assert spec.match_file(name)
    assert not any(spec.match_file(other) for other in (f"{name}x", f"x{name}", f"sub/{name}", "c"))


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_stands_in_the_config_as_it_is(text: str) -> None:
    assert tomllib.loads(f"value = {_quoted(text)}") == {"value": text}


def test_a_folder_that_holds_the_examples_alone_is_refused(tmp_path: Path) -> None:
    file = examples(tmp_path / "docs" / "questions.jsonl")
    (tmp_path / "docs" / "a.xyz").touch()

    with pytest.raises(UserError, match=r"no readable document in .*docs; 1 left out, the first: a\.xyz: unknown"):
        init(tmp_path / "docs", file, tmp_path / "groundtune.toml")
    assert not (tmp_path / "groundtune.toml").exists()


def test_documents_and_examples_are_not_the_same_folder(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs")

    with pytest.raises(UserError, match="is both --docs and --examples"):
        init(docs, docs, tmp_path / "groundtune.toml")


# ---------------------------------------------------------------- names of their own


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ('Frage;"Die ""Antwort"""', {"question": "Frage", "answers": 'Die "Antwort"'}),
        ("0;null", {"question": "1", "answers": "2"}),  # no header: a row like any other
    ],
)
def test_a_table_with_names_of_its_own_is_read_by_the_config_that_is_written(
    tmp_path: Path, header: str, columns: dict[str, str]
) -> None:
    file = tmp_path / "fragen.csv"
    file.write_text("\n".join([header, *(f"Was ist {n}?;Antwort {n}" for n in range(12))]))
    with pytest.raises(UserError, match='no columns "question" and "answers"'):
        init(None, file, tmp_path / "groundtune.toml")

    init(None, file, tmp_path / "groundtune.toml", columns=columns)

    table = load(tmp_path / "groundtune.toml").examples
    assert table.columns == columns
    assert table.path is not None
    read = read_examples(table.path, task=table.task, columns=table.columns).examples
    assert [one.question for one in read][-1] == "Was ist 11?"


def test_names_for_a_folder_of_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        init(None, folder(tmp_path / "docs"), tmp_path / "groundtune.toml", columns={"question": "q"})


def test_without_documents_the_question_is_skill(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"message {n}", "label": "ab"[n % 2]} for n in range(12)]
    said = init(None, examples(tmp_path / "messages.jsonl", rows), tmp_path / "groundtune.toml")

    config = load(tmp_path / "groundtune.toml")
    assert "task: labels" in said
    assert (config.examples.task, config.question, config.sources) == ("labels", "skill", ())


def test_a_config_under_another_name_is_named_in_the_next_command(tmp_path: Path) -> None:
    said = init(None, examples(tmp_path / "questions.jsonl"), tmp_path / "other.toml")

    assert said[-1] == f"wrote {tmp_path / 'other.toml'}; next: groundtune run -c {tmp_path / 'other.toml'}"


def test_a_config_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    config = tmp_path / "groundtune.toml"
    config.write_text("[tune]\nminutes = 3\n")

    with pytest.raises(UserError, match="is there already") as caught:
        init(None, examples(tmp_path / "questions.jsonl"), config)
    assert "--force" in caught.value.hint
    assert config.read_text() == "[tune]\nminutes = 3\n"

    init(None, tmp_path / "questions.jsonl", config, force=True)
    assert "[examples]" in config.read_text()


@pytest.mark.parametrize("content", [{}, {"logo.png": b"\x89PNG"}])
def test_a_folder_without_documents_is_refused_and_nothing_written(tmp_path: Path, content: dict[str, bytes]) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, data in content.items():
        (docs / name).write_bytes(data)

    with pytest.raises(UserError, match=r"docs: no document could be read|docs"):
        init(docs, examples(tmp_path / "questions.jsonl"), tmp_path / "groundtune.toml")
    assert not (tmp_path / "groundtune.toml").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    file = examples(tmp_path / "questions.jsonl")

    with pytest.raises(UserError, match="--examples is missing"):
        init(folder(tmp_path / "docs"), None, tmp_path / "groundtune.toml")
    with pytest.raises(UserError, match="nowhere"):
        init(tmp_path / "nowhere", file, tmp_path / "groundtune.toml")
    with pytest.raises(UserError, match=r"other\.jsonl"):
        init(None, tmp_path / "other.jsonl", tmp_path / "groundtune.toml")


@pytest.mark.parametrize(("n", "minutes"), [(12, 5), (600, 10), (6000, 30)])
def test_the_first_budget_grows_with_the_examples_within_bounds(tmp_path: Path, n: int, minutes: int) -> None:
    rows: list[dict[str, object]] = [{"question": f"What is {k}?", "answers": [str(k)]} for k in range(n)]
    init(None, examples(tmp_path / "questions.jsonl", rows), tmp_path / "groundtune.toml")

    assert load(tmp_path / "groundtune.toml").tune.minutes == minutes
