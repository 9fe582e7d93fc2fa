"""Documents from a folder of files.

A document's id is its path from the folder, with slashes, after the source's prefix if it has one. Nothing outside the
folder is ever read, whatever links say, and no more than `max_megabytes` of one file. What cannot be read is left out
with the reason; the others are served. A file that the index knows is told by what the system says of it (its stamp),
and not opened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

from pydantic import Field

from groundtune.errors import UserError
from groundtune.sources import _sidecar
from groundtune.sources._files import read, settled, why
from groundtune.sources._options import nothing
from groundtune.sources._walk import File, Rules, files
from groundtune.types import Document, LeftOut, Section, Source, Unchanged

SLOW = 5.0  # seconds; a file that took longer and could not be read is not tried again by this process


class Said(Protocol):
    """What a sidecar says; see groundtune.parse."""

    @property
    def title(self) -> str: ...
    @property
    def readers(self) -> frozenset[str]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class Parsed(Said, Protocol):
    """What a source needs of a parsed file; see groundtune.parse."""

    @property
    def text(self) -> str: ...
    @property
    def sections(self) -> tuple[Section, ...]: ...


@runtime_checkable
class Parser(Protocol):
    """Turns bytes into text: the module groundtune.parse. Sources get it handed, for they stand on the same floor."""

    def formats(self) -> Collection[str]:
        """The suffixes that can be read: ".md"."""
        ...

    def recognise(self, name: str) -> object:
        """Raises UserError if a file of this name cannot be read, whatever is in it."""
        ...

    def parse(self, name: str, data: bytes) -> Parsed:
        """The text of a file. Raises UserError, its message the reason, where it cannot be read."""
        ...

    def sidecar(self, data: bytes) -> Said:
        """What a sidecar says. Raises UserError, its message the reason, where it is malformed."""
        ...


def create(
    parser: Parser,
    *,
    path: str,
    include: Sequence[str] = ("**/*",),
    ignore: Sequence[str] = (),
    max_megabytes: Annotated[float, Field(gt=0, le=10_000)] = 20,
    prefix: Annotated[str, Field(pattern=r"^([^\s/]+(/[^\s/]+)*)?$")] = "",
) -> Source:
    """A source of the documents in a folder.

    path: the folder. include, ignore: patterns as in .gitignore, of files to take and of files to pass over
    besides those that are usually ignored.
    max_megabytes: larger files are left out. prefix: stands before every id, with a slash ("handbook" makes README.md
    "handbook/README.md"), so that two folders may have files of one name. Raises UserError for a pattern that is none.
    """
    return Folder(parser, Path(path), Rules(include, ignore, max_megabytes), max_megabytes, prefix)


class Folder:
    """The documents that lie in a folder now, sorted by path."""

    def __init__(self, parser: Parser, path: Path, rules: Rules, max_megabytes: float, prefix: str) -> None:
        self.watched = path
        self._parser = parser
        self._rules = rules
        self._max_megabytes = max_megabytes
        self._prefix = f"{prefix}/" if prefix else ""
        self._refused: dict[str, tuple[str, LeftOut]] = {}  # id -> stamp, reason: what took long to be of no use

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        """Every readable document, one in memory at a time; what cannot be read goes to `left_out`.

        known: a file whose stamp it has is not opened; "" is no file's stamp.

        Raises UserError if the folder cannot be read or, at the end, if there was no readable document in it. (A known
        one that can no longer be read shows that the folder is the right one: then nothing is raised.)
        """
        missed: list[LeftOut] = []

        def leave_out(one: LeftOut) -> None:
            missed.append(one)
            left_out(replace(one, id=self._prefix + one.id))

        start = self._prefix
        known = {id.removeprefix(start): stamp for id, stamp in known.items() if id.startswith(start)}
        root = Path(os.path.realpath(self.watched))
        now = time.time_ns()  # before any file is looked at: what is written later is younger
        empty = True
        for file in files(root, self._rules, known, leave_out):
            document: Document | Unchanged
            stamp, refused = self._refused.get(file.id, ("", None))
            if refused and stamp == file.stamp:
                leave_out(refused)
                continue
            began = time.monotonic()
            try:
                is_known = known.get(file.id) == file.stamp
                document = Unchanged(start + file.id) if is_known else self._read(root, file, now)
            except (UserError, OSError) as error:
                item = why(file.id, error)
                leave_out(item)
                if time.monotonic() - began > SLOW and not item.passing:
                    self._refused[file.id] = file.stamp, item
            else:
                empty = False
                yield document
        if empty and known.keys().isdisjoint(one.id for one in missed):
            takes = f"it takes {', '.join(sorted(self._parser.formats()))} (docs/sources.md)"
            raise nothing(f"no readable document in {self.watched}", missed, takes)

    def _read(self, root: Path, file: File, now_ns: int) -> Document:
        self._parser.recognise(file.id)  # before reading: a folder may hold gigabytes of pictures
        data, found = read(root, file.path, self._max_megabytes, "max_megabytes")
        place = _sidecar.find(root, file.id, file.path)
        said, its = _sidecar.load(root, place, self._parser.sidecar) if place else (None, None)
        parsed = self._parser.parse(file.id, data)
        if said and said.readers and parsed.readers:
            raise UserError(f"it and its sidecar {place} both name readers; one of them must say it")
        return Document(
            id=self._prefix + file.id,
            text=parsed.text,
            title=(said and said.title) or parsed.title,
            stamp=self._stamp(found, its, now_ns),
            changed=_time(found),
            sections=parsed.sections,
            readers=(said and said.readers) or parsed.readers,
            metadata={**parsed.metadata, **(said.metadata if said else {})},
        )

    def _stamp(self, file: os.stat_result, sidecar: os.stat_result | None, now_ns: int) -> str:
        """What a document is known by from now on. No scan ever finds the stamp of one that was read within a tick of
        its last change, so that it is read once more."""
        stamp = self._rules.stamp(file, sidecar)
        is_settled = settled(file, now_ns) and (sidecar is None or settled(sidecar, now_ns))
        return stamp if is_settled else f"{stamp} unsettled"


def _time(found: os.stat_result) -> str:
    """When a file was last changed; empty where its time is no date (some file systems hold any number)."""
    try:
        return datetime.fromtimestamp(found.st_mtime, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
