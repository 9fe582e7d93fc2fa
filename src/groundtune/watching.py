"""Keeps the index in step while it runs: with folders as their files change, with everything else by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from groundtune import stages
from groundtune.errors import UserError
from groundtune.index.sync import Summary
from groundtune.project import Project
from groundtune.times import now, seconds

# How often a source is looked at, unless the config says otherwise. A folder is looked at when the system tells of a
# change; now and then all the same, for network drives tell of nothing.
EVERY = {"folder": "10m", "sql": "1m", "web": "1h"}
OTHERS = "5m"
QUIET_MS = 20  # a save is over when nothing more happened for so long
AT_LEAST_MS = 500  # so often the clock is looked at
PATIENCE = 24 * 3600.0  # seconds; a run that trains may hold the workspace for long


@dataclass
class Watched:
    """A source, how often it is to be looked at and when next."""

    name: str
    every: float
    folder: Path | None
    due: float = 0.0


def watch(project: Project, stop: Callable[[], bool] = lambda: False) -> None:
    """Syncs at once, then whenever there is something new, until `stop`; it asks that at least twice a second.

    A source that cannot be read is named and tried again when it is next due. Raises UserError where there is no
    source to watch.
    """
    watched = _watched(project)
    if not watched:
        raise UserError("there is nothing to watch", "name a source in [[sources]] (docs/sources.md)")
    project.index.embedder.embed(["ready"])  # what is loaded at first use would delay the first change
    for one in watched:
        schedule = f"every {one.every:g} s"
        project.progress.say(f"{one.name}: {f'as {one.folder} changes, and ' if one.folder else ''}{schedule}")
    changes = _changes(project, [one.folder for one in watched if one.folder])
    while not stop():
        paths = next(changes)  # before the first sync: what changes while it reads is then known of
        clock = time.monotonic()
        for one in watched:
            if one.folder and any(path.is_relative_to(one.folder) for path in paths):
                one.due = clock
        due = [one for one in watched if one.due <= clock]
        if due:
            _bring(project, due)


def _watched(project: Project) -> list[Watched]:
    tables = project.config.named_sources
    found = []
    for name, source in project.sources.items():
        if name in tables:
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
                yield found + [Path(path) for _, path in changed]
                found = []
                if _numbers(folders) != there:
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


def _bring(project: Project, due: list[Watched]) -> None:
    began = time.monotonic()
    names = [one.name for one in due]
    try:
        with project.workspace.alone(PATIENCE):
            summary = stages.bring(project, names)
    except UserError as error:
        project.progress.say(f"{now()} {', '.join(names)}: {error.message}")
    else:
        _say(project, names, summary, time.monotonic() - began)
    for one in due:
        one.due = time.monotonic() + one.every


def _say(project: Project, names: list[str], summary: Summary, took: float) -> None:
    for failed in summary.failed:
        project.progress.say(f"{now()} {failed.source}: {failed.error.message}")
    if not (summary.added or summary.changed or summary.removed):
        return
    project.progress.say(
        f"{now()} {', '.join(names)}: {len(summary.added)} added, {len(summary.changed)} changed, "
        f"{len(summary.removed)} removed; {summary.embedded} passages embedded, {took:.2f} s"
    )
