"""Shows long work on a terminal, with the time left; elsewhere only what was found and finished, a line each."""

from __future__ import annotations

import sys
from typing import Any


def printable(text: str) -> str:
    """The text without what could steer a terminal: names and words of documents are data."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


class TerminalProgress:
    """A Progress on standard error, so that standard output stays clean for --json."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._shows = sys.stderr.isatty()

    def say(self, sentence: str) -> None:
        """One line."""
        print(printable(sentence), file=sys.stderr, flush=True)

    def start(self, what: str, total: float | None) -> None:
        """Begins a bar; total None where it is not known how much there is."""
        if not self._shows:
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self.finish()
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def finish(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
