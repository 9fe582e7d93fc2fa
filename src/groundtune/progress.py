"""Shows long work on a terminal, with the time left; elsewhere what was found and finished, a line each, and of long
work how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from unicodedata import category


def printable(text: str) -> str:
    """The text without what could steer a terminal: names and words of documents are data."""
    return "".join(char if char.isprintable() or char in "\n\t" or category(char) == "Zs" else "?" for char in text)


SILENCE = 60.0  # seconds after which a line tells how far the work is, where there is no terminal


class TerminalProgress:
    """A Progress on standard error, so that standard output stays clean for --json.

    As a context manager it takes its bar away however the work ends: a bar hides the cursor.
    """

    def __init__(self) -> None:
        self._work: _Bar | _Lines | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.finish()

    def say(self, sentence: str) -> None:
        """One line."""
        print(printable(sentence), file=sys.stderr, flush=True)

    def start(self, what: str, total: float | None) -> None:
        """Begins a piece of work; total None where it is not known how much there is."""
        self.finish()
        self._work = _Bar(what, total) if sys.stderr.isatty() else _Lines(what, total, self.say)

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        if self._work is not None:
            self._work.advance(amount)

    def finish(self) -> None:
        """Ends it, and takes its bar away."""
        if self._work is not None:
            self._work.finish()
            self._work = None


class _Bar:
    """A bar with the time left."""

    def __init__(self, what: str, total: float | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
        self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def advance(self, amount: float) -> None:
        self._bar.advance(self._task, amount)

    def finish(self) -> None:
        self._bar.stop()


class _Lines:
    """A line now and then: of short work none."""

    def __init__(self, what: str, total: float | None, say: Callable[[str], None]) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._done = 0.0
        self._told = time.monotonic()

    def advance(self, amount: float) -> None:
        self._done += amount
        if (now := time.monotonic()) - self._told >= SILENCE:
            self._told = now
            done = f"{min(1, self._done / self._total):.0%}" if self._total else f"{self._done:,.0f}"
            self._say(f"{self._what}: {done}")

    def finish(self) -> None:
        """Nothing is left to take away."""
