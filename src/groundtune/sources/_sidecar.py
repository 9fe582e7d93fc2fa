"""Sidecars: `report.pdf.meta.yaml` says who may read `report.pdf`, its title and the like, in YAML.

Whoever puts a sidecar beside a file means to say something about it, so one that is misnamed or malformed leaves the
file out: a slip never opens a document to everyone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

from groundtune.errors import UserError
from groundtune.sources._files import PassingError, follow, read, why

_SUFFIX = ".meta.yaml"
_SPELLINGS = (_SUFFIX, ".meta.yml")  # in whatever case
_MEGABYTES = 0.1

Said = TypeVar("Said")


def name_for(name: str) -> str:
    """What the sidecar of a file is called."""
    return name + _SUFFIX


def part(
    entries: list[os.DirEntry[str]],
) -> tuple[list[os.DirEntry[str]], dict[str, os.DirEntry[str]], dict[str, str]]:
    """The files of one folder that are no sidecars; file -> its sidecar; sidecar without a file -> the file it names.

    A sidecar whose suffix is not written as it should be counts as one without a file.
    """
    sidecars = [entry for entry in entries if entry.name.lower().endswith(_SPELLINGS)]
    if not sidecars:
        return entries, {}, {}
    files = [entry for entry in entries if not entry.name.lower().endswith(_SPELLINGS)]
    names = {entry.name for entry in files}
    of: dict[str, os.DirEntry[str]] = {}
    strays: dict[str, str] = {}
    for entry in sidecars:
        name = entry.name[: entry.name.lower().rindex(".meta.")]
        if name in names and entry.name.endswith(_SUFFIX):
            of[name] = entry
        elif not name.startswith("."):
            strays[entry.name] = name
    return files, of, strays


def misnamed_for(name: str, strays: Mapping[str, str]) -> str | None:
    """The sidecar without a file that is probably meant for the file `name`: report.meta.yaml for report.pdf.

    strays: the name that such a sidecar names, casefolded -> the sidecar.
    """
    return strays.get(name.casefold()) or strays.get(PurePosixPath(name).stem.casefold())


def find(root: Path, id: str, path: str) -> str | None:
    """The sidecar of a document: beside it or, where it is a link, beside the file at `path` that it leads to.

    Raises UserError where there are two, or it leads out of the folder; OSError where that cannot be told.
    """
    found = {place for beside in (id, path) if (place := _at(root, name_for(beside)))}
    if len(found) > 1:
        raise UserError(f"two sidecars: {' and '.join(sorted(found))}; keep one")
    return next(iter(found), None)


def load(root: Path, place: str, understand: Callable[[bytes], Said]) -> tuple[Said, os.stat_result]:
    """What the sidecar at `place` says, and what the system knows of it. Raises UserError, which names it."""
    name = PurePosixPath(place).name
    try:
        data, found = read(root, place, _MEGABYTES, "the most for a sidecar")
        return understand(data), found
    except FileNotFoundError as error:  # it was there a moment ago
        raise PassingError(f"{name}: it changed while it was being read; run again") from error
    except (OSError, UserError) as error:
        reason = why(name, error)
        raise (PassingError if reason.passing else UserError)(f"{name}: {reason.reason}") from error


def _at(root: Path, place: str) -> str | None:
    """Where the file at `place` really lies; None if there is none."""
    try:
        found = os.lstat(root / place)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):  # only so can we be sure that there is none
            return None
        raise
    if not stat.S_ISLNK(found.st_mode):
        return place
    try:
        return follow(root, place)
    except UserError as error:
        raise UserError(f"{PurePosixPath(place).name}: {error.message}") from error
