"""Reads files in a process of its own: one that takes too long, too much memory or crashes costs no more than itself.

The process starts with the first file and reads one after the other. A file that ends it is left out, and how it ended
says why; the next file gets a new process. Lengths, bytes and JSON go through the pipes: nothing that could be run.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import signal
import struct
import sys
import threading
from contextlib import suppress
from subprocess import PIPE, Popen, TimeoutExpired
from typing import IO

from groundtune.parse._parsed import Parsed
from groundtune.types import Section

SECONDS = 60.0  # for one file
MEGABYTES = 1500  # for the process: libraries, the file, and all that is made of it
OUT_OF_MEMORY = 77  # the exit code that says so

_NO_START = "the process that reads files did not start"  # an OSError: no file is to blame, each keeps its old version
_LENGTH = struct.Struct(">Q")


class Bounded:
    """Reads files, each within `seconds` and `megabytes`. Threads may share it; it reads one file at a time.

    The process ends with ours, however ours ends: it sees its pipe close, or its time is up.
    """

    def __init__(self, seconds: float = SECONDS, megabytes: int = MEGABYTES) -> None:
        self.seconds = seconds
        self.megabytes = megabytes
        self._lock = threading.Lock()
        self._process: Popen[bytes] | None = None
        self._owner = 0
        atexit.register(self.stop)

    def read(self, suffix: str, data: bytes) -> Parsed:
        """What is in a file of the format with this suffix. Raises ValueError with the reason why it cannot be read."""
        with self._lock:
            process = self._running()
            try:
                reply = _ask(process, suffix.encode(), data)
            except (EOFError, BrokenPipeError) as error:
                raise ValueError(self._how_it_ended(self.stop(patience=5))) from error
            except BaseException:  # interrupted: its reply must not be taken for the next file's
                self.stop()
                raise
        return _unpacked(reply)

    def stop(self, patience: float = 0) -> int:
        """Ends the process, if there is one and it has not ended by itself in so many seconds; gives its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(TimeoutExpired):
            process.wait(patience)
        process.kill()
        with suppress(BrokenPipeError), process:  # closes the pipes and waits
            pass
        return process.returncode

    def _running(self) -> Popen[bytes]:
        """The process; a new one where there is none, it was ended while idle, or whom we were forked from has it."""
        if self._process is not None and self._owner == os.getpid():
            if self._process.poll() is None:
                return self._process
            self.stop()
        self._process, self._owner = self._start(), os.getpid()
        return self._process

    def _start(self) -> Popen[bytes]:
        # -P: no file of the current folder, which may hold anybody's documents, is taken for a library.
        # A process group of its own: Ctrl-C is for us to answer.
        command = [sys.executable, "-P", "-W", "ignore", "-m", "groundtune.parse._worker"]
        limits = [str(self.seconds), str(self.megabytes)]
        try:
            process = Popen([*command, *limits], stdin=PIPE, stdout=PIPE, process_group=0)  # noqa: S603 (ours alone)
        except OSError as error:
            raise OSError(errno.EAGAIN, _NO_START) from error
        try:
            receive(_pipe(process.stdout))
        except EOFError as error:
            with process:
                raise OSError(errno.EAGAIN, _NO_START) from error
        return process

    def _how_it_ended(self, code: int) -> str:
        if code == -signal.SIGALRM:
            return f"it took longer than {self.seconds:g} s"
        if code == OUT_OF_MEMORY:
            return f"it needed more than {self.megabytes:,} MB of memory"
        return f"the parser crashed: {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"


def packed(parsed: Parsed) -> bytes:
    """What a file holds, as JSON. Raises ValueError for half a surrogate, which could not be stored either."""
    said = {
        "text": parsed.text,
        "title": parsed.title,
        "sections": [[section.start, section.end, section.heading, section.page] for section in parsed.sections],
        "readers": list(parsed.readers),
        "metadata": dict(parsed.metadata),
    }
    return json.dumps(said, ensure_ascii=False).encode()


def send(stream: IO[bytes], *blocks: bytes) -> None:
    """Writes blocks of bytes, each after its length."""
    for block in blocks:
        stream.write(_LENGTH.pack(len(block)))
        stream.write(block)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """The next block. Raises EOFError where the other side is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    block = stream.read(length)
    if len(block) < length:
        raise EOFError
    return block


def _ask(process: Popen[bytes], *request: bytes) -> bytes:
    send(_pipe(process.stdin), *request)
    return receive(_pipe(process.stdout))


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "the process was started with pipes"  # noqa: S101
    return stream


def _unpacked(reply: bytes) -> Parsed:
    said = json.loads(reply)
    if "reason" in said:
        raise ValueError(said["reason"])
    sections = tuple(Section(*section) for section in said["sections"])
    return Parsed(said["text"], said["title"], sections, frozenset(said["readers"]), said["metadata"])
