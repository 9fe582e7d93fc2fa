"""Files below a folder: told apart by what the system knows of them, and read without ever leaving the folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from groundtune.errors import UserError
from groundtune.types import LeftOut

# Devices, connections and other programs recover from these. EACCES is not among them: what we may no longer read was
# perhaps closed on purpose, and then the index must not go on telling it.
_PASSING = {
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETXTBSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
    errno.ENETUNREACH, errno.ENOTCONN, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED,
}  # fmt: skip

# Two writes within one tick of a file system's clock leave the same time, and the coarsest (FAT's) ticks this slowly.
_TICK_NS = 2_000_000_000

# Nothing is opened through a link, and nobody waits for a named pipe.
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class PassingError(UserError):
    """What cannot be read now, but may well be at the next try."""


def why(id: str, error: OSError | UserError) -> LeftOut:
    """What to tell of a file or folder that could not be read."""
    id = printable(id)
    if isinstance(error, UserError):
        return LeftOut(id, error.message, passing=isinstance(error, PassingError))
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return LeftOut(id, "it vanished while the folder was being read")
    return LeftOut(id, f"not readable ({error.strerror})", passing=error.errno in _PASSING)


def printable(name: str) -> str:
    """A file's name as it can be shown and stored, whatever bytes it is made of."""
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def state(found: os.stat_result) -> str:
    """What two states of a file differ in; its bytes cannot change without it, unless within one tick of the clock."""
    return f"{found.st_mtime_ns:x}.{found.st_ctime_ns:x}.{found.st_size:x}.{found.st_ino:x}"


def settled(found: os.stat_result, now_ns: int) -> bool:
    """Whether a write that comes after `now_ns` gives the file another `state`, for the tick of the last one is over.

    By ctime, which, unlike mtime, every write sets and nobody can set back. (git's "racy" entries are the same thing.)
    """
    return found.st_ctime_ns < now_ns - _TICK_NS


def follow(root: Path, link: str) -> str:
    """The file below `root` that a link leads to, by a path without links. Raises UserError where there is none."""
    try:
        target = (root / link).resolve(strict=True)
    except RuntimeError as error:  # how Python before 3.13 tells of a loop
        raise UserError("a symbolic link that leads nowhere (it leads to itself)") from error
    except OSError as error:
        if error.errno in _PASSING:
            raise
        raise UserError(f"a symbolic link that leads nowhere ({error.strerror})") from error
    if not target.is_relative_to(root):
        raise UserError("a symbolic link that leads out of the folder")
    if target.is_dir():
        raise UserError("a symbolic link to a folder; what is in it is read at its own place")
    return target.relative_to(root).as_posix()


def read(root: Path, path: str, most: float, limit: str) -> tuple[bytes, os.stat_result]:
    """The bytes of the file at `path` below `root`, and what the system knows of it: one state, not a mixture of two.

    most: how many megabytes are read; limit: what that is called in messages. Raises OSError, PassingError for a file
    that is being written, and UserError for one that is too large or none.
    """
    bytes_at_most = int(most * 1_000_000)
    with open(path, "rb", opener=lambda _path, _flags: _open(root, path)) as opened:
        before = os.fstat(opened.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise UserError("not a file but a pipe or a device")
        if before.st_size > bytes_at_most:
            raise UserError(f"{before.st_size / 1_000_000:.1f} MB; {limit} is {most:g}")
        data = opened.read(bytes_at_most + 1)  # bounded, should it grow meanwhile
        after = os.fstat(opened.fileno())
    if len(data) != before.st_size or state(after) != state(before):
        raise PassingError("it changed while it was being read; run again")
    return data, before


def _open(root: Path, path: str) -> int:
    """Opens folder by folder, so that a link put in the place of any of them since we looked leads nowhere."""
    *folders, name = path.split("/")
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            above, at = at, os.open(folder, _FOLDER, dir_fd=at)
            os.close(above)
        return os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)
