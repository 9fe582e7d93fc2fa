"""The lines drawn on a PDF's page, and the grids that they make."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

_NEAR = 3.0  # points: lines this close are meant to meet, or to be one
_SHORT = 5.0  # points: what is shorter is a letter's or a drawing's
_MOST_PATHS = 5_000  # more are a map or a plot
_MOST_POINTS = 200  # of one path
_MOST_PAIRS = 100_000  # of lines that may cross
_NESTED = 3  # drawings in drawings


class Line(NamedTuple):
    """A line across (at: its y) or down (at: its x), from `start` to `end` on the other axis."""

    at: float
    start: float
    end: float

    def spans(self, place: float) -> bool:
        return self.start - _NEAR <= place <= self.end + _NEAR


class Grid(NamedTuple):
    """Lines that cross. `xs` from the left, `ys` from the bottom: what divides it into columns and rows."""

    xs: list[float]
    ys: list[float]
    across: list[Line]
    down: list[Line]

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """The row, from the top, and the column of a place; None outside."""
        if not (self.xs[0] <= x <= self.xs[-1] and self.ys[0] <= y <= self.ys[-1]):
            return None
        column = min(bisect_right(self.xs, x), len(self.xs) - 1) - 1
        return len(self.ys) - 1 - min(bisect_right(self.ys, y), len(self.ys) - 1), column

    def goes_on_below(self, row: int, column: int) -> bool:
        """Whether no line is drawn under a cell: it is merged with the one below."""
        y = self.ys[len(self.ys) - 2 - row]
        middle = (self.xs[column] + self.xs[column + 1]) / 2
        return not any(abs(line.at - y) <= _NEAR and line.spans(middle) for line in self.across)


def grids(page: Any) -> list[Grid]:
    """The grids of a page that have at least two rows and two columns, the smallest first."""
    lines = _lines(page)
    across, down = _joined(line for level, line in lines if level), _joined(line for level, line in lines if not level)
    if len(across) * len(down) > _MOST_PAIRS:
        return []
    found = [
        Grid(
            _places([line.at for line in down] + [end for line in across for end in line[1:]]),
            _places([line.at for line in across] + [end for line in down for end in line[1:]]),
            across,
            down,
        )
        for across, down in _crossing(across, down)
    ]
    found = [grid for grid in found if len(grid.xs) > 2 and len(grid.ys) > 2]
    return sorted(found, key=lambda grid: (grid.xs[-1] - grid.xs[0]) * (grid.ys[-1] - grid.ys[0]))


def _lines(page: Any) -> list[tuple[bool, Line]]:
    """Every line drawn across (True) or down, the edges of rectangles included."""
    from pypdfium2 import raw  # type: ignore[import-untyped]

    found = []
    for number, path in enumerate(page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=_NESTED)):
        if number >= _MOST_PATHS:
            return []
        for (x, y), (x2, y2) in _strokes(path, raw):
            if abs(y - y2) < 1 and abs(x - x2) > _SHORT:
                found.append((True, Line((y + y2) / 2, min(x, x2), max(x, x2))))
            elif abs(x - x2) < 1 and abs(y - y2) > _SHORT:
                found.append((False, Line((x + x2) / 2, min(y, y2), max(y, y2))))
    return found


def _strokes(path: Any, raw: Any) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """The straight pieces of a path on the page."""
    count = raw.FPDFPath_CountSegments(path)
    if count > _MOST_POINTS:
        return
    matrix = path.get_matrix()
    x, y = ctypes.c_float(), ctypes.c_float()
    begin = here = (0.0, 0.0)
    for number in range(count):
        segment = raw.FPDFPath_GetPathSegment(path, number)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        point = matrix.on_point(x.value, y.value)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            begin = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield here, point
        here = point
        if raw.FPDFPathSegment_GetClose(segment):
            yield here, begin


def _joined(lines: Iterable[Line]) -> list[Line]:
    """Lines with those made one that go on in each other."""
    found: list[Line] = []
    for line in sorted(lines, key=lambda line: (round(line.at / _NEAR), line.start)):
        last = found[-1] if found else None
        if last and abs(last.at - line.at) <= _NEAR and line.start <= last.end + _NEAR:
            found[-1] = Line(last.at, last.start, max(last.end, line.end))
        else:
            found.append(line)
    return found


def _crossing(across: Sequence[Line], down: Sequence[Line]) -> Iterator[tuple[list[Line], list[Line]]]:
    """The lines in groups that hang together."""
    group = list(range(len(across) + len(down)))

    def root(number: int) -> int:
        while group[number] != number:
            group[number] = group[group[number]]
            number = group[number]
        return number

    for first, level in enumerate(across):
        for second, upright in enumerate(down, start=len(across)):
            if level.spans(upright.at) and upright.spans(level.at):
                group[root(second)] = root(first)
    members: dict[int, tuple[list[Line], list[Line]]] = defaultdict(lambda: ([], []))
    for number, line in enumerate([*across, *down]):
        members[root(number)][number >= len(across)].append(line)
    return (pair for pair in members.values() if all(pair))


def _places(places: list[float]) -> list[float]:
    """Places in order, each once."""
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > _NEAR:
            found.append(place)
    return found
