"""What lies in a folder and is meant as a document, found out without opening anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.sources import _sidecar
from groundtune.sources._files import follow, printable, state, why
from groundtune.sources._options import patterns
from groundtune.types import LeftOut
from groundtune.workspace import digest

# Left by office programs, package managers and desktops; nobody means them as documents.
USUALLY_IGNORED = ("~$*", "node_modules/", "__pycache__/", "Thumbs.db", "desktop.ini")


NO_STAMP = "?"  # where it could not be taken; no document ever gets it


class File(NamedTuple):
    """A file that is meant as a document: its id, its place below the folder, its stamp."""

    id: str
    path: str  # differs from the id where that is a link
    stamp: str


class Rules:
    """Which files are meant. Raises UserError for a pattern that is none.

    The options are part of every stamp: a file that has the stamp it was let in by need not be held against them
    again, and when they change, every file is looked at anew.
    """

    def __init__(self, include: Sequence[str], ignore: Sequence[str], max_megabytes: float) -> None:
        self._include = patterns("include", include)
        self._ignore = patterns("ignore", [*USUALLY_IGNORED, *ignore])
        self._ignored_by_name = patterns("ignore", [one for one in ignore if not _has_wildcard(one)])
        self._options = digest([include, USUALLY_IGNORED, ignore, max_megabytes])

    def takes(self, id: str) -> bool:
        """Whether a file is meant."""
        return self._include.match_file(id) and not self._ignore.match_file(id)

    def ignores(self, id: str) -> bool:
        """Whether a file or folder (its id ends with a slash) is to be passed over."""
        return self._ignore.match_file(id)

    def ignores_by_name(self, id: str) -> bool:
        """Whether a file is to be passed over by a pattern that names it and no other in its folder."""
        return self._ignored_by_name.match_file(id)

    def stamp(self, file: os.stat_result, sidecar: os.stat_result | None) -> str:
        """What a document is known by, unread."""
        stamp = f"{self._options} {state(file)}"
        return f"{stamp} {state(sidecar)}" if sidecar else stamp


def files(root: Path, rules: Rules, known: Mapping[str, str], leave_out: Callable[[LeftOut], None]) -> list[File]:
    """Every file below `root` that is meant, by id. Hidden and ignored ones are passed over silently.

    known: id -> stamp, see `Source.documents`. Raises UserError where `root` itself cannot be listed.
    """

    def trouble(folder: str, error: OSError) -> None:
        if not folder:
            raise UserError(f"{root}: not a folder that can be read ({error.strerror})") from error
        leave_out(one := why(folder, error))
        below = (id for id in known if id.startswith(folder) and rules.takes(id)) if one.passing else ()
        for id in below:
            leave_out(LeftOut(id, one.reason, passing=True))

    found: list[File] = []
    links: list[str] = []
    for folder, entries in _walk(root, rules, trouble):
        candidates, sidecars, alone = _sidecar.part(entries)
        strays: dict[str, str] = {}
        for name, of in sorted(alone.items()):
            if not rules.ignores_by_name(folder + name):
                strays[of.casefold()] = name
            if not rules.ignores(folder + name):
                reason = f"a sidecar without its file: there is no {printable(of)} beside it"
                leave_out(LeftOut(printable(folder + name), reason))
        for entry, file in _meant(folder, candidates, sidecars, rules, known):
            if printable(file.id) != file.id:
                leave_out(LeftOut(printable(file.id), "its name is not UTF-8; rename it"))
            elif strays and (stray := _sidecar.misnamed_for(entry.name, strays)):
                reason = f"{printable(stray)} beside it may be its sidecar; call that {_sidecar.name_for(entry.name)}"
                leave_out(LeftOut(file.id, reason))
            elif entry.is_symlink():
                links.append(file.id)
            else:
                found.append(file)
    if links:
        found += _linked(root, sorted(links), {file.id for file in found}, rules, leave_out)
    return sorted(found, key=itemgetter(0))


def _walk(
    root: Path, rules: Rules, trouble: Callable[[str, OSError], None]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Every folder from `root` down: its path ("", "sub/") and what is in it except folders.

    trouble: told of a folder that cannot be listed. Links are not followed, so there is no way to go round in circles.
    """
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as scan:
                entries = list(scan)
        except OSError as error:
            trouble(folder, error)
            continue
        files = []
        for entry in entries:
            try:
                if not entry.is_dir(follow_symlinks=False):
                    files.append(entry)
                elif not entry.name.startswith(".") and not rules.ignores(below := f"{folder}{entry.name}/"):
                    pending.append(below)
            except OSError as error:
                trouble(f"{folder}{entry.name}/", error)
        yield folder, files


def _meant(
    folder: str,
    entries: Sequence[os.DirEntry[str]],
    sidecars: Mapping[str, os.DirEntry[str]],
    rules: Rules,
    known: Mapping[str, str],
) -> Iterator[tuple[os.DirEntry[str], File]]:
    for entry in entries:
        name = entry.name
        if name.startswith("."):
            continue
        id = folder + name
        stamp = _stamp(entry, sidecars.get(name), rules)
        if known.get(id) == stamp or rules.takes(id):
            yield entry, File(id, id, stamp)


def _stamp(entry: os.DirEntry[str], sidecar: os.DirEntry[str] | None, rules: Rules) -> str:
    try:
        return rules.stamp(entry.stat(follow_symlinks=False), sidecar.stat() if sidecar else None)
    except OSError:  # whoever reads it will learn why
        return NO_STAMP


def _linked(
    root: Path, links: Sequence[str], taken: Collection[str], rules: Rules, leave_out: Callable[[LeftOut], None]
) -> list[File]:
    """The links that may be read, each with the file that it leads to: one in the folder that is not read already."""
    found = []
    for id in links:
        try:
            path = follow(root, id)
            if path in taken:
                raise UserError(f"a symbolic link to {path}, which is read already")
            sidecar = _sidecar.find(root, id, path)
            stamp = rules.stamp((root / path).stat(), (root / sidecar).stat() if sidecar else None)
        except (UserError, OSError) as error:
            leave_out(why(id, error))
        else:
            found.append(File(id, path, stamp))
    return found


def _has_wildcard(pattern: str) -> bool:
    """Whether the last part of a pattern, the file's name, stands for several names."""
    return not set("*?[").isdisjoint(pattern.rpartition("/")[2])
