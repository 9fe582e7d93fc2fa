"""Several that write at once do each other no harm, and whoever reads meanwhile sees whole documents, all of them."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from groundtune.index import database
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import sync as sync_all
from groundtune.types import Document
from groundtune.workspace import writing
from tests.corpus import Given, HashingEmbedder, document, sync
from tests.processes import start

Open = Callable[..., SqliteIndex]

DOCUMENTS = 12
PARAGRAPHS = 3
LENGTH = 80  # characters of a passage: each paragraph is one
ROUNDS = 8
BOTH = ["a", "b"]


def edition(number: int, folder: str = "") -> list[Document]:
    """Documents each of whose passages says which edition it belongs to."""
    paragraphs = [f"Everywhere stands edition{number} in paragraph {n} of document" for n in range(PARAGRAPHS)]
    return [document(f"{folder}{n}.md", "\n\n".join(f"{p} {n}." for p in paragraphs)) for n in range(DOCUMENTS)]


def editions(index: SqliteIndex) -> set[str]:
    """The editions that the index holds. Fails where a document is not whole or not found."""
    of_documents: dict[str, list[str]] = {}
    for passage in index.all_passages():
        of_documents.setdefault(passage.document, []).append(passage.text)
    assert len(of_documents) == DOCUMENTS
    found = set()
    for texts in of_documents.values():
        (one,) = {text.split()[2] for text in texts}
        assert len(texts) == len(set(texts)) == PARAGRAPHS
        found.add(one)
    assert len(index.search_words("everywhere", 1000)) == DOCUMENTS * PARAGRAPHS
    assert len(index.search_vectors(["everywhere"], 1000)[0]) == DOCUMENTS * PARAGRAPHS
    return found


def read(folder: Path, pipe: Connection, anew: bool) -> None:
    """Looks at the index again and again until it is told to stop; says when it begins, and what it saw.

    anew: opens it for every look.
    """
    looks, seen = 0, set()
    try:
        with closing(SqliteIndex(folder, HashingEmbedder())) as index:
            pipe.send("ready")
            while not pipe.poll():
                with closing(SqliteIndex(folder, HashingEmbedder())) if anew else nullcontext(index) as opened:
                    seen |= editions(opened)
                looks += 1
            last = editions(index)
    except Exception as error:  # noqa: BLE001 (the test shows it)
        pipe.send(repr(error))
    else:
        pipe.send((looks, seen, last))


def by_syncs(folder: Path) -> None:
    with closing(SqliteIndex(folder, HashingEmbedder())) as index:
        for number in range(1, ROUNDS + 1):
            sync(index, edition(number), LENGTH)


def by_rebuilds(folder: Path) -> None:
    for number in range(1, ROUNDS + 1):
        with writing(folder) as aside, closing(SqliteIndex(aside, HashingEmbedder())) as index:
            sync(index, edition(number), LENGTH)


@pytest.mark.parametrize("change", [by_syncs, by_rebuilds], ids=["sync", "rebuild"])
def test_readers_see_whole_documents_all_the_time(
    open_index: Open, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    sync(open_index(), edition(0), LENGTH)
    readers = []
    for anew in (False, True):
        pipe, other = Pipe()
        readers.append((start(read, tmp_path / "index", other, anew), pipe))
        assert pipe.recv() == "ready"
    change(tmp_path / "index")
    for process, pipe in readers:
        with suppress(BrokenPipeError):
            pipe.send("stop")
        said = pipe.recv()
        assert isinstance(said, tuple), said
        looks, seen, last = said
        assert looks > 5
        assert len(seen) > 2
        assert last == {f"edition{ROUNDS}"}
        process.join()


def write(folder: Path, source: str) -> None:
    """One of two that write: its own documents, over and over."""
    with closing(SqliteIndex(folder, HashingEmbedder())) as index:
        for number in range(ROUNDS):
            sync_all(index, {source: Given(*edition(number, source))}, LENGTH, names=BOTH, keep=2)


def expect_both(index: SqliteIndex, tmp_path: Path) -> None:
    with closing(SqliteIndex(tmp_path / "fresh", HashingEmbedder())) as fresh:
        sync_all(fresh, {name: Given(*edition(ROUNDS - 1, name)) for name in BOTH}, LENGTH)
        assert index.versions() == fresh.versions()
        assert [(p.document, p.text) for p in index.all_passages()] == [
            (p.document, p.text) for p in fresh.all_passages()
        ]
    assert index.faults() == []
    assert len(index.search_words("everywhere", 1000)) == 2 * DOCUMENTS * PARAGRAPHS


def test_two_processes_that_sync_at_once_both_get_their_way(open_index: Open, tmp_path: Path) -> None:
    processes = [start(write, tmp_path / "index", source) for source in BOTH]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    expect_both(open_index(), tmp_path)


@pytest.mark.parametrize("shared", [True, False], ids=["one index object", "one each"])
def test_two_threads_that_sync_at_once_both_get_their_way(open_index: Open, tmp_path: Path, shared: bool) -> None:
    index = open_index()
    failed: list[Exception] = []

    def bring(source: str) -> None:
        try:
            mine = index if shared else open_index()
            for number in range(ROUNDS):
                sync_all(mine, {source: Given(*edition(number, source))}, LENGTH, names=BOTH, keep=2)
                mine.search_words("everywhere", 10)
        except Exception as error:  # noqa: BLE001 (the test shows it)
            failed.append(error)

    threads = [threading.Thread(target=bring, args=[source]) for source in BOTH]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    expect_both(index, tmp_path)


def make(path: Path, at: float, pipe: Connection) -> None:
    while time.time() < at:
        pass
    try:
        database.connect(path).close()
    except Exception as error:  # noqa: BLE001 (the test shows it)
        pipe.send(repr(error))
    else:
        pipe.send("made")


def test_several_that_open_a_new_index_at_once_all_succeed(tmp_path: Path) -> None:
    for number in range(6):
        at = time.time() + 0.3
        pipes = []
        for _ in range(3):
            pipe, other = Pipe()
            pipes.append((start(make, tmp_path / str(number) / "index.sqlite", at, other), pipe))
        assert [pipe.recv() for _, pipe in pipes] == ["made"] * 3
        for process, _ in pipes:
            process.join()


def test_an_open_index_that_was_rebuilt_meanwhile_writes_to_the_new_one(open_index: Open, tmp_path: Path) -> None:
    index = open_index()
    sync(index, edition(0), LENGTH)
    with writing(tmp_path / "index") as aside, closing(SqliteIndex(aside, HashingEmbedder())) as other:
        sync(other, edition(1), LENGTH)
    sync(index, edition(2), LENGTH)
    assert editions(index) == editions(open_index()) == {"edition2"}
    assert index.faults() == []
