"""Shows long work on a terminal, with the time left; elsewhere only what was found and finished, a line each."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self
from unicodedata import category


def printable(text: str) -> str:
    """The text without what could steer a terminal: names and words of documents are data."""
    return "".join(char if char.isprintable() or char in "\n\t" or category(char) == "Zs" else "?" for char in text)


class TerminalProgress:
    """A Progress on standard error, so that standard output stays clean for --json.

    As a context manager it takes its bar away however the work ends: a bar hides the cursor.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._shows = sys.stderr.isatty()

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
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
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
