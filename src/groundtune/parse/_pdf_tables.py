"""Tables on a PDF's page: by the lines drawn around their cells or, without such, by words that stand in columns.

A PDF knows no tables, only words and lines in places. What looks like a table is kept in rows; whatever is in doubt
stays running text, where nothing is lost.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from groundtune.parse._pdf_columns import aligned
from groundtune.parse._pdf_lines import Grid, grids
from groundtune.parse._pdf_words import LEAST_ROWS, WIDE, Table, Word, beside, joined, words_of


def find(page: Any, textpage: Any) -> tuple[list[Word], list[Table]]:
    """The words of a page and its tables; both are empty where a quick look shows no table, which is cheap."""
    ruled = grids(page)
    if not ruled and not _has_columns(textpage):
        return [], []
    words = list(words_of(textpage))
    found: list[Table] = []
    taken: set[int] = set()
    for grid in ruled:
        if table := _in_grid(grid, {n: word for n, word in enumerate(words) if n not in taken}):
            found.append(table)
            taken |= table.words
    found += aligned({n: word for n, word in enumerate(words) if n not in taken})
    return words, found


def _has_columns(textpage: Any) -> bool:
    """Whether words follow each other on one line with a wide gap often enough to be a table's rows."""
    boxes: list[tuple[float, ...]] = [textpage.get_rect(number) for number in range(textpage.count_rects())]
    gaps = (
        min(top, next_top) > max(bottom, next_bottom) and next_left - right > WIDE * (top - bottom) / 2
        for (_, bottom, right, top), (next_left, next_bottom, _, next_top) in pairwise(boxes)
    )
    return sum(gaps) >= LEAST_ROWS


def _in_grid(grid: Grid, words: dict[int, Word]) -> Table | None:
    """The table in a grid; None if it is a frame or a drawing and hardly any cell has words."""
    bands: dict[int, list[tuple[int, Word]]] = defaultdict(list)  # row -> its words, each with its column
    inside = set()
    previous: Word | None = None
    row, column = 0, 0
    for number, word in words.items():
        if not (place := grid.cell(*_middle(word))):
            continue
        if previous is None or not beside(previous, word) or _divided(grid, previous, word):
            row, column = _top_of(grid, *(grid.cell(word.left + 1, _middle(word)[1]) or place))
        bands[row].append((column, word))
        inside.add(number)
        previous = word
    width = len(grid.xs) - 1
    rows: list[list[str]] = []
    for row in range(len(grid.ys) - 1):
        above = rows[-1] if rows else [""] * width
        merged = [above[column] if row and grid.goes_on_below(row - 1, column) else "" for column in range(width)]
        for cells in _split(bands[row]):
            rows.append([joined(cells.get(column, [])) or merged[column] for column in range(width)])
    full = [row for row in rows if sum(map(bool, row)) > 1]
    return Table(rows, inside) if len(full) > 1 else None


def _split(band: list[tuple[int, Word]]) -> list[dict[int, list[str]]]:
    """The cells of a row; of several rows where no lines are drawn between them, but the words return again and again
    from the other columns to the first."""
    rows: list[dict[int, list[str]]] = [{}]
    last = 0
    for column, word in band:
        if column == 0 < last:
            rows.append({})
        rows[-1].setdefault(column, []).append(word.text)
        last = column
    if len(rows) >= LEAST_ROWS and all(len(cells) > 1 for cells in rows):
        return rows
    whole: dict[int, list[str]] = {}
    for column, word in band:
        whole.setdefault(column, []).append(word.text)
    return [whole]


def _middle(word: Word) -> tuple[float, float]:
    return (word.left + word.right) / 2, (word.bottom + word.top) / 2


def _divided(grid: Grid, first: Word, second: Word) -> bool:
    """Whether a line is drawn between two words that stand side by side."""
    left, y = _middle(first)
    right, _ = _middle(second)
    return any(left < line.at < right and line.start < y < line.end for line in grid.down)


def _top_of(grid: Grid, row: int, column: int) -> tuple[int, int]:
    while row and grid.goes_on_below(row - 1, column):
        row -= 1
    return row, column
