"""What answering takes: the latency of single requests, and the process's peak memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path

from groundtune.approach import Approach
from groundtune.heap import give_back
from groundtune.types import NoProgress, Progress


def latencies(approach: Approach, questions: Sequence[str], progress: Progress | None = None) -> list[float]:
    """Milliseconds that each question takes, asked one at a time, retrieval included; two are asked before, untimed."""
    progress = progress or NoProgress()
    progress.start(f"timing {approach.name}", len(questions))
    for question in questions[:2]:  # what all prompts begin with is kept from the second on, as in a server
        approach.answer([question])
    times = []
    for question in questions:
        began = time.perf_counter()
        approach.answer([question])
        times.append((time.perf_counter() - began) * 1000)
        progress.advance()
    progress.finish()
    return times


def reset_peak_memory() -> None:
    """Lets `peak_memory_mb` count from now on, where the system can (Linux: proc(5), clear_refs).

    What was freed but is still held by the C library (after training, gigabytes) is given back first.
    """
    give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # elsewhere the peak is the process's whole life's


def peak_memory_mb() -> float:
    """The most memory that this process held at once since the last reset, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
        return int(kilobytes) / 1000
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
