"""The vectors in memory: brought up to date they are as if read anew; a quick scan finds what an exact one finds."""

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.index import matrix as matrix_module
from groundtune.index.matrix import Matrix, Row
from groundtune.types import EVERYONE, Reader

if TYPE_CHECKING:
    from groundtune.types import Vectors

READERS = ["[]", '["a"]', '["b"]', '["a", "b"]', '["c"]']
GROUPS = [frozenset[str](), frozenset("a"), frozenset("bc"), frozenset("abc")]


def row(id: int, readers: str, dimensions: int = 4) -> Row:
    vector = np.random.default_rng(id).normal(size=dimensions).astype(np.float32)
    return id, (vector / np.linalg.norm(vector)).tobytes(), readers


def said(matrix: Matrix) -> list[tuple[int, list[float], str]]:
    readers = [matrix.audiences[number] for number in matrix.audience]
    return list(zip(matrix.ids.tolist(), matrix.vectors.tolist(), readers, strict=True))


# Of each change: the readers of the passages that are added, and for each that is there by then whether it stays.
changes = st.lists(st.tuples(st.lists(st.sampled_from(READERS), max_size=5), st.lists(st.booleans())), max_size=6)


@given(history=changes)
def test_brought_up_to_date_it_is_as_if_read_anew(history: list[tuple[list[str], list[bool]]]) -> None:
    matrix, rows, number = Matrix.empty(), dict[int, Row](), 0
    for readers, stay in history:
        for id in [id for id, stays in zip(rows, stay, strict=False) if not stays]:
            del rows[id]
        added = [row(number := number + 1, names) for names in readers]
        rows |= {one[0]: one for one in added}
        matrix = matrix.changed(np.array(list(rows), np.int64), added)
        anew = Matrix.of(list(rows.values()))
        assert said(matrix) == said(anew)
        for groups in GROUPS:
            reader = Reader(groups)
            open_ids = [id for id, _, names in rows.values() if names == "[]" or groups & set(json.loads(names))]
            assert matrix.ids[matrix.open_to(reader)].tolist() == open_ids
            query = np.frombuffer(row(0, "[]")[1], np.float32)
            if open_ids:
                assert matrix.nearest(query, 3, reader) == anew.nearest(query, 3, reader)
        wanted = np.arange(number + 2)
        assert [wanted[at] for at, found in enumerate(matrix.rows_of(wanted)) if found >= 0] == list(rows)


def clustered(count: int, seed: int, width: int = 384, dimensions: slice = slice(None)) -> "Vectors":
    """Unit vectors as embedders make them: in clusters, most of their spread along few directions."""
    draw = np.random.default_rng(seed)
    vectors = np.zeros((count, width), np.float32)
    wide = vectors[:, dimensions].shape[1]
    spread = (1 + np.arange(wide)) ** -0.5
    centres = draw.normal(size=(200, wide)) * spread
    vectors[:, dimensions] = centres[draw.integers(200, size=count)] + 0.7 * draw.normal(size=(count, wide)) * spread
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def rows_of(vectors: "Vectors", readers: list[str], first: int = 1) -> list[Row]:
    return [(first + n, vector.tobytes(), readers[n % len(readers)]) for n, vector in enumerate(vectors)]


def recall(matrix: Matrix, queries: "Vectors", reader: Reader) -> float:
    """The share of the exact ten best that are found."""
    permitted = np.flatnonzero(matrix.open_to(reader))
    shares = []
    for query in queries:
        exact = permitted[np.argsort(-(matrix.vectors[permitted] @ query), kind="stable")[:10]]
        found = matrix.nearest(query, 10, reader)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        assert all(score == pytest.approx(matrix.vectors[id - 1] @ query, abs=1e-5) for id, score in found)
        shares.append(len({id for id, _ in found} & set(matrix.ids[exact].tolist())) / 10)
    return float(np.mean(shares))


def test_the_coarse_scan_finds_what_the_exact_one_finds() -> None:
    readers = ["[]"] * 30 + ['["few"]']
    vectors = clustered(matrix_module.COARSE_FROM + 100, 1)
    matrix = Matrix.of(rows_of(vectors[:-100], readers))
    assert len(matrix.ids) >= matrix_module.COARSE_FROM
    assert recall(matrix, vectors[-100:], EVERYONE) >= 0.99
    assert "coarse" in matrix.__dict__


def test_the_coarse_scan_finds_what_is_new_after_the_index_has_grown_by_other_things() -> None:
    known, other = clustered(2_000, 2, 128, slice(0, 64)), clustered(8_100, 3, 128, slice(64, 128))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("COARSE_FROM", 1_000), ("LEAST", 200), ("COMPONENTS", 48)):
            patch.setattr(matrix_module, name, value)
        matrix = Matrix.of(rows_of(known, ["[]"]))
        for start in range(0, 8_000, 500):
            matrix.nearest(known[0], 10, EVERYONE)
            matrix = matrix.changed(matrix.ids, rows_of(other[start : start + 500], ["[]"], len(matrix.ids) + 1))
        assert recall(matrix, other[-100:], EVERYONE) >= 0.99


@pytest.mark.parametrize("open_ones", [0, 3, 40])
def test_the_coarse_scan_finds_as_many_as_a_reader_may_read(open_ones: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_module, "COARSE_FROM", 1_000)
    monkeypatch.setattr(matrix_module, "LEAST", 100)
    vectors = clustered(2_000, 4)
    rows = [(n + 1, vector.tobytes(), "[]" if n < open_ones else '["staff"]') for n, vector in enumerate(vectors)]
    matrix = Matrix.of(rows)
    found = matrix.nearest(vectors[-1], 10, EVERYONE)
    assert len(found) == min(10, open_ones)
    assert {id for id, _ in found} <= set(range(1, open_ones + 1))
    assert len(matrix.nearest(vectors[-1], 10, Reader(frozenset({"staff"})))) == 10


@pytest.mark.parametrize("lengths", [(4, 3), (4, 4.25)])
def test_vectors_that_cannot_be_right_are_refused(lengths: tuple[float, float]) -> None:
    rows = [(id, bytes(int(4 * length)), "[]") for id, length in enumerate(lengths)]
    with pytest.raises(ValueError, match=r"array|reshape|buffer"):
        Matrix.of(rows)
    with pytest.raises(ValueError, match=r"array|reshape|buffer"):
        Matrix.of(rows[:1]).changed(np.array([0]), rows[1:])
