"""A config's parts."""

from pathlib import Path

import pytest

from groundtune.config import load
from groundtune.errors import UserError
from groundtune.project import Project
from tests import tiny as small
from tests.tiny import Tiny


def test_a_config_without_examples_is_told_so(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(config.read_text().replace('path = "questions.jsonl"', ""))

    with pytest.raises(UserError, match=r"\[examples\] path is missing"):
        Project(load(config)).loaded  # noqa: B018


def test_a_project_is_called_after_its_folder(tiny: Tiny, tmp_path: Path) -> None:
    assert Project(load(small.project(tmp_path / "shop", tiny))).title == "shop"
