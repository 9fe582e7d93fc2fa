"""The demo's files, laid out for a run."""

from importlib.resources import files
from pathlib import Path

import pytest

from groundtune.config import load
from groundtune.demo import unpack
from groundtune.errors import UserError, WorkFailed
from groundtune.examples.read import read_examples


def test_the_demo_is_laid_out_with_a_config_that_fits(tmp_path: Path) -> None:
    config = unpack(tmp_path / "deep" / "demo")

    package = files("groundtune.demo")
    for name in ("handbook", "changes", "questions.jsonl", "messages.jsonl"):
        for path in (Path(str(package)) / name, *(Path(str(package)) / name).rglob("*")):
            copy = config.parent / path.relative_to(str(package))
            assert copy.is_dir() if path.is_dir() else copy.read_bytes() == path.read_bytes()
    table = load(config).examples
    assert table.path is not None
    assert len(read_examples(table.path).examples) >= 400


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    config = unpack(tmp_path)
    config.write_text("# mine\n")
    (tmp_path / "questions.jsonl").write_text("mine\n")

    assert unpack(tmp_path) == config
    assert config.read_text() == "# mine\n"
    assert (tmp_path / "questions.jsonl").read_text() == "mine\n"


def test_a_demo_that_was_half_laid_out_is_completed(tmp_path: Path) -> None:
    config = unpack(tmp_path)
    whole = config.read_text()
    config.unlink()
    (tmp_path / "questions.jsonl").write_text("half")

    unpack(tmp_path)

    assert config.read_text() == whole
    assert (tmp_path / "questions.jsonl").stat().st_size > 10_000


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")

    with pytest.raises(UserError, match="demo: not writable"):
        unpack(tmp_path / "demo")


def test_a_full_disk_is_said(small_disk: Path) -> None:
    (small_disk / "full").write_bytes(bytes(1_900_000))

    with pytest.raises(WorkFailed, match="the disk is full"):
        unpack(small_disk / "demo")
