"""Is everything there that a run needs? One line a check, with what to do where it is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from groundtune.config import Config, load
from groundtune.errors import UserError
from groundtune.models.weights import BUNDLED, cache_folder, find_weights, needs_conversion

ROOM_MB = 2000  # converted weights, an index, an adapter with its checkpoints


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    found: str
    fine: bool = True


def check_up(config: Path) -> Iterator[Check]:
    """The checks, one after the other: Python, packages, machine, disk, weights, and the config where there is one."""
    yield Check("Python", sys.version.split()[0], sys.version_info >= (3, 11))
    for package in ("torch", "transformers", "peft"):
        yield _package(package)
    yield Check("cores", str(len(os.sched_getaffinity(0))))
    yield from _room(Path.cwd(), cache_folder())
    settings = Config()
    if config.exists():
        try:
            settings = load(config)
            yield Check(str(config), "fine")
        except UserError as error:
            yield Check(str(config), f"{error.message}; {error.hint}", fine=False)
    if settings.model.bits:
        yield _package("bitsandbytes")
    for name, where in ((settings.model.name, "[model] name"), (settings.embedder.name, "[embedder] name")):
        if needs_conversion(name):
            yield Check(where, f"converting the weights of {name}, once")
        yield _weights(name, where)


def _package(name: str) -> Check:
    try:
        return Check(name, version(name))
    except PackageNotFoundError:
        return Check(name, f"not installed; run: pip install {name}", fine=False)


def _room(*folders: Path) -> Iterator[Check]:
    for folder in folders:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(there).free // 1_000_000
        enough = free >= ROOM_MB
        yield Check(f"room at {folder}", f"{free:,} MB{'' if enough else f'; {ROOM_MB:,} MB are needed'}", enough)


def _weights(name: str, where: str) -> Check:
    if name == "echo" or name.startswith(("openai:", "hf:")):
        return Check(where, name)
    try:
        find_weights(name, where)
    except UserError as error:
        return Check(where, f"{error.message}; {error.hint}", fine=False)
    return Check(where, f"{name}{' (bundled)' if name in BUNDLED else ''}")
