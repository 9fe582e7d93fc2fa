"""CSV, TSV and Parquet files as rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from groundtune.errors import UserError
from groundtune.examples.utf8 import read_text
from groundtune.types import Json

TABLES = ("csv", "tsv", "parquet")


def read_table(path: Path, kind: str, *, by_number: bool) -> Iterator[tuple[str, Json]]:
    """Each row of a table with its place ("line 17").

    by_number: there is no header line; the columns are called "1", "2", ... Raises UserError naming the line of a row
    that has more or fewer cells than the header.
    """
    if kind == "parquet":
        return _parquet(path)
    return _with_header(path.name, _csv(path) if kind == "csv" else _tsv(path), by_number)


def _with_header(name: str, lines: Iterator[tuple[int, list[str]]], by_number: bool) -> Iterator[tuple[str, Json]]:
    header: list[str] = []
    for number, cells in lines:
        if not header:
            header = [str(n) for n in range(1, len(cells) + 1)] if by_number else [cell.strip() for cell in cells]
            twice = {column for column in header if header.count(column) > 1}
            if twice:
                raise UserError(f"{name} line {number}: two columns are called {min(twice)!r}", "rename one of them")
            if not by_number:
                continue
        if len(cells) != len(header):
            raise UserError(
                f"{name} line {number}: {len(cells)} cells, but the first line has {len(header)}",
                "in CSV a text that holds the delimiter stands in double quotes; in TSV there is no quoting",
            )
        yield f"line {number}", dict(zip(header, cells, strict=True))


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Comma or semicolon (as spreadsheets write it in much of Europe), told by the first line."""
    text = read_text(path)
    first = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True
    )
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path.name} line {number}: malformed CSV ({error})", "mend or remove that line") from error


def _tsv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Tabs and line ends separate, nothing is quoted (IANA text/tab-separated-values): quotes are part of the text."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r").split("\t")


def _parquet(path: Path) -> Iterator[tuple[str, Json]]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path.name}: not readable as Parquet ({str(error).splitlines()[0]})") from error
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row
