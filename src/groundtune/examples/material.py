"""A file of examples, opened: rows with the place each one stands at, whatever the file is made of.

What the rows mean is not known here; that is the business of formats/.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.errors import UserError
from groundtune.examples.tables import TABLES, read_table
from groundtune.examples.utf8 import read_text
from groundtune.examples.wording import PAGE
from groundtune.types import Json

# An escape that is half of a character, such as an emoji; with its other half after it, it is fine.
BROKEN = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
# The names that `columns` can give to a file's own names.
NAMES = ("question", "answers", "document", "quote", "evidence", "group", "id", "text", "label", "input", "output")


@dataclass(frozen=True, slots=True)
class Row:
    """One example as it stands in the file, and where: "questions.jsonl line 17"."""

    where: str
    values: Json


@dataclass(frozen=True, slots=True)
class Material:
    """What lies at a path: rows; none where it is a folder. `container`: json, csv, tsv, parquet or folder."""

    path: Path
    container: str
    rows: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def keys(self) -> list[str]:
        """The names in the first row, from which a format is recognised."""
        return list(self.rows[0].values) if self.rows else []


def open_material(path: Path, container: str, columns: dict[str, str]) -> Material:
    """Opens a file or folder of examples.

    container: "csv", "tsv", "parquet", or "auto" to go by the file's suffix. columns: our name -> the file's name.
    Raises UserError naming the file and line where it is missing, empty, not UTF-8, malformed, or lacks a column.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file", "[examples] path names the file (or BEIR folder) of examples")
    if path.is_dir():
        return Material(path, "folder")
    if container == "auto":
        container = path.suffix.lower().removeprefix(".")
    if container in TABLES:
        table = read_table(
            path, container, by_number=bool(columns) and all(name.isdigit() for name in columns.values())
        )
        rows = tuple(Row(f"{path.name} {place}", values) for place, values in table)
    else:
        container, rows = "json", tuple(json_rows(path))
    if not rows:
        raise UserError(f"{path.name}: empty", f"at least 10 examples are needed; how they look: {PAGE}")
    return Material(path, container, _renamed(path.name, rows, columns) if columns else rows)


def json_rows(path: Path) -> list[Row]:
    """The objects of a JSONL file, of a JSON array, of a JSON object of objects (keyed by id), or a single object."""
    text = read_text(path)
    first, _, rest = text.strip().partition("\n")
    if not first:
        return []
    if path.suffix.lower() in (".jsonl", ".ndjson") or (rest and _is_object(first)):
        lines = text.split("\n")
        return [_row(path.name, f"line {n}", line, n) for n, line in enumerate(lines, start=1) if line.strip()]
    if first[0] not in "[{":
        raise UserError(
            f"{path.name}: unknown format; JSON, JSONL, CSV, TSV, Parquet and the BEIR layout are known",
            f'a table with another suffix is read with [examples] format = "csv" or "tsv" ({PAGE})',
        )
    value = _parse(path.name, text, 1)
    if isinstance(value, list):
        return [_object(f"{path.name} item {n}", item) for n, item in enumerate(value, start=1)]
    if value and all(isinstance(item, dict) for item in value.values()):
        return [Row(f"{path.name} key {key!r}", {"id": key, **item}) for key, item in value.items()]
    return [Row(path.name, value)]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _row(name: str, place: str, line: str, number: int) -> Row:
    return _object(f"{name} {place}", _parse(name, line, number))


def _object(where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise UserError(f"{where}: an object {{...}} was expected, not {json.dumps(value)[:60]}", f"see {PAGE}")
    return Row(where, value)


def _parse(name: str, text: str, line: int) -> Any:
    try:
        value = json.loads(text)
        if BROKEN.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # half a character could be read, but never written
        return value
    except json.JSONDecodeError as error:
        raise UserError(
            f"{name} line {line + error.lineno - 1}: malformed JSON ({error.msg} at column {error.colno})",
            "mend or remove that line",
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, a huge number, half a character
        raise UserError(f"{name} line {line}: not usable JSON ({error})") from error


def _renamed(name: str, rows: tuple[Row, ...], columns: dict[str, str]) -> tuple[Row, ...]:
    """The rows under our names alone: those that `columns` maps, and those the file has by itself."""
    there = rows[0].values
    for ours, theirs in columns.items():
        if ours not in NAMES:
            raise UserError(f"[examples] columns: {ours!r} is unknown; one of: {', '.join(NAMES)}")
        if theirs not in there:
            listed = ", ".join(f'"{key}"' for key in there)
            raise UserError(f'{name}: no column "{theirs}"; there are: {listed}', f"[examples] columns ({PAGE})")
    by_itself = {key: key for key in NAMES if key not in columns and key not in columns.values()}
    names = by_itself | columns
    return tuple(
        Row(row.where, {ours: row.values[theirs] for ours, theirs in names.items() if theirs in row.values})
        for row in rows
    )
