"""Tables without lines on a PDF's page.

Whatever made the page wrote a table cell by cell or line by line, but columns of prose one after the other. So pieces
that follow each other to the right are cells, and rows of such in the same columns are a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

from groundtune.parse._pdf_words import LEAST_ROWS, Table, Word, beside, joined, level, together

_APART = 4  # lines: rows further apart are not of one table
_HIGH = 60  # points: how much higher than the end of one cell the next may begin
_LONGEST = 45  # characters of a cell, on average: longer ones are columns of prose
_MARK = re.compile(r"[-•–*·▪‣◦]|\(?\w{1,3}[.)]")  # of a list's item: its text stands apart, but it is no cell


class Piece(NamedTuple):
    """Words that stand together: a line of a cell or, later, all of it. `box`: all of them as one word."""

    box: Word
    words: tuple[int, ...]


def aligned(words: dict[int, Word]) -> Iterator[Table]:
    """The tables that words make, given by their numbers on the page."""
    rows: list[list[Piece]] = []
    held: list[list[Piece]] = []  # a row of one cell: part of the table if that goes on below it
    columns: list[tuple[float, float]] = []
    for row in (*_rows(_pieces(words)), []):
        fitting = _fit(columns, row) if rows and row and _below((held or rows)[-1], row) < _APART else []
        if fitting and len(row) > 1:
            rows += [*held, row]
            held = []
            columns = fitting
        elif len(fitting) == len(columns) > 0 and not held:
            held = [row]
        else:
            yield from _table(rows, columns, words)
            held = []
            rows = [row] if len(row) > 1 else []
            columns = _fit([], row) if rows else []


def _pieces(words: dict[int, Word]) -> Iterator[Piece]:
    piece: Piece | None = None
    for number, word in words.items():
        if piece and (beside(piece.box, word) or (_MARK.fullmatch(piece.box.text) and level(piece.box, word))):
            piece = Piece(together(piece.box, word), (*piece.words, number))
            continue
        if piece:
            yield piece
        piece = Piece(word, (number,))
    if piece:
        yield piece


def _rows(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Rows of cells. A cell's lines follow each other downwards; the next cell begins to the right, maybe higher up."""
    row: list[list[Piece]] = []  # of cells, of lines
    for piece in pieces:
        if not row:
            row = [[piece]]
            continue
        last = row[-1][-1].box
        if piece.box.left > last.right and (level(last, piece.box) or last.top < piece.box.top < last.top + _HIGH):
            if len(row) == 1:
                above, row = _divide(row[0], piece)
                yield from ([line] for line in above)
            row.append([piece])
        elif _goes_on(row, piece):
            row[-1].append(piece)
        else:
            yield from _cells(row)
            row = [[piece]]
    yield from _cells(row)


def _goes_on(row: list[list[Piece]], piece: Piece) -> bool:
    """Whether a piece is the next line of a row's last cell: close below it, and clear of the cell to its left."""
    last, here = row[-1][-1].box, piece.box
    height = here.top - here.bottom
    return (
        -0.5 * height < last.bottom - here.top < height
        and here.left < last.right
        and last.left < here.right
        and (len(row) == 1 or here.left > row[-2][-1].box.right)
    )


def _divide(lines: list[Piece], second: Piece) -> tuple[list[Piece], list[list[Piece]]]:
    """Lines of which the last ones turn out to be a row's first cell: those above it, and the row.

    The second cell may stand beside the first's last line, its first or its middle.
    """
    if level(lines[-1].box, second.box):
        return lines[:-1], [lines[-1:]]
    middle = (second.box.top + second.box.bottom) / 2
    top = middle + (middle - lines[-1].box.bottom)
    above = [line for line in lines if line.box.bottom + line.box.top > 2 * top]
    return above, [lines[len(above) :]]


def _cells(row: list[list[Piece]]) -> Iterator[list[Piece]]:
    """A row whose cells are one piece each; lines that have nothing beside them are rows of their own."""
    if len(row) == 1:
        yield from ([line] for line in row[0])
    elif row:
        yield [
            Piece(reduce(together, (line.box for line in cell)), sum((line.words for line in cell), ())) for cell in row
        ]


def _below(above: list[Piece], row: list[Piece]) -> float:
    """How far a row stands below another, in lines of its own height."""
    box = row[0].box
    return (min(piece.box.bottom for piece in above) - box.top) / max(box.top - box.bottom, 1)


def _fit(columns: list[tuple[float, float]], row: list[Piece]) -> list[tuple[float, float]]:
    """The columns, widened by a row's cells and with its new ones; none if two cells would share a column."""
    fitting = list(columns)
    used: set[int] = set()
    for box in (piece.box for piece in row):
        shared = [number for number, (left, right) in enumerate(fitting) if box.left < right and left < box.right]
        if len(shared) > 1 or used & set(shared):
            return []
        if shared:
            left, right = fitting[shared[0]]
            fitting[shared[0]] = min(left, box.left), max(right, box.right)
            used.add(shared[0])
        else:
            used.add(len(fitting))
            fitting.append((box.left, box.right))
    return sorted(fitting)


def _table(rows: list[list[Piece]], columns: list[tuple[float, float]], words: dict[int, Word]) -> Iterator[Table]:
    """The table that rows make, if they do: enough of them, most cells filled, the words in them few."""
    cells = [
        [
            [number for piece in row if left <= piece.box.left <= right for number in piece.words]
            for left, right in columns
        ]
        for row in rows
    ]
    texts = [[joined([words[number].text for number in cell]) for cell in row] for row in cells]
    filled = [text for row in texts for text in row if text]
    if len(rows) < LEAST_ROWS or 2 * len(filled) < len(rows) * len(columns):
        return
    if sum(map(len, filled)) <= _LONGEST * len(filled):
        yield Table(texts, {number for row in rows for piece in row for number in piece.words})
