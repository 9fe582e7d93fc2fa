"""A sync that is killed or runs out of disk loses nothing: the index opens, answers, and the next sync completes it."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import WorkFailed
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import AT_ONCE
from tests.corpus import HashingEmbedder, document, sync

Open = Callable[..., SqliteIndex]

DOCUMENTS = [document(f"{n:03}.md", f"# Number {n}\n\nThe number {n}.\n\n# Next\n\nIt is {n + 1}.") for n in range(384)]

# Says on standard output when a batch is about to be embedded, which is when the batch before it has been stored, and
# takes its time, so that a kill a little later falls into the storing.
SYNC = """
import sys, time
from pathlib import Path
from groundtune.index.sqlite import SqliteIndex
from tests.corpus import Given, HashingEmbedder
from tests.index.test_broken_off import DOCUMENTS

class Saying(HashingEmbedder):
    def embed(self, texts):
        print("embedding", flush=True)
        time.sleep(0.05)
        return super().embed(texts)

sync(SqliteIndex(Path(sys.argv[1]), Saying()), [*DOCUMENTS])
"""


def content(path: Path) -> list[Any]:
    """All that an index holds, but for the numbers of its passages; its words are checked against its passages."""
    with sqlite3.connect(path) as db:
        db.execute("insert into words (words, rank) values ('integrity-check', 1)")
        documents = db.execute("select * from documents order by id").fetchall()
        passages = db.execute(
            'select document, start, "end", heading, page, text, context, key, vector from passages order by 1, 2'
        ).fetchall()
    db.close()
    return [documents, passages]


def kill_a_sync(path: Path, batches: int, later: float) -> None:
    """Kills a sync in the batch with this number, some seconds after it began."""
    command = [sys.executable, "-c", SYNC, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        for _ in range(batches):
            assert process.stdout.readline() == "embedding\n"
        time.sleep(later)
        process.kill()
    assert process.returncode == -9


def test_a_killed_sync_goes_on_to_what_an_undisturbed_one_makes(open_index: Open, tmp_path: Path) -> None:
    killed = tmp_path / "killed.sqlite"
    stored = 0
    for batches, later in ((1, 0.0), (2, 0.055), (1, 0.06), (2, 0.065)):
        kill_a_sync(killed, batches, later)
        index = open_index(path=killed)
        documents, passages = index.counts()
        assert passages == 2 * documents
        assert documents >= stored + AT_ONCE * (batches - 1)
        assert len(index.search_vectors(["number"], 1000)[0]) == passages
        stored = documents
        content(killed)
        index.close()
    assert 0 < stored < len(DOCUMENTS)
    embedder = HashingEmbedder()
    summary = sync(open_index(embedder, killed), [*DOCUMENTS])
    assert summary.unchanged == stored
    assert len(embedder.embedded) == 2 * (len(DOCUMENTS) - stored)
    fresh = open_index()
    sync(fresh, [*DOCUMENTS])
    assert content(killed) == content(fresh.path)


def test_a_full_disk_leaves_the_old_index_answering(open_index: Open, small_disk: Path) -> None:
    path = small_disk / "index.sqlite"
    index = open_index(path=path)
    few = DOCUMENTS[:10]
    sync(index, [*few])
    before, held = content(path), index.search_words("number 3", 5)
    large = [document(f"large{n}.md", f"Much {n}. " * 100_000) for n in range(3)]
    with pytest.raises(WorkFailed, match=r"index\.sqlite: the disk is full") as error:
        sync(index, [*few, *large], 100_000)
    assert "free some space" in error.value.hint
    assert index.search_words("number 3", 5) == held
    index.close()
    assert content(path) == before
    again = open_index(path=path)
    assert again.search_words("number 3", 5) == held
    assert sync(again, [*few, document("small.md", "One more.")]).added == 1
