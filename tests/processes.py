"""Real processes that start at once, for tests that kill them: forked from a server that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["groundtune.stages", "groundtune.cli", "tests.tiny", "tests.preload"])


def start(target: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """Runs a function of a test module in a process of its own."""
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def wait(process: ForkServerProcess, until: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether something has come true while the process still ran."""
    end = time.monotonic() + seconds
    while process.is_alive():
        if until():
            return True
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)
    return False


def send(process: ForkServerProcess, what: signal.Signals) -> int | None:
    """Sends a signal, waits for the end and gives the exit code, negative where the signal was the end."""
    assert process.pid is not None
    os.kill(process.pid, what)
    process.join(60)
    return process.exitcode
