"""Keeps the index in step while it runs: with folders as their files change, with everything else by the clock."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from groundtune import stages
from groundtune.errors import UserError
from groundtune.index.sync import Summary
from groundtune.project import Project
from groundtune.times import now, seconds
from groundtune.types import Document, LeftOut, Source, Unchanged

# How often a source is looked at, unless the config says otherwise. A folder is looked at when the system tells of a
# change; now and then all the same, for network drives tell of nothing.
EVERY = {"folder": "10m", "sql": "1m", "web": "1h"}
OTHERS = "5m"
QUIET_MS = 20  # a save is over when nothing more happened for so long
AT_LEAST_MS = 500  # so often the clock is looked at
NAMED = 3  # documents that a line names
PATIENCE = 24 * 3600.0  # seconds; a run that trains may hold the workspace for long


@dataclass
class Watched:
    """A source, how often it is to be looked at and when next."""

    name: str
    every: float
    folder: Path | None
    due: float = 0.0
    fetch: Fetch | None = None


class Fetch:
    """One look at a source that may be slow, in a thread of its own, so that it holds up nobody. A source of what it
    found."""

    def __init__(self, source: Source, known: Mapping[str, str]) -> None:
        self.may_be_empty = getattr(source, "may_be_empty", False)
        self._found: list[Document | Unchanged] = []
        self._left_out: list[LeftOut] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, args=(source, known), daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has looked at all there is."""
        return not self._thread.is_alive()

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        """What was found, and then the error that ended it, where one did."""
        for item in self._left_out:
            left_out(item)
        yield from (found for found in self._found if not isinstance(found, Unchanged) or found.id in known)
        if self._error:
            raise self._error

    def _read(self, source: Source, known: Mapping[str, str]) -> None:
        try:
            for found in source.documents(known, self._left_out.append):
                self._found.append(found)
        except Exception as error:  # noqa: BLE001 (raised in the thread that waits for it)
            self._error = error


def watch(project: Project, stop: Callable[[], bool] = lambda: False) -> None:
    """Syncs at once, then whenever there is something new, until `stop`; it asks that at least twice a second.

    A source that cannot be read is named and tried again when it is next due. Raises UserError where there is no
    source to watch.
    """
    if not project.config.sources:
        raise UserError("there is nothing to watch", "name a source in [[sources]] (docs/sources.md)")
    watched = _watched(project)
    project.index.embedder.embed(["ready"])  # what is loaded at first use would delay the first change
    for one in watched:
        schedule = f"every {one.every:g} s"
        project.progress.say(f"{one.name}: {f'as {one.folder} changes, and ' if one.folder else ''}{schedule}")
    changes = _changes(project, [one.folder for one in watched if one.folder])
    said: set[LeftOut] = set()
    while not stop():
        paths = next(changes)  # before the first sync: what changes while it reads is then known of
        clock = time.monotonic()
        for one in watched:
            if one.folder and any(path.is_relative_to(one.folder) for path in paths):
                one.due = clock
        for one in watched:
            if one.due <= clock and one.folder is None:
                one.fetch, one.due = Fetch(project.sources[one.name], stages.known(project, one.name)), math.inf
        if folders := [one for one in watched if one.due <= clock]:
            _bring(project, folders, said)
        for one in watched:
            if one.fetch and one.fetch.done:
                _bring(project, [one], said)


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Whether there was a Ctrl-C, for the `stop` of `watch`. It interrupts as ever; but Python loses an interrupt that
    comes while it tidies something away (`__del__`), and this does not. Raises KeyboardInterrupt where one was lost."""
    lost = threading.Event()

    def interrupted(signum: int, frame: FrameType | None) -> None:
        lost.set()
        signal.default_int_handler(signum, frame)

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        if not isinstance(found.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(found)

    before, hook = signal.signal(signal.SIGINT, interrupted), sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        yield lost.is_set
        if lost.is_set():
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook


def _watched(project: Project) -> list[Watched]:
    tables = project.config.named_sources
    found = []
    for name, source in project.sources.items():
        every = tables[name].every or EVERY.get(tables[name].kind, OTHERS)
        folder = getattr(source, "watched", None)
        found.append(Watched(name, seconds(every, "[[sources]] every"), folder and Path(folder).resolve()))
    return found


def _changes(project: Project, folders: list[Path]) -> Iterator[list[Path]]:
    """What has changed in these folders since it was last asked: asks the system and waits, but not for long.

    A folder that was not there, or that another one has taken the place of, counts as changed when it is watched anew.
    """
    import watchfiles

    ours = project.workspace.root.resolve()
    while True:
        there = _numbers(folders)
        changes = watchfiles.watch(
            *there,
            watch_filter=lambda change, path: not Path(path).is_relative_to(ours),
            step=QUIET_MS,
            rust_timeout=AT_LEAST_MS,
            yield_on_timeout=True,
            raise_interrupt=True,
            ignore_permission_denied=True,
        )
        found = list(there)
        try:
            for changed in changes if there else _nothing():
                paths = [Path(path) for _, path in changed]
                yield found + paths
                found = []
                if _numbers(folders) != there or not there.keys().isdisjoint(paths):  # a number may be used again
                    break
        except FileNotFoundError:  # gone just now
            continue
        except OSError as error:  # the system watches so many folders and no more
            raise UserError(f"the folders cannot be watched: {error}", 'run "groundtune sync" by a schedule') from error


def _numbers(folders: list[Path]) -> dict[Path, int]:
    """The system's numbers of the folders that are there."""
    found = {}
    for folder in folders:
        with suppress(OSError):
            found[folder] = folder.stat().st_ino
    return found


def _nothing() -> Iterator[set[tuple[int, str]]]:
    while True:
        time.sleep(AT_LEAST_MS / 1000)
        yield set()


def _bring(project: Project, due: list[Watched], said: set[LeftOut]) -> None:
    began = time.monotonic()
    names = ", ".join(one.name for one in due)
    try:
        with project.workspace.alone(PATIENCE):
            summary = stages.bring(project, {one.name: one.fetch or project.sources[one.name] for one in due})
    except UserError as error:
        project.progress.say(f"{now()} {names}: {error.message}")
    else:
        _say(project, names, summary, said, time.monotonic() - began)
    for one in due:
        one.due, one.fetch = time.monotonic() + one.every, None


def _say(project: Project, names: str, summary: Summary, said: set[LeftOut], took: float) -> None:
    """What is new: a source that fails, what was left out and was not said before, what changed."""
    for failed in summary.failed:
        project.progress.say(f"{now()} {failed.source}: {failed.error.message}")
    for item in summary.left_out:
        if item not in said:
            project.progress.say(f"{now()} left out: {item.id}: {item.reason}")
    said |= set(summary.left_out)
    changes = [("added", summary.added), ("changed", summary.changed), ("removed", summary.removed)]
    if any(ids for _, ids in changes):
        told = ", ".join(f"{len(ids):,} {what}{_named(ids)}" for what, ids in changes)
        project.progress.say(f"{now()} {names}: {told}; {summary.embedded:,} passages embedded, {took:.2f} s")


def _named(ids: list[str]) -> str:
    return f" ({', '.join(ids)})" if 0 < len(ids) <= NAMED else ""
