"""Documents from a folder of files.

A document's id is its path from the folder, with slashes. Nothing outside the folder is ever read, whatever links say,
and no more than `max_megabytes` of one file. What cannot be read is left out with the reason; the others are served.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

from pathspec import GitIgnoreSpec
from pydantic import Field

from groundtune.errors import UserError
from groundtune.types import Document, LeftOut, Section, Source

# Left by office programs, package managers and desktops; nobody means them as documents.
USUALLY_IGNORED = ("~$*", "node_modules/", "__pycache__/", "Thumbs.db", "desktop.ini")

# Reading stops at a link that took the file's place after we looked, and never waits for a named pipe.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Parsed(Protocol):
    """What a source needs of a parsed file; see groundtune.parse."""

    @property
    def text(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def sections(self) -> tuple[Section, ...]: ...
    @property
    def readers(self) -> frozenset[str]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


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


def create(
    parser: Parser,
    *,
    path: str,
    include: Sequence[str] = ("**/*",),
    ignore: Sequence[str] = (),
    max_megabytes: Annotated[float, Field(gt=0, le=10_000)] = 20,
) -> Source:
    """A source of the documents in a folder.

    path: the folder. include, ignore: patterns as in .gitignore, of files to take and of files to pass over
    besides those that are usually ignored.
    max_megabytes: larger files are left out. Raises UserError for a pattern that is none.
    """
    return Folder(
        parser,
        Path(path),
        _patterns("include", include),
        _patterns("ignore", [*USUALLY_IGNORED, *ignore]),
        max_megabytes,
    )


class Folder:
    """The documents that lie in a folder now, sorted by path."""

    def __init__(
        self, parser: Parser, path: Path, include: GitIgnoreSpec, ignore: GitIgnoreSpec, max_megabytes: float
    ) -> None:
        self.parser = parser
        self.path = path
        self.include = include
        self.ignore = ignore
        self.max_megabytes = max_megabytes

    def documents(self, left_out: Callable[[LeftOut], None]) -> Iterator[Document]:
        """Every readable document, one in memory at a time; the others go to `left_out`.

        Raises UserError if the folder cannot be read or, at the end, if there was no readable document in it.
        """
        missed: list[LeftOut] = []

        def leave_out(id: str, reason: str) -> None:
            missed.append(LeftOut(id, reason))
            left_out(missed[-1])

        found = 0
        for id, file in sorted(self._files(leave_out).items()):
            try:
                document = self._read(id, file)
            except UserError as error:
                leave_out(id, error.message)
            except OSError as error:
                leave_out(id, _why(error))
            else:
                found += 1
                yield document
        if not found:
            raise self._nothing(missed)

    def _read(self, id: str, file: Path) -> Document:
        self.parser.recognise(id)  # before reading: a folder may hold gigabytes of pictures
        data, modified = self._bytes(file)
        parsed = self.parser.parse(id, data)
        return Document(
            id=id,
            text=parsed.text,
            title=parsed.title,
            digest=hashlib.sha256(data).hexdigest()[:16],
            version=datetime.fromtimestamp(modified, UTC).isoformat(timespec="seconds"),
            sections=parsed.sections,
            readers=parsed.readers,
            metadata=parsed.metadata,
        )

    def _bytes(self, file: Path) -> tuple[bytes, float]:
        """A file's bytes and its time of change: one state of it, not a mixture of two."""
        most = int(self.max_megabytes * 1_000_000)
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | _SAFELY)) as opened:
            before = os.fstat(opened.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise UserError("not a file but a pipe or a device")
            if before.st_size > most:
                raise UserError(f"{before.st_size / 1_000_000:.1f} MB; max_megabytes is {self.max_megabytes:g}")
            data = opened.read(most + 1)  # bounded, should it grow meanwhile
            after = os.fstat(opened.fileno())
        if len(data) != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
            raise UserError("it changed while it was being read; run again")
        return data, before.st_mtime

    def _files(self, leave_out: Callable[[str, str], None]) -> dict[str, Path]:
        """Every file that is meant, by id, with the path to open. Hidden and ignored ones are passed over silently."""
        root = self.path.resolve()
        files: dict[str, Path] = {}
        links: dict[str, Path] = {}
        for entry in _walk(root, self._passed_over, leave_out):
            id = _id(root, entry)
            if not self.include.match_file(id):
                continue
            if not _is_utf8(id):
                leave_out(id.encode(errors="backslashreplace").decode(), "its name is not UTF-8; rename it")
            elif entry.is_symlink():
                links[id] = Path(entry.path)
            else:
                files[id] = Path(entry.path)
        return files | _targets(root, files, links, leave_out)

    def _passed_over(self, id: str, entry: os.DirEntry[str]) -> bool:
        folder = entry.is_dir(follow_symlinks=False)
        return entry.name.startswith(".") or self.ignore.match_file(f"{id}/" if folder else id)

    def _nothing(self, missed: list[LeftOut]) -> UserError:
        message = f"no readable document in {self.path}"
        if missed:
            message += f"; {len(missed)} left out, the first: "
            message += "; ".join(f"{item.id}: {item.reason}" for item in missed[:3])
        return UserError(message, f"it takes {', '.join(sorted(self.parser.formats()))} (docs/documents.md)")


def _walk(
    root: Path, passed_over: Callable[[str, os.DirEntry[str]], bool], leave_out: Callable[[str, str], None]
) -> Iterator[os.DirEntry[str]]:
    """All that lies below `root`, except folders; links are not followed, so there is no way to go round in circles."""
    pending = [str(root)]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except OSError as error:
            if folder == str(root):
                raise UserError(f"{root}: not a folder that can be read ({error.strerror})") from error
            leave_out(Path(folder).relative_to(root).as_posix() + "/", _why(error))
            continue
        for entry in entries:
            if passed_over(_id(root, entry), entry):
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                yield entry


def _targets(
    root: Path, files: dict[str, Path], links: dict[str, Path], leave_out: Callable[[str, str], None]
) -> dict[str, Path]:
    """The links that may be read, each with the file that it leads to: one in the folder that is not read already."""
    ids = {path: id for id, path in files.items()}
    targets = {}
    for id, link in sorted(links.items()):
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: how Python before 3.13 tells of a loop
            reason = error.strerror if isinstance(error, OSError) else "it leads to itself"
            leave_out(id, f"a symbolic link that leads nowhere ({reason})")
            continue
        if not target.is_relative_to(root):
            leave_out(id, "a symbolic link that leads out of the folder")
        elif target.is_dir():
            leave_out(id, "a symbolic link to a folder; what is in it is read at its own place")
        elif target in ids:
            leave_out(id, f"a symbolic link to {ids[target]}, which is read already")
        else:
            targets[id] = target
    return targets


def _id(root: Path, entry: os.DirEntry[str]) -> str:
    return Path(entry.path).relative_to(root).as_posix()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it vanished while the folder was being read"
    return f"not readable ({error.strerror})"


def _patterns(option: str, patterns: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise UserError(f"[[sources]] {option} = {list(patterns)}: {error}", "patterns are as in .gitignore") from error
