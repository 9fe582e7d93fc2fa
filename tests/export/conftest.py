"""A project that has run, for all tests of exports."""

import json
import shutil
from pathlib import Path

import pytest

from groundtune import stages
from groundtune.config import load
from groundtune.project import Project
from tests import tiny as small
from tests.said import Said
from tests.tiny import Tiny


@pytest.fixture(scope="session")
def done(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of a project that has run and whose verdict recommends the hybrid. Tests leave it as it is."""
    config = small.project(tmp_path_factory.mktemp("exported") / "shop", tiny)
    stages.run(opened(config))
    verdict = config.parent / ".groundtune" / "verdict.json"
    verdict.write_text(json.dumps({**json.loads(verdict.read_text()), "recommended": "hybrid"}))
    return config


@pytest.fixture
def mine(done: Path, tmp_path: Path) -> Path:
    """A copy of it for the test's own."""
    return shutil.copytree(done.parent, tmp_path / "shop") / "groundtune.toml"


@pytest.fixture
def project(done: Path) -> Project:
    return opened(done)


def opened(config: Path) -> Project:
    return Project(load(config), Said(), config.read_text())
