"""The workspace: where everything that Groundtune makes lies, how it is written, and what is already done.

Every write goes to a temporary name beside its target and is renamed, so a reader sees the old file or the new one,
never half of one. A stage that finished leaves a mark with the digest of its inputs; unchanged inputs skip the stage.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundtune.errors import UserError, WorkFailed
from groundtune.types import Json

ELSEWHERE = "choose another [workspace] path"


def digest(value: Any) -> str:
    """A short sha256 (16 hex digits) of any value made of dataclasses, mappings, sequences and scalars."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:16]


def of_training(approach: str, training: int) -> str:
    """What one training of an approach is called in the workspace: NAME is the first, NAME.seed-2 the second, ..."""
    return f"{approach}.seed-{training + 1}" if training else approach


def dumps(value: Any) -> str:
    """One line of JSON with sorted keys; dataclasses become objects, sets become sorted lists."""
    return json.dumps(value, default=_plain, sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


@contextmanager
def writing(path: Path, elsewhere: str = ELSEWHERE) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well, and is removed when it does not.

    The block may make a file or a folder there; a lock keeps other writers away. Raises WorkFailed where the disk is
    full; what stood at `path` before is still there then. elsewhere: how to write to another disk, for the message.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with disk_errors(path, elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.new"):  # of a process that was killed
            remove(left)
        try:
            yield temporary
            for written in (temporary, *temporary.rglob("*")):
                _fsync(written)
            if path.is_dir():
                _exchange(temporary, path, elsewhere)
            else:
                temporary.replace(path)
            _fsync(path.parent)
        finally:
            remove(temporary)  # where it was exchanged: what stood there before


def _exchange(one: Path, other: Path, elsewhere: str) -> None:
    """Swaps two folders in one step, so that nobody ever finds neither (renameat2 of Linux)."""
    at_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of linux/fs.h
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(at_folder, os.fsencode(one), at_folder, os.fsencode(other), exchange) != 0:
        number = ctypes.get_errno()
        raise WorkFailed(
            f"{other}: cannot be replaced ({os.strerror(number)})",
            f"its file system cannot swap folders: {elsewhere}",
        )


@contextmanager
def disk_errors(path: Path, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """Turns a full or read-only disk into a message that says what to do; `elsewhere`: how to write to another one."""
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise WorkFailed(
                f"{path}: the disk is full", "free some space and run the same command: it goes on where it stopped"
            ) from error
        if number in (errno.EACCES, errno.EROFS, errno.EPERM, errno.EEXIST, errno.ENOTDIR):
            raise UserError(f"{path}: not writable ({os.strerror(number)})", elsewhere) from error
        raise


def _number(error: Exception) -> int:
    """The system's number for what went wrong, 0 where it is something else; Rust's libraries and
    shutil's trees say it in words alone."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"\(os error (\d+)\)|\[Errno (\d+)\]", str(error))
    return int(found[1] or found[2]) if found else 0


@contextmanager
def locked(file: Path, patience: float, taken: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Holds a lock file, whose folder is made, against other processes.

    say: is told where there is some waiting to do. Raises WorkFailed, with the message `taken`, where another one holds
    it for longer than `patience`, in seconds.
    """
    from filelock import FileLock, Timeout

    with disk_errors(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            with suppress(Timeout):
                lock.acquire(timeout=0)
            if not lock.is_locked:
                if say is not None and patience:
                    say(f"{taken}: waiting up to {patience:g} seconds for it to end")
                lock.acquire(timeout=patience)
        except Timeout as error:
            raise WorkFailed(taken, "wait for it to end, then run again") from error
    try:
        yield
    finally:
        lock.release()


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Writes one JSON value a line, whole or not at all."""
    write_text(path, "".join(dumps(row) + "\n" for row in rows))


def append_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Rows at the end of a file, on the disk when this returns. Raises WorkFailed where it is full."""
    with disk_errors(path), path.open("a", encoding="utf-8") as file:
        file.write("".join(dumps(row) + "\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path) -> Json:
    """The JSON object in a file of the workspace. Raises UserError where it is damaged."""
    try:
        value: Json = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error})", "remove this file and run again: it is made anew") from error
    return value


def read_jsonl(path: Path) -> list[Json]:
    """The JSON objects in a file, one a line. A last line that was cut off by a kill is left out."""
    lines = path.read_bytes().split(b"\n")
    rows: list[Json] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number == len(lines):  # no newline after it: the write was cut off
                break
            raise UserError(
                f"{path} line {number}: damaged ({error})", "remove this file and run again: it is made anew"
            ) from error
    return rows


class Workspace:
    """The folder of one project. Knows where things lie and which stages are done; knows nothing of what they do."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def alone(self, patience: float = 0, say: Callable[[str], None] | None = None) -> Iterator[None]:
        """Keeps every other process that would write here away.

        say: is told where there is some waiting to do. Raises WorkFailed where another one is at work for longer than
        `patience`, in seconds.
        """
        with locked(self.root / "lock", patience, f"another groundtune is at work in {self.root}", say):
            yield

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def cases(self) -> Path:
        return self.root / "cases"

    @property
    def train(self) -> Path:
        return self.root / "examples" / "train.jsonl"

    @property
    def test(self) -> Path:
        return self.root / "examples" / "test.jsonl"

    def embedder(self, inputs: str) -> Path:
        return self.root / "embedders" / inputs

    def adapter(self, inputs: str) -> Path:
        return self.root / "adapters" / inputs

    def written(self, name: str) -> Path:
        """What a model wrote to be learnt from."""
        return self.root / "examples" / f"{name}.jsonl"

    def records(self, approach: str, training: int = 0) -> Path:
        return self.root / "records" / f"{of_training(approach, training)}.jsonl"

    @property
    def verdict(self) -> Path:
        return self.root / "verdict.json"

    def report(self, suffix: str) -> Path:
        return self.root / f"report.{suffix}"

    def done(self, stage: str, inputs: str) -> Json | None:
        """What the stage left when it last finished on these very inputs (a digest); None if it has to run."""
        mark = self._mark(stage)
        if not mark.exists():
            return None
        found = read_json(mark)
        return found["result"] if found["inputs"] == inputs else None

    def last(self, stage: str) -> Json:
        """What the stage left when it last finished, on whatever inputs; empty if it never did."""
        mark = self._mark(stage)
        return dict(read_json(mark)["result"]) if mark.exists() else {}

    def inputs(self, stage: str) -> str:
        """The digest of what the stage last finished on; empty if it never did."""
        mark = self._mark(stage)
        return str(read_json(mark)["inputs"]) if mark.exists() else ""

    def begin(self, stage: str) -> None:
        """Takes the stage's mark away before what it vouches for is written over."""
        mark = self._mark(stage)
        with disk_errors(mark):
            mark.unlink(missing_ok=True)

    def finish(self, stage: str, inputs: str, result: Json) -> None:
        """Marks a stage as done on these inputs, with a small result to be read by later runs."""
        write_json(self._mark(stage), {"inputs": inputs, "result": result})

    def _mark(self, stage: str) -> Path:
        return self.root / "done" / f"{stage}.json"
