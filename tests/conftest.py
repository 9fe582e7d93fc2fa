"""What tests of several folders need."""

import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from groundtune.index.sqlite import SqliteIndex
from tests.corpus import HashingEmbedder
from tests.tiny import Tiny, build

# The machine may be busy, so time is no criterion of a property; in CI the same examples are drawn every time.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("unhurried")

pytest_plugins = ["tests.postgres", "tests.stores"]  # real servers, and indexes in every store

MEGABYTES = 2


@pytest.fixture(autouse=True)
def loaded_before() -> None:
    """Models come and go, and garbage is collected each time: a third of a second over all that libraries have loaded.
    What outlived the tests before is passed over instead."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own with room for two megabytes. Only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes a root who may mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Tiny real models, made once for all tests."""
    return build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def open_index(tmp_path: Path) -> Iterator[Callable[..., SqliteIndex]]:
    """Opens an index in files, in the test's folder; the same one at every call. All are closed at the end."""
    opened: list[SqliteIndex] = []

    def opener(embedder: HashingEmbedder | None = None, path: Path | None = None) -> SqliteIndex:
        opened.append(SqliteIndex(path or tmp_path / "index", embedder or HashingEmbedder()))
        return opened[-1]

    yield opener
    for index in opened:
        index.close()
