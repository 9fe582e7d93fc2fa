"""XLSX: a sheet is a section; as in CSV, a row is a line that can be understood on its own."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice
from typing import Any

from groundtune.parse._cells import Cell, shown
from groundtune.parse._limits import check_text, office
from groundtune.parse._parsed import Format, Outline, Parsed, one_line
from groundtune.parse.tables import row_line

_MOST_ROWS = 1_048_576  # of a sheet in Excel; a file may claim more
_SAMPLE = 50  # rows at the top of a block say whether it has a header
_TALL = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')
_PIECE = 1 << 20

Row = dict[int, Cell]  # by column, counted from 0; without what is empty


def xlsx(data: bytes) -> Parsed:
    """An Excel workbook, without its hidden sheets; formulas are read as the value that was computed last."""
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    with office(data, "spreadsheetml.sheet", "an Excel workbook"):
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        outline = Outline()
        length = 0
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
                continue
            lines: list[str] = []
            for line in _lines(sheet):
                length += len(line) + 1
                check_text(length)
                lines.append(line)
            if lines:
                outline.heading(1, sheet.title)
                outline.verbatim("\n\n".join(filter(None, lines)))  # each row a paragraph, which a passage keeps whole
        return replace(outline.parsed(), title=one_line(book.properties.title or ""))


def _lines(sheet: Any) -> Iterator[str]:
    """A line a row, and an empty line where blank rows divide the sheet into blocks."""
    header: Row = {}
    for filled, block in groupby(_rows(sheet), key=bool):
        if not filled:
            yield ""
            continue
        sample = list(islice(block, _SAMPLE))
        above = next((number for number, row in enumerate(sample) if len(row) > 1), len(sample))  # lines over the table
        captions, rows = sample[:above], sample[above:]
        if _has_header(rows, header):
            header, rows = rows[0], rows[1:]
        elif max(map(len, rows), default=0) < len(header):
            header = {}
        yield from (_line(row, {}) for row in captions)
        yield from (_line(row, header) for row in chain(rows, block))


def _has_header(rows: Sequence[Row], header: Row) -> bool:
    """Whether a block's first row names its columns; `header`: what named those of the block above.

    Two columns are names with their values ("Weight", "3 kg"), unless numbers or dates stand in each row but the first.
    """
    if len(rows) < 2 or not all(cell.is_name for cell in rows[0].values()):
        return False
    has_values = [any(not cell.is_words for cell in row.values()) for row in rows[1:]]
    if max(map(len, rows)) == 2:
        return len(rows) > 2 and all(has_values) and all(cell.is_words for cell in rows[0].values())
    return rows[0].keys() != header.keys() or has_values[0]


def _line(row: Row, header: Mapping[int, Cell]) -> str:
    if header:
        return row_line((header[column].text if column in header else "", cell.text) for column, cell in row.items())
    return (": " if len(row) == 2 else "; ").join(cell.text for cell in row.values())


def _rows(sheet: Any) -> Iterator[Row]:
    """The rows of a sheet, what is merged over several rows in each of those that hold anything else."""
    sheet.reset_dimensions()  # what a file says of its size may be wrong, and then costs hours
    merged = _merged(sheet)
    reaching: dict[int, tuple[int, Cell]] = {}  # column -> down to which row, and what
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > _MOST_ROWS:
            raise ValueError(f"a sheet of more than {_MOST_ROWS:,} rows")
        row = {column: cell for column, each in enumerate(cells) if (cell := shown(each))}
        if row and reaching:
            reaching = {column: item for column, item in reaching.items() if item[0] >= number}
            row = dict(sorted(({column: item[1] for column, item in reaching.items()} | row).items()))
        for column in merged.get(number, {}).keys() & row.keys():
            reaching[column] = merged[number][column], row[column]
        yield row


def _merged(sheet: Any) -> dict[int, dict[int, int]]:
    """Where cells are merged over several rows: row -> column -> last row. They stand at the end of a sheet's XML."""
    from openpyxl.utils import column_index_from_string  # type: ignore[import-untyped]

    found: dict[int, dict[int, int]] = {}
    with sheet._get_source() as source:  # openpyxl reads no merged cells where it reads row by row
        rest = b""
        while piece := source.read(_PIECE):
            piece = rest + piece
            end = piece.rfind(b">") + 1
            for column, first, last in _TALL.findall(piece, 0, end):
                if first != last:
                    found.setdefault(int(first), {})[column_index_from_string(column.decode()) - 1] = int(last)
            rest = piece[end:][-_PIECE:]
    return found


FORMATS = {".xlsx": Format("XLSX", xlsx)}
