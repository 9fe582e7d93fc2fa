"""No file takes the program down: what takes too long, too much memory or crashes becomes a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.parse import _worker, parse
from groundtune.parse._bounded import Bounded
from groundtune.parse._limits import MOST_TEXT

ENDLESS = b"<p>some words here.</p>" * 100_000  # takes much longer than any test

Opener = Callable[..., Bounded]


@pytest.fixture
def bounded() -> Iterator[Opener]:
    """Opens readers of files; all are stopped at the end."""
    opened: list[Bounded] = []

    def opener(seconds: float = 60, megabytes: int = 1500) -> Bounded:
        opened.append(Bounded(seconds, megabytes))
        return opened[-1]

    yield opener
    for one in opened:
        one.stop()


def pid(reader: Bounded) -> int:
    assert reader._process is not None
    return reader._process.pid


def program(code: str) -> subprocess.Popen[str]:
    """Starts a Python program that reads files, with warnings as errors."""
    begin = f"from groundtune.parse._bounded import Bounded\nENDLESS = {ENDLESS[:23]!r} * 100_000\n"
    command = [sys.executable, "-W", "error", "-c", begin + code]
    pipe = subprocess.PIPE  # a session of its own, so that a signal may go to all of it, as from a terminal
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_ends(process: int, within: float) -> None:
    end = time.monotonic() + within
    while is_running(process):
        assert time.monotonic() < end, "it still runs"
        time.sleep(0.01)


# ---------------------------------------------------------------- limits


def test_a_file_that_takes_too_long_is_left_and_the_next_one_is_read(bounded: Opener) -> None:
    reader = bounded(seconds=0.3)
    with pytest.raises(ValueError, match=r"^it took longer than 0.3 s$"):
        reader.read(".html", ENDLESS)
    assert reader.read(".txt", b"words").text == "words"


def test_a_file_that_takes_too_much_memory_is_left_and_the_next_one_is_read(bounded: Opener) -> None:
    reader = bounded(megabytes=80)
    with pytest.raises(ValueError, match=r"^it needed more than 80 MB of memory$"):
        reader.read(".txt", b"words " * 3_000_000)
    assert reader.read(".txt", b"words").text == "words"


def test_a_file_that_is_itself_larger_than_the_memory_is_left(bounded: Opener) -> None:
    with pytest.raises(ValueError, match="needed more than 80 MB"):
        bounded(megabytes=80).read(".txt", bytes(100_000_000))


def test_a_crash_costs_one_file(bounded: Opener) -> None:
    reader = bounded()
    reader.read(".txt", b"words")
    threading.Timer(0.3, os.kill, (pid(reader), signal.SIGSEGV)).start()
    with pytest.raises(ValueError, match=r"^the parser crashed: SIGSEGV$"):
        reader.read(".html", ENDLESS)
    assert reader.read(".txt", b"words").text == "words"


def test_a_process_that_was_ended_while_idle_costs_no_file(bounded: Opener) -> None:
    reader = bounded()
    reader.read(".txt", b"words")
    first = pid(reader)
    os.kill(first, signal.SIGKILL)
    assert_ends(first, within=10)
    assert reader.read(".txt", b"more words").text == "more words"
    assert pid(reader) != first


def test_one_process_reads_all_files(bounded: Opener) -> None:
    reader = bounded()
    processes = set()
    for number in range(20):
        assert reader.read(".md", f"# {number}".encode()).title == str(number)
        processes.add(pid(reader))
    assert len(processes) == 1


def test_a_text_of_more_characters_than_a_document_may_have_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^not readable as text \(more than \d+ million characters of text; cut it up\)$"
    ):
        parse("a.txt", b"w" * (MOST_TEXT + 1))


def test_headings_that_say_more_than_the_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_worker, "_MOST_REPLY", 100_000)
    text = "# a\n## " + "b " * 240 + "\n" + "### c\n" * 300
    assert len(text) < 3_000
    assert json.loads(_worker.answer(".md", text.encode()))["reason"].startswith("too much is said in its headings")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<div>" * 100_000 + b"words"),
        ("a.html", b"<main><p>words</p>" + b"<b>" * 100_000 + b"more"),
        ("a.html", b"<table><tr><td>x" * 20_000),
        ("a.jsonl", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        ("a.md", b"---\ntitle: " + b"[" * 10_000 + b"\n---\nwords"),
    ],
)
def test_what_is_nested_without_end_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(UserError, match=r"not readable as .*(nested|recursion|no main text)"):
        parse(name, data)


@pytest.mark.parametrize(
    "block", [b">", b"> ", b"- ", b"*", b"[", b"*a ", b"`", b"<a ", b"<!--\n", b"\t", b"[a]: /u\n"]
)
def test_a_markdown_file_of_one_thing_without_end_is_read_in_no_time(block: bytes) -> None:
    data = block * (100_000 // len(block)) + b" words"
    began = time.monotonic()
    assert parse("a.md", data).text == data.decode()
    assert time.monotonic() - began < 20  # minutes where it is more than linear


def test_twenty_megabytes_on_one_line_of_html_are_refused_for_the_rest_would_be_lost_unnoticed() -> None:
    with pytest.raises(UserError, match="one is too long"):
        parse("a.html", b"<p>" + b"words " * 3_500_000 + b"</p><p>The rest.</p>")


# ---------------------------------------------------------------- who shares it


def test_threads_get_the_text_of_their_own_file(bounded: Opener) -> None:
    reader = bounded()
    with ThreadPoolExecutor(8) as pool:
        titles = pool.map(lambda number: reader.read(".md", f"# {number}".encode()).title, range(200))
        assert list(titles) == [str(number) for number in range(200)]


def test_a_forked_process_reads_with_a_process_of_its_own() -> None:
    code = """
import os
reader = Bounded()
reader.read(".txt", b"words")
first = reader._process.pid
if os.fork() == 0:
    assert reader.read(".txt", b"child").text == "child"
    os._exit(0 if reader._process.pid != first else 1)
assert os.wait()[1] == 0
assert reader.read(".txt", b"parent").text == "parent" and reader._process.pid == first
"""
    started = program(code)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 0, errors


def test_an_interrupted_file_does_not_answer_for_the_next_one() -> None:
    code = """
reader = Bounded()
reader.read(".txt", b"words")
try:
    print("ready", flush=True)
    reader.read(".html", ENDLESS)
except KeyboardInterrupt:
    print(reader.read(".txt", b"next").text)
"""
    started = program(code)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.killpg(started.pid, signal.SIGINT)
    assert started.communicate(timeout=60) == ("next\n", "")


# ---------------------------------------------------------------- when it ends


def test_a_program_that_ends_says_nothing_and_leaves_nothing_behind() -> None:
    started = program('reader = Bounded()\nreader.read(".txt", b"words")\nprint(reader._process.pid)')
    output, errors = started.communicate(timeout=60)
    assert (errors, started.returncode) == ("", 0)
    assert_ends(int(output), within=1)


@pytest.mark.parametrize(
    ("doing", "within"),
    [("import time; time.sleep(60)", 5), ('reader.read(".html", ENDLESS)', 5)],
    ids=["idle", "busy"],
)
def test_the_process_ends_with_a_program_that_is_killed(doing: str, within: float) -> None:
    code = f'reader = Bounded(seconds=1)\nreader.read(".txt", b"")\nprint(reader._process.pid, flush=True)\n{doing}'
    started = program(code)
    assert started.stdout is not None
    process = int(started.stdout.readline())
    time.sleep(0.2)
    assert is_running(process)
    started.kill()
    started.communicate()
    assert_ends(process, within)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_works_without_standard_streams(closed: str, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from groundtune.parse import parse
Path("a").write_text(parse("a.md", b"# It works").title, encoding="utf-8")
"""
    subprocess.run(["/bin/sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], cwd=tmp_path, check=True)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "It works"


def test_no_file_of_the_current_folder_is_run(tmp_path: Path) -> None:
    for library in ("lxml", "json", "groundtune"):
        (tmp_path / f"{library}.py").write_text("raise SystemExit('run')", encoding="utf-8")
    code = 'from groundtune.parse import parse; print(parse("a.html", b"<p>Words.").text)'
    run = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "Words.\n", run.stderr


@pytest.mark.parametrize("python", ["/bin/false", "/no/such/python"])
def test_a_process_that_does_not_start_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, bounded: Opener, python: str
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(OSError, match="did not start"):
        bounded().read(".txt", b"words")
