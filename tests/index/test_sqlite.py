"""The index in a file: it says plainly when the file cannot be used, and keeps nothing in it of what is gone."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.index.matrix import best_of
from groundtune.index.sqlite import SqliteIndex
from tests.corpus import document, sync

Open = Callable[..., SqliteIndex]

DOCUMENTS = [
    document("returns.md", "# Returns\n\nSend the kettle back within thirty days.\n"),
    document("prices.md", "# Prices\n\nA kettle costs forty euros.\n\n# Discounts\n\nStudents pay half.\n"),
]


def test_nothing_of_what_is_gone_stays_in_the_file(open_index: Open) -> None:
    index = open_index()
    sync(index, [*DOCUMENTS])
    sync(index, [document("returns.md", "# Returns\n\nNo more kettles are taken.\n")])
    with closing(sqlite3.connect(index.path)) as db:
        assert db.execute("select count(vector) from passages").fetchone() == (1,)
    index.close()
    content = index.path.read_bytes()
    assert b"taken" in content
    assert b"thirty" not in content
    assert b"Students" not in content


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\x00" + b"\x07" * 5000])
def test_a_file_that_is_no_index_is_named(open_index: Open, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index" / "index.sqlite"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"index\.sqlite: damaged") as error:
        open_index()
    assert "--rebuild" in error.value.hint
    assert path.read_bytes() == content


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_index_is_named_or_answers(open_index: Open, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "index" / "index.sqlite"
    index = open_index()
    sync(index, [*DOCUMENTS])
    index.close()
    draw = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(4):
        at = draw.randrange(100, len(content) - 64)
        content[at : at + 64] = draw.randbytes(64)
    path.write_bytes(content[: draw.randrange(4096, len(content))] if seed % 2 else content)
    try:
        damaged = open_index()
        damaged.passages([id for id, _ in damaged.search_words("kettle costs", 10)])
        damaged.search_vectors(["kettle costs"], 3)
        sync(damaged, [*DOCUMENTS])
    except UserError as error:
        assert str(path.parent) in error.message


def test_a_folder_in_the_place_of_the_index_is_named(open_index: Open, tmp_path: Path) -> None:
    (tmp_path / "index" / "index.sqlite").mkdir(parents=True)
    with pytest.raises(UserError, match=r"index\.sqlite: cannot be opened"):
        open_index()


def test_a_file_in_the_place_of_the_workspace_is_named(open_index: Open, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("not a folder")
    with pytest.raises(UserError, match="work"):
        open_index(path=tmp_path / "work" / "index")


# ---------------------------------------------------------------- the exact scan


@given(scores=st.lists(st.integers(0, 4), max_size=30), n=st.integers(1, 40))
def test_the_best_are_those_of_a_full_sort_and_equal_ones_keep_their_order(scores: list[int], n: int) -> None:
    values = np.array(scores, dtype=np.float32)
    assert best_of(values, n).tolist() == np.argsort(-values, kind="stable")[:n].tolist()
