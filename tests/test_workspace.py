"""What is written is there whole or not at all, and what is done is known to be done."""

import errno
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune import workspace
from groundtune.config import TuneTable
from groundtune.errors import UserError, WorkFailed
from groundtune.workspace import Workspace, digest, dumps, read_json, read_jsonl, write_json, write_jsonl, write_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@dataclass(frozen=True)
class Noun:
    name: str
    groups: frozenset[str]


# ---------------------------------------------------------------- writing


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    write_text(target, "first")
    write_text(target, "sécond\n")
    assert target.read_text(encoding="utf-8") == "sécond\n"
    assert [path.name for path in target.parent.iterdir()] == ["c.txt"]


def test_a_writer_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), workspace.writing(target) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_the_older_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "adapter"
    for name in ("old", "new"):
        with workspace.writing(target) as temporary:
            (temporary / "inner").mkdir(parents=True)
            (temporary / "inner" / name).write_text(name)
    assert [path.name for path in target.rglob("*")] == ["inner", "new"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("fails", ["in the block", "in the renaming"])
def test_a_folder_that_cannot_be_written_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    target = tmp_path / "adapter"
    target.mkdir()
    (target / "weights").write_text("old")
    if fails == "in the renaming":
        monkeypatch.setattr(workspace, "_exchange", raising(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), workspace.writing(target) as temporary:
        temporary.mkdir()
        if fails == "in the block":
            raising(errno.EIO)()
    assert (target / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def raising(number: int) -> Any:
    def fail(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_folder_is_there_at_every_moment_while_others_take_its_place(tmp_path: Path) -> None:
    target, seen, over = tmp_path / "index", [], threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append((target / "whole").exists())

    with workspace.writing(target) as temporary:
        temporary.mkdir()
        (temporary / "whole").touch()
    watching = threading.Thread(target=look)
    watching.start()
    for _ in range(50):
        with workspace.writing(target) as temporary:
            temporary.mkdir()
            (temporary / "whole").touch()
    over.set()
    watching.join()
    assert all(seen)
    assert len(seen) > 50


@pytest.mark.parametrize("process", ["this", "4711"])
def test_what_a_killed_process_left_goes(tmp_path: Path, process: str) -> None:
    target = tmp_path / "adapter"
    left = tmp_path / f".adapter.{os.getpid() if process == 'this' else process}.new"
    for folder, content in ((target, "old"), (left, "half")):
        folder.mkdir()
        (folder / content).touch()
    with workspace.writing(target) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_said_and_keeps_the_old_file(small_disk: Path) -> None:
    target = small_disk / "records.jsonl"
    write_text(target, "old")
    with pytest.raises(WorkFailed, match=r"records\.jsonl: the disk is full") as error:
        write_text(target, "x" * 4_000_000)
    assert "goes on where it stopped" in error.value.hint
    assert error.value.exit_code == 1
    assert target.read_text() == "old"
    assert list(small_disk.iterdir()) == [target]
    write_text(target, "x" * 1_000_000)


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.ENOSPC, WorkFailed, "the disk is full"),
        (errno.EDQUOT, WorkFailed, "the disk is full"),
        (errno.EROFS, UserError, "not writable"),
        (errno.EACCES, UserError, "not writable"),
    ],
)
def test_a_disk_that_refuses_at_the_last_moment_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[UserError], message: str
) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})
    monkeypatch.setattr(os, "fsync", raising(number))
    with pytest.raises(kind, match=message):
        write_json(target, {"new": 2})
    assert read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_place_of_the_workspace_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")
    with pytest.raises(UserError, match="not writable"):
        write_text(tmp_path / "work" / "a.txt", "text")


# ---------------------------------------------------------------- reading


@settings(max_examples=40)
@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4))
def test_rows_come_back_as_they_were_written(rows: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_jsonl(Path(folder) / "a.jsonl", rows)
        assert read_jsonl(Path(folder) / "a.jsonl") == rows


def test_a_last_line_that_was_cut_off_is_left_out_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first, last = b'{"n": 1}\n', '{"n": "zwölf"}'.encode()
    for length in range(len(last)):
        path.write_bytes(first + last[:length])
        assert read_jsonl(path) == [{"n": 1}]
    path.write_bytes(first + last)
    assert read_jsonl(path) == [{"n": 1}, {"n": "zwölf"}]


def test_a_damaged_line_that_is_not_the_last_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 1}\n\n{"n": \n{"n": 3}\n')
    with pytest.raises(UserError, match=r"a\.jsonl line 3: damaged"):
        read_jsonl(path)


@pytest.mark.parametrize("content", [b"", b'{"n": ', b"\xff\xfe"])
def test_a_damaged_json_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json: damaged") as error:
        read_json(tmp_path / "a.json")
    assert "remove this file" in error.value.hint


# ---------------------------------------------------------------- digests


def test_a_digest_depends_on_the_value_not_on_its_order_in_memory() -> None:
    assert digest({"a": 1, "b": {2, 1}}) == digest({"b": {1, 2}, "a": 1})
    assert digest(Noun("x", frozenset({"a", "b"}))) == digest({"groups": ["a", "b"], "name": "x"})
    assert digest((1, 2)) == digest([1, 2])
    assert digest(Path("a/b")) == digest("a/b")
    assert digest(TuneTable(rank=8)) == digest(TuneTable(rank=8)) != digest(TuneTable(rank=9))


@given(one=JSON, other=JSON)
def test_digests_are_equal_exactly_where_values_are(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (dumps(one) == dumps(other))
    assert len(digest(one)) == 16


def test_a_digest_is_the_same_in_another_process() -> None:
    value = "digest([frozenset('abcdefgh'), {'b': 1, 'a': 2.5}, 'ünï'])"
    program = f"from groundtune.workspace import digest; print({value})"
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {digest([frozenset("abcdefgh"), {"b": 1, "a": 2.5}, "ünï"]) + "\n"}


def test_a_value_without_a_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="SimpleNamespace has no JSON form"):
        digest(SimpleNamespace())


# ---------------------------------------------------------------- done marks


def test_a_stage_is_done_on_the_inputs_that_it_finished_on_and_on_no_others(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "work")
    assert work.done("tune", "d1") is None
    work.finish("tune", "d1", {"seconds": 3})
    assert work.done("tune", "d1") == {"seconds": 3}
    assert work.done("tune", "d2") is None
    assert work.done("measure", "d1") is None
    work.finish("tune", "d2", {"seconds": 4})
    assert work.done("tune", "d1") is None
    assert Workspace(tmp_path / "work").done("tune", "d2") == {"seconds": 4}


def test_everything_lies_in_the_workspace_and_nothing_in_the_place_of_another(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    places = [getattr(work, name) for name, kind in vars(Workspace).items() if isinstance(kind, property)]
    places += [work.records("base"), work.records("rag"), work.report("html"), work.report("md")]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_a_stage_that_begins_is_no_longer_done(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    work.begin("tune")
    work.finish("tune", "d1", {"seconds": 3})
    work.begin("tune")
    assert work.done("tune", "d1") is None
    assert work.last("tune") == {}


# ---------------------------------------------------------------- one at a time


def test_a_second_one_at_work_is_refused_at_once_and_the_next_one_is_not(tmp_path: Path) -> None:
    root = tmp_path / "work"
    with Workspace(root).alone():
        with pytest.raises(WorkFailed, match=r"another groundtune is at work in .*work"), Workspace(root).alone():
            pytest.fail("two at work")
        with Workspace(tmp_path / "other").alone():
            pass
    with pytest.raises(KeyboardInterrupt), Workspace(root).alone():
        raise KeyboardInterrupt
    with Workspace(root).alone():
        pass


def test_who_has_to_wait_is_told_so_first(tmp_path: Path) -> None:
    said: list[str] = []
    with Workspace(tmp_path).alone(5, said.append):
        with pytest.raises(WorkFailed), Workspace(tmp_path).alone(0.1, said.append):
            pytest.fail("two at work")
        with pytest.raises(WorkFailed), Workspace(tmp_path).alone(0, said.append):
            pytest.fail("two at work")
    assert said == [f"another groundtune is at work in {tmp_path}: waiting up to 0.1 seconds for it to end"]


def test_a_killed_process_leaves_nobody_locked_out(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal; from groundtune.workspace import Workspace\n"
        f"with Workspace(pathlib.Path({str(tmp_path)!r})).alone(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    with Workspace(tmp_path).alone():
        pass


def test_a_workspace_that_cannot_be_made_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not writable"), Workspace(tmp_path / "file" / "work").alone():
        pytest.fail("at work in a file")
