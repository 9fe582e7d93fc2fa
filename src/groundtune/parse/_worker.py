"""The other end of `_bounded`: a process that reads files under limits, given as seconds and megabytes."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sys
from contextlib import suppress

from groundtune.parse import formats
from groundtune.parse._bounded import OUT_OF_MEMORY, packed, receive, send
from groundtune.parse._limits import check_text
from groundtune.parse._parsed import one_line

_MOST_REPLY = 100_000_000  # bytes: the text, and what headings and front matter may add to it


def main() -> None:
    """Answers requests, a suffix and a file's bytes each, until nobody is there who asks."""
    seconds, megabytes = float(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(_aside(0), "rb") as requests, os.fdopen(_aside(1), "wb") as replies:
        _limit(megabytes * 1_000_000)
        send(replies, b"ready")
        _silence()
        while True:
            suffix, data = receive(requests).decode(), receive(requests)
            signal.setitimer(signal.ITIMER_REAL, seconds)  # the system ends us then, whatever a library is doing
            reply = answer(suffix, data)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(replies, reply)


def answer(suffix: str, data: bytes) -> bytes:
    """What is in a file, or the reason why it cannot be read, as JSON. Raises MemoryError; it is best to end then."""
    try:
        parsed = formats()[suffix].read(data)
        check_text(len(parsed.text))
        reply = packed(parsed)
        if len(reply) > _MOST_REPLY:
            raise ValueError("too much is said in its headings or its front matter")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever a library does with a damaged file must not stop the others)
        return json.dumps({"reason": _why(error)}).encode()
    return reply


def _why(error: Exception) -> str:
    message = one_line(str(error))[:200].encode(errors="replace").decode()
    return message if isinstance(error, ValueError) and message else f"{type(error).__name__}: {message}".rstrip(": ")


def _aside(descriptor: int) -> int:
    """A copy that none of the standard streams is, even if we were started without them."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _silence() -> None:
    """Lets nothing that a library prints come between the user's lines or ours."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _limit(memory: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_DATA)  # it cannot be raised again
    limit = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no gigabytes behind
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])  # whoever started us may have blocked it


if __name__ == "__main__":
    try:
        with suppress(EOFError, BrokenPipeError):
            main()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
