"""Rows of named values: CSV, TSV, JSONL. Each row becomes a paragraph of one line that can be understood on its own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from groundtune.parse._encoding import decode
from groundtune.parse._parsed import Format, Parsed, one_line

_DELIMITERS = ",;\t|"
_NONE = "\x1f"  # divides nothing: for a file of one column, whose text may hold commas
_SAMPLE_ROWS = 50


def csv_table(data: bytes) -> Parsed:
    """A CSV file with a header; it may be divided by commas, semicolons, tabs or bars."""
    text = decode(data)
    return _table(text, _delimiter(text))


def tsv_table(data: bytes) -> Parsed:
    """A file with a header, divided by tabs."""
    return _table(decode(data), "\t")


def jsonl(data: bytes) -> Parsed:
    """One JSON object a line. Raises ValueError with the number of a line that is none."""
    paragraphs = []
    for number, line in enumerate(decode(data).split("\n"), start=1):
        if not line.strip():
            continue
        if not line.lstrip().startswith("{"):
            raise ValueError(f"line {number}: an object {{...}} was expected")
        try:
            fields = list(_fields(json.loads(line)))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        paragraphs.append(row_line(fields) if len(fields) > 1 else row_line(("", value) for _, value in fields))
    return Parsed("\n\n".join(filter(None, paragraphs)))


def row_line(row: Iterable[tuple[str, str]]) -> str:
    """A row as a line: "item: Lamp; fee: 3 EUR". Empty values are dropped; a value without a name stands alone."""
    pairs = [(one_line(name), words) for name, value in row if (words := one_line(value))]
    return "; ".join(f"{name}: {words}" if name else words for name, words in pairs)


def _table(text: str, delimiter: str) -> Parsed:
    rows = _rows(text, delimiter)
    header = next(rows, [])
    if len(header) == 1:  # a list of texts, which often has no header
        rows, header = chain([header], rows), [""]
    return Parsed("\n\n".join(row_line(_named(header, row)) for row in rows))


def _named(header: Sequence[str], row: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A row's values with their columns' names; values beyond the header are named by their number."""
    for number, value in enumerate(row, start=1):
        yield (header[number - 1] if number <= len(header) else f"column {number}"), value


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """The rows that are not blank. Strict: a quotation mark that is never closed would swallow the rest of the file."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from (row for row in reader if any(value.strip() for value in row))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _delimiter(text: str) -> str:
    """The delimiter that cuts most of the first rows into as many values as the header, and into the most values.

    csv.Sniffer counts characters, also those in quoted text, and fails on a single column.
    """

    def fit(delimiter: str) -> tuple[float, int]:
        widths = []
        with suppress(ValueError):  # said when the rows are read for good
            for row in islice(_rows(text, delimiter), _SAMPLE_ROWS):
                widths.append(len(row))
        if not widths or widths[0] < 2:
            return 0, 0
        return widths.count(widths[0]) / len(widths), widths[0]

    best = max(_DELIMITERS, key=fit)
    return best if fit(best)[1] else _NONE


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The values in a JSON value with their names; the name of an inner one is the way to it: "price.currency"."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        if any(isinstance(inner, (dict, list)) for inner in value):
            for inner in value:
                yield from _fields(inner, name)
        else:
            yield name, ", ".join(map(_scalar, value))
    else:
        yield name, _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


FORMATS = {
    ".csv": Format("CSV", csv_table),
    ".tsv": Format("TSV", tsv_table),
    ".jsonl": Format("JSONL", jsonl),
    ".ndjson": Format("JSONL", jsonl),
}
