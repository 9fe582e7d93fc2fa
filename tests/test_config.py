"""The config: a wrong key or value is named with its table, and every path starts from the file's folder."""

from pathlib import Path
from typing import Any

import pytest

from groundtune.config import FOUR_APPROACHES, Config, load, parse
from groundtune.errors import UserError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the config lies; it is written by each test."""
    return tmp_path / "project" / "groundtune.toml"


def loaded(file: Path, text: str) -> Config:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_an_empty_file_is_a_whole_config(file: Path) -> None:
    config = loaded(file, "")
    assert config.workspace.path == file.parent / ".groundtune"
    assert config.approaches == FOUR_APPROACHES
    assert {name: (a.generator, a.retriever) for name, a in FOUR_APPROACHES.items()} == {
        "base": ("base", False),
        "rag": ("base", True),
        "tuned": ("tuned", False),
        "hybrid": ("tuned", True),
    }
    assert config.question == "skill"


def test_the_question_is_knowledge_where_documents_are_given_unless_the_file_says_otherwise(file: Path) -> None:
    assert loaded(file, '[[sources]]\nkind = "folder"').question == "knowledge"
    assert loaded(file, '[[sources]]\nkind = "folder"\n[examples]\nquestion = "skill"').question == "skill"


def test_relative_paths_start_from_the_files_folder(file: Path) -> None:
    config = loaded(
        file,
        """
        workspace.path = "work"
        examples.path = "../questions.jsonl"
        model.name = "./weights"
        embedder.name = "../embedder"
        [[sources]]
        kind = "folder"
        path = "docs"
        """,
    )
    home = file.parent
    assert config.workspace.path == home / "work"
    assert config.examples.path == home / "../questions.jsonl"
    assert config.model.name == str(home / "weights")
    assert config.embedder.name == str(home / "../embedder")
    assert config.sources[0].options == {"path": str(home / "docs")}


def test_a_tilde_is_the_users_home_in_every_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    config = loaded(
        file,
        """
        workspace.path = "~/work"
        examples.path = "~/questions.jsonl"
        model.name = "~/weights"
        embedder.name = "~/embedder"
        [[sources]]
        kind = "folder"
        path = "~/docs"
        """,
    )
    assert config.workspace.path == Path("/home/ann/work")
    assert config.examples.path == Path("/home/ann/questions.jsonl")
    assert config.model.name == "/home/ann/weights"
    assert config.embedder.name == "/home/ann/embedder"
    assert config.sources[0].options == {"path": "/home/ann/docs"}


def test_absolute_paths_and_names_that_are_no_paths_stay_as_they_are(file: Path) -> None:
    config = loaded(file, 'examples.path = "/data/q.jsonl"\nmodel.name = "hf:org/name"\nworkspace.path = "/work"')
    assert config.examples.path == Path("/data/q.jsonl")
    assert config.model.name == "hf:org/name"
    assert config.workspace.path == Path("/work")
    assert config.embedder.name == "all-minilm-l6-v2"


def test_what_a_kind_decides_is_handed_on(file: Path) -> None:
    config = loaded(
        file, 'retrieve = {kind = "dense", k = 5, min_similarity = 0.5}\n[[sources]]\nkind = "own.part:make"'
    )
    assert (config.retrieve.kind, config.retrieve.k, config.retrieve.options) == ("dense", 5, {"min_similarity": 0.5})
    assert (config.sources[0].kind, config.sources[0].options) == ("own.part:make", {})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"tuen": {}}, "[tuen] is unknown; did you mean 'tune'? One of: workspace, sources, "),
        ({"zzz": 1}, "[zzz] is unknown; one of: workspace, sources, "),
        ({"tune": {"epoch": 2}}, "[tune] epoch is unknown; did you mean 'epochs'? One of: recipe, seeds, minutes, "),
        ({"tune": {"zzz": 2}}, "[tune] zzz is unknown; one of: recipe, seeds, minutes, "),
        ({"approaches": {"a": {"generator": "base", "retriver": True}}}, "[approaches.a] retriver is unknown; did you"),
        ({"tune": {"epochs": "two"}}, '[tune] epochs = "two": a number was expected'),
        ({"tune": {"epochs": float("inf")}}, "[tune] epochs = Infinity: input should be less than or equal to 1000"),
        ({"tune": {"rank": 1.5}}, "[tune] rank = 1.5: a whole number was expected"),
        ({"tune": {"minutes": 0}}, "[tune] minutes = 0: input should be greater than 0"),
        ({"retrieve": {"k": 50}}, "[retrieve] k = 50: input should be less than or equal to 20"),
        (
            {"examples": {"task": "quiz"}},
            "[examples] task = \"quiz\": input should be 'qa', 'labels', 'text' or 'auto'",
        ),
        ({"examples": {"path": 3}}, "[examples] path = 3: a path was expected"),
        ({"examples": {"allow_leaks": "maybe"}}, '[examples] allow_leaks = "maybe": true or false was expected'),
        ({"examples": {"columns": {"question": 3}}}, "[examples.columns] question = 3: a text was expected"),
        ({"model": {"name": ["a"]}}, '[model] name = ["a"]: a text was expected'),
        ({"tune": 5}, "[tune] = 5: a table was expected"),
        ({"approaches": {"a": {}}}, "[approaches.a] generator is missing"),
        (
            {"approaches": {"a": {"generator": "mine"}}},
            "[approaches.a] generator = \"mine\": input should be 'base' or",
        ),
        (
            {"approaches": {"../a": {"generator": "base"}}},
            "[approaches.../a]: a name is made of letters, digits, - and _",
        ),
        ({"sources": [{"kind": "folder"}, {"path": "x"}]}, "[[sources]] number 2, kind is missing"),
        (
            {"sources": {"kind": "folder"}},
            '[sources] = {"kind": "folder"}: a list of tables, each under its own [[...]]',
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_table_its_key_and_its_value(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        parse(tables, Path("somewhere/groundtune.toml"))
    assert error.value.message.startswith(f"groundtune.toml: {message}")


def test_an_address_with_a_password_is_refused_and_not_said() -> None:
    for address in ("https://ann:s3cret@host/v1", "ann:s3cret@host"):
        with pytest.raises(UserError, match=r"\[model\] base_url .* environment variable") as error:
            parse({"model": {"base_url": address}}, Path("groundtune.toml"))
        assert "s3cret" not in f"{error.value.message}{error.value.hint}"


def test_a_missing_file_says_how_to_make_one(file: Path) -> None:
    with pytest.raises(UserError, match="no such file") as error:
        load(file)
    assert "groundtune init" in error.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[tune\nepochs = 2", "not TOML: .*line 1"),
        (b"[tune]\nepochs = 1\nepochs = 2\n[", "not TOML: .*line 3"),
        (b"\xff\xfe[\x00", "not readable"),
    ],
)
def test_a_file_that_is_no_toml_is_named(file: Path, content: bytes, message: str) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"groundtune\.toml: {message}"):
        load(file)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not readable"):
        load(tmp_path)
