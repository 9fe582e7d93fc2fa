"""A sync that is killed or runs out of disk loses nothing: the index opens, answers, and the next sync completes it."""

import os
import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache, partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import WorkFailed
from groundtune.index import database
from groundtune.index import sync as sync_module
from groundtune.index.chunk import chunk
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import Summary, version_of
from groundtune.index.sync import sync as sync_all
from groundtune.index.verify import verify
from groundtune.index.words import FORMAT, Words
from tests.corpus import Given, HashingEmbedder, document
from tests.processes import start

Open = Callable[..., SqliteIndex]
Files = dict[str, str]  # name -> text
Shelf = dict[tuple[str, str], list[str]]  # document and version -> the texts of its passages

AT_ONCE = 8  # documents in a transaction
LENGTH = 120  # characters of a passage
WORDS = ("kettle", "lamp", "pump", "garden", "price", "return", "water", "light", "seed", "delivery")
KILLS = 60
LONG = 0.07  # seconds that a sync takes, more or less


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: what is flushed there takes no time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


whole = cache(document)


def source(files: Files) -> Given:
    return Given(*(whole(name, text) for name, text in sorted(files.items())))


def brought(index: SqliteIndex, files: Files) -> Summary:
    return sync_all(index, {"files": source(files)}, LENGTH, keep=1)


class Killing(sqlite3.Connection):
    """A connection that ends its process when it commits for the n-th time, before or after."""

    moment = ("", 0)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if arguments[0] != "commit":
            return super().execute(*arguments)
        count_down("before the commit")
        done = super().execute(*arguments)
        count_down("after the commit")
        return done


def count_down(moment: str) -> None:
    name, left = Killing.moment
    if name == moment:
        Killing.moment = (name, left - 1)
        if left == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def sync_and_die(folder: Path, files: Files, moment: tuple[str, int]) -> None:
    """Runs in a process of its own. moment: when it kills itself."""
    change = Words.change

    def changing(*arguments: Any) -> None:
        count_down("before the words")
        change(*arguments)
        count_down("after the words")

    Killing.moment = moment
    Words.change = changing  # type: ignore[assignment, method-assign]
    database.sqlite3.connect = partial(sqlite3.connect, factory=Killing)  # type: ignore[attr-defined]
    sync_module.AT_ONCE = AT_ONCE
    brought(SqliteIndex(folder, HashingEmbedder()), files)


def nest(pipe: Connection, folder: Path) -> None:
    """Has everything imported; forks a process that syncs whenever it is told to, and says how that ended."""
    shelve({"a.md": "Ready."}, {})
    brought(SqliteIndex(folder.with_name("ready"), HashingEmbedder()), {"a.md": "Ready."})
    while True:
        files, moment = pipe.recv()
        pid = os.fork()
        if not pid:
            sync_and_die(folder, files, moment)
            os._exit(0)
        pipe.send(pid)
        pipe.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def edit(files: Files, draw: random.Random) -> None:
    """A day's work: some files written or written over, some removed, some renamed."""
    for _ in range(draw.randrange(4, 12)):
        name = f"{draw.randrange(30):02}.md"
        paragraphs = [" ".join(draw.choices(WORDS, k=12)) for _ in range(draw.randrange(1, 5))]
        files[name] = f"# About {name}\n\neverywhere " + "\n\neverywhere ".join(paragraphs) + "\n"
    for name in draw.sample(sorted(files), min(3, len(files) - 1)):
        text = files.pop(name)
        if draw.random() < 0.5:
            files[f"{draw.randrange(30):02}.md"] = text


def shelve(files: Files, shelf: Shelf) -> None:
    """Notes what whole documents look like."""
    for name, text in files.items():
        found = whole(name, text)
        shelf[name, version_of(found, LENGTH)] = [passage.text for passage in chunk(found, LENGTH)]


def check(index: SqliteIndex, shelf: Shelf) -> None:
    """Whole documents and nothing else, all of them found; words of passages that are not there may be left over."""
    assert [one for one in index.faults() if not one.startswith("words: 0 passages are missing, ")] == []
    for id, version in index.versions().items():
        assert [passage.text for passage, _, _ in index.passages_of(id)] == shelf[id, version]
    _, passages = index.counts()
    assert len(index.search_words("everywhere", 1000)) == passages
    assert len(index.search_vectors(["everywhere"], 1000)[0]) == passages


def content(index: SqliteIndex) -> list[Any]:
    """All that an index holds, but for its passages' numbers and the stamps, which tell when a file was read."""
    with closing(sqlite3.connect(index.path)) as db:
        documents = db.execute(
            "select id, source, version, title, changed, readers, metadata, text from documents order by id"
        ).fetchall()
        rows = db.execute(
            """select id, document, start, "end", title, heading, page, text, version, changed, readers, key, vector
               from passages where died is null order by document, start"""
        ).fetchall()
    places = {row[0]: row[1:3] for row in rows}
    words = [sorted(places[id] for id, _ in index.search_words(word, 1000)) for word in WORDS]
    return [documents, [row[1:] for row in rows], words]


MOMENTS = ["before the words", "after the words", "before the commit", "after the commit"]


@pytest.mark.slow
def test_a_sync_that_is_killed_anywhere_loses_nothing(memory: Path) -> None:
    draw = random.Random(7)
    folder = memory / "index"
    files: Files = {}
    pipe, other = Pipe()
    process = start(nest, other, folder)
    shelf: Shelf = {}
    states: list[str] = []
    killed = 0
    for number in range(5 * KILLS):
        edit(files, draw)
        shelve(files, shelf)
        aimed = number < 3 * len(MOMENTS)
        pipe.send((files, (MOMENTS[number // 3], number % 3 + 1) if aimed else ("", 0)))
        pid = pipe.recv()
        if not aimed:
            time.sleep(draw.uniform(0, LONG))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        code = pipe.recv()
        assert code in (0, -9)
        killed += code == -9
        if killed == KILLS:
            break
        with closing(SqliteIndex(folder, HashingEmbedder())) as index:
            check(index, shelf)
            states.append(index.digest())
            if draw.random() < 0.2:  # else the next one finds what several have left
                brought(index, files)
                assert verify(index, {"files": source(files)}, LENGTH) == []
    with closing(SqliteIndex(folder, HashingEmbedder())) as index:
        brought(index, files)
        with closing(SqliteIndex(memory / "fresh", HashingEmbedder())) as fresh:
            brought(fresh, files)
            assert content(index) == content(fresh)
            assert index.faults() == []
    assert killed == KILLS
    assert len(set(states)) > 20  # many had stored something by then
    process.kill()
    process.join()


# ---------------------------------------------------------------- a full disk

FEW = {f"{n}.md": f"# Number {n}\n\neverywhere the number {n}.\n\neverywhere it is {n + 1}." for n in range(20)}


def leave(folder: Path, room: int) -> None:
    """Fills the disk up to so many bytes."""
    filler = folder / "filler"
    filler.write_bytes(b"")
    disk = os.statvfs(folder)
    filler.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - room)))


@pytest.mark.parametrize("room", [0, 4_096, 16_384, 65_536, 131_072, 262_144])
def test_a_full_disk_leaves_the_old_index_answering(open_index: Open, small_disk: Path, room: int) -> None:
    folder = small_disk / "index"
    index = open_index(path=folder)
    brought(index, FEW)
    before, state = content(index), index.knowledge_as_of()
    more = FEW | {f"more{n}.md": f"# More {n}\n\neverywhere {' '.join(WORDS)} {n}. " * 50 for n in range(60)}
    more["1.md"] = "everywhere another one."
    del more["2.md"]
    leave(small_disk, room)
    with pytest.raises(WorkFailed, match=r"index.*: the disk is full") as error:
        brought(index, more)
    assert "free some space" in error.value.hint
    assert content(index) == before
    assert index.knowledge_as_of() == state
    with closing(SqliteIndex(folder, HashingEmbedder())) as another:  # while the disk is full
        assert another.search_words("everywhere", 5) == index.search_words("everywhere", 5)
    index.close()
    leave(small_disk, 0)
    with pytest.raises(WorkFailed, match=r"index\.sqlite: the disk is full"):  # nobody else has it open
        open_index(path=folder)
    (small_disk / "filler").unlink()
    again = open_index(path=folder)
    assert content(again) == before
    smaller = {name: text for name, text in more.items() if len(name) < 7}
    brought(again, smaller)
    assert again.faults() == []
    assert again.documents() == {name: text.rstrip("\n") for name, text in smaller.items()}


def test_a_disk_that_is_full_when_the_words_are_written_changes_nothing_in_the_file(
    open_index: Open, small_disk: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    (small_disk / "words").mkdir()
    (folder / f"words-english-{FORMAT}").symlink_to(small_disk / "words")  # they lie on the small disk alone
    index = open_index()
    brought(index, FEW)
    before = content(index)
    leave(small_disk, 8_192)
    more = FEW | {"more.md": "everywhere one more.", "1.md": "everywhere another one."}
    for _ in range(2):
        with pytest.raises(WorkFailed, match=r"words-english.*: the disk is full"):
            brought(index, more)
        assert content(index) == before
    (small_disk / "filler").unlink()
    assert brought(index, more).added == ["more.md"]
    assert index.faults() == []
    assert len(index.search_words("one more", 1)) == 1


# ---------------------------------------------------------------- many updates


@pytest.mark.slow
def test_a_thousand_small_updates_leave_nothing_behind(memory: Path) -> None:
    draw = random.Random(5)
    files = {f"{n}.md": f"# Number {n}\n\neverywhere {' '.join(draw.choices(WORDS, k=60))}" for n in range(40)}
    sizes, counts = [], []
    with closing(SqliteIndex(memory / "index", HashingEmbedder())) as index:
        for number in range(1000):
            files[f"{draw.randrange(40)}.md"] = f"# {number}\n\neverywhere {' '.join(draw.choices(WORDS, k=60))}"
            sync_all(index, {"files": source(files)}, LENGTH, keep=2)
            if number % 10 == 0:
                there = [path for path in index.folder.rglob("*") if path.is_file()]
                sizes.append(sum(path.stat().st_size for path in there))
                counts.append(len(there))
        assert index.faults() == []
        with closing(SqliteIndex(memory / "fresh", HashingEmbedder())) as fresh:
            brought(fresh, files)
            assert content(index) == content(fresh)
            used = sum(path.stat().st_size for path in fresh.folder.rglob("*") if path.is_file())
    assert max(sizes) < 3 * used
    assert max(counts) < 100
