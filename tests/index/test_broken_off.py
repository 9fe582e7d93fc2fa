"""A sync that is killed or runs out of disk loses nothing: the index opens, answers, and the next sync completes it."""

import os
import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from groundtune import parse, plug
from groundtune.index import database
from groundtune.index import sync as sync_module
from groundtune.index.chunk import chunk
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import Summary, version_of
from groundtune.index.sync import sync as sync_all
from groundtune.index.verify import verify
from groundtune.index.words import Words
from groundtune.types import Document, Source
from tests.corpus import HashingEmbedder
from tests.processes import send, start, wait

Open = Callable[..., SqliteIndex]
Shelf = dict[tuple[str, str], list[str]]  # document and version -> the texts of its passages

AT_ONCE = 8  # documents in a transaction
LENGTH = 120  # characters of a passage
WORDS = ("kettle", "lamp", "pump", "garden", "price", "return", "water", "light", "seed", "delivery")
KILLS = 60
LONG = 0.08  # seconds that a sync takes here, more or less


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: what is flushed there takes no time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def source(docs: Path) -> Source:
    made: Source = plug.make("sources", "folder", {"path": str(docs)}, parse, where="[[sources]]")
    return made


def brought(index: SqliteIndex, docs: Path) -> Summary:
    return sync_all(index, {"docs": source(docs)}, LENGTH, keep=1)


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


def sync_and_die(folder: Path, docs: Path, begun: Path, moment: tuple[str, int]) -> None:
    """Runs in a process of its own. moment: when it kills itself."""
    change = Words.change

    def changing(*arguments: Any) -> None:
        count_down("before the words")
        change(*arguments)
        count_down("after the words")

    sync_module.AT_ONCE = AT_ONCE
    Killing.moment = moment
    Words.change = changing  # type: ignore[method-assign]
    database.sqlite3.connect = partial(sqlite3.connect, factory=Killing)  # type: ignore[attr-defined]
    import filelock  # noqa: F401
    import tantivy  # noqa: F401

    shelve(docs, {})  # what is imported by then takes no time of the sync's
    begun.touch()
    brought(SqliteIndex(folder, HashingEmbedder()), docs)


def edit(docs: Path, draw: random.Random) -> None:
    """A day's work in a folder: some files written or written over, some removed, some renamed."""
    for _ in range(draw.randrange(4, 12)):
        path = docs / f"{draw.randrange(30):02}.md"
        paragraphs = [" ".join(draw.choices(WORDS, k=12)) for _ in range(draw.randrange(1, 5))]
        path.write_text(f"# About {path.stem}\n\neverywhere " + "\n\neverywhere ".join(paragraphs) + "\n")
    there = sorted(docs.iterdir())
    for path in draw.sample(there, min(3, len(there) - 1)):
        path.unlink() if draw.random() < 0.5 else path.rename(docs / f"{draw.randrange(30):02}.md")


def shelve(docs: Path, shelf: Shelf) -> None:
    """Notes what whole documents look like."""
    for found in source(docs).documents({}, lambda _: None):
        assert isinstance(found, Document)
        shelf[found.id, version_of(found, LENGTH)] = [passage.text for passage in chunk(found, LENGTH)]


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
    return [documents, [row[1:] for row in rows], words, index.faults()]


MOMENTS = ["before the words", "after the words", "before the commit", "after the commit"]


@pytest.mark.slow
def test_a_sync_that_is_killed_anywhere_loses_nothing(memory: Path) -> None:
    draw = random.Random(7)
    folder, docs, begun = memory / "index", memory / "docs", memory / "begun"
    docs.mkdir()
    aimed = [(moment, number) for moment in MOMENTS for number in (1, 2, 3)]
    shelf: Shelf = {}
    killed = 0
    while killed < KILLS:
        edit(docs, draw)
        shelve(docs, shelf)
        begun.unlink(missing_ok=True)
        process = start(sync_and_die, folder, docs, begun, aimed.pop() if aimed else ("", 0))
        if not aimed and wait(process, begun.exists):
            time.sleep(draw.uniform(0, LONG))
            send(process, signal.SIGKILL)
        process.join()
        assert process.exitcode in (0, -9)
        killed += process.exitcode == -9; print(process.exitcode, end=" ")
        with closing(SqliteIndex(folder, HashingEmbedder())) as index:
            check(index, shelf)
            if draw.random() < 0.2:  # else the next one finds what several have left
                brought(index, docs)
                assert verify(index, {"docs": source(docs)}, LENGTH) == []
    with closing(SqliteIndex(folder, HashingEmbedder())) as index:
        brought(index, docs)
        with closing(SqliteIndex(memory / "fresh", HashingEmbedder())) as fresh:
            brought(fresh, docs)
            assert content(index) == content(fresh)
        assert [path.name for path in folder.glob(".tmp*")] == []
