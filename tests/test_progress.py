"""Long work shows itself on a terminal, and is quiet elsewhere."""

import os
import pty
import sys
import threading
from contextlib import suppress

import pytest

from groundtune.progress import TerminalProgress, printable


def work(progress: TerminalProgress) -> None:
    progress.start("embedding", 10)
    for _ in range(10):
        progress.advance()
    progress.finish()
    progress.advance()  # after the end: nobody's


def test_elsewhere_only_sentences_are_told_and_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress.say("12 documents")
    work(progress)

    assert capsys.readouterr() == ("", "12 documents\n")


def test_elsewhere_long_work_tells_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 61.0, 62.0, 122.0, 0.0, 70.0])
    monkeypatch.setattr("groundtune.progress.time.monotonic", lambda: next(clock))
    progress = TerminalProgress()
    progress.start("measuring rag", 8)
    for _ in range(4):
        progress.advance()
    progress.start("reading files", None)
    progress.advance(1200)

    assert capsys.readouterr().err == "measuring rag: 25%\nmeasuring rag: 50%\nreading files: 1,200\n"


def test_control_characters_in_a_files_name_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalProgress().say("left out: a\x1b[2J\rb\u202e.md: broken\nsecond")

    assert capsys.readouterr().err == "left out: a?[2J?b?.md: broken\nsecond\n"


def test_spaces_of_any_script_are_printed() -> None:
    assert printable("10\u00a0€\t茶\u3000\n\x00\x7f\x85\u2028\udc80") == "10\u00a0€\t茶\u3000\n?????"


class Terminal:
    """Keeps all that is written to it, as a person's screen would."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        self.file = open(theirs, "w")  # noqa: PTH123, SIM115
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while data := os.read(self._ours, 1000):
                self._written += data

    def close(self) -> str:
        """Everything written."""
        self.file.close()
        self._reader.join()
        os.close(self._ours)
        return self._written.decode()


def in_place_of_stderr(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal; not a fixture, since pytest puts its own standard error in place before every test."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal.file)
    monkeypatch.setenv("TERM", "xterm")
    return terminal


def test_a_terminal_sees_what_is_done_and_how_much_and_has_its_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_place_of_stderr(monkeypatch)
    work(TerminalProgress())

    shown = terminal.close()
    assert "embedding" in shown
    assert "100%" in shown
    assert shown.count("0:00:00") == 1
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_standard_output_stays_clean_while_a_bar_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = in_place_of_stderr(monkeypatch)
    progress = TerminalProgress()
    progress.start("embedding", 3)
    sys.stdout.write("{}\n")
    progress.finish()

    assert capsys.readouterr().out == "{}\n"
    assert "{}" not in terminal.close()


def test_work_that_begins_while_other_work_is_shown_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_place_of_stderr(monkeypatch)
    progress = TerminalProgress()
    progress.start("reading documents", None)
    progress.start("embedding", 3)
    progress.say("in between")
    progress.finish()
    progress.finish()

    shown = terminal.close()
    assert shown.index("reading documents") < shown.index("embedding")
    assert "in between" in shown


def test_an_error_in_the_midst_gives_the_terminal_its_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_place_of_stderr(monkeypatch)
    with pytest.raises(ValueError, match="broken"), TerminalProgress() as progress:
        progress.start("embedding", 3)
        raise ValueError("broken")

    shown = terminal.close()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
