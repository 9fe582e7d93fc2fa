"""A row of a database as a document: its id, who may read it, its text."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Real
from typing import Any
from uuid import UUID

from groundtune.sources._sql_columns import Columns
from groundtune.sources._sql_stamps import Stamp, in_utc, stamp
from groundtune.types import Document, LeftOut
from groundtune.workspace import digest

OPEN = "*"  # what a row's readers say where everyone may read it
SHORT = 100  # characters; a longer value is a paragraph of its own
NAMED, KEY_CHARS = 5, 60  # keys that a message about many rows names, and how much of each

Row = Mapping[str, Any]


class Rows:
    """Makes documents of rows."""

    def __init__(self, columns: Columns, prefix: str, setup: str) -> None:
        """setup: a digest of whatever else a document depends on; another one makes every row a changed one."""
        self.columns = columns
        self._prefix = prefix
        self._setup = setup
        self.doubled: set[str] = set()  # ids of documents that several rows claim to be

    def named(self, rows: Iterable[Row], left_out: Callable[[LeftOut], None]) -> Iterator[tuple[str, Row]]:
        """Each row with its document's id. Those that cannot be told from others are left out, and named together."""
        seen: set[str] = set()
        nameless: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            key = row[self.columns.key]
            try:
                id = f"{self._prefix}/{identity(key)}"
                if id in seen:
                    self.doubled.add(id)
                    raise ValueError("whose key another row has")
            except ValueError as error:
                nameless[str(error)][repr(key)[:KEY_CHARS]] += 1
            else:
                seen.add(id)
                yield id, row
        for reason, keys in nameless.items():
            some = ", ".join(list(keys)[:NAMED])
            left_out(LeftOut(self._prefix, f"{keys.total()} of its rows, {reason} ({self.columns.key}: {some})"))

    def state(self, row: Row) -> Stamp:
        """A row's stamp, but for its content."""
        changed = row[self.columns.updated_at] if self.columns.updated_at else None
        readers = row[self.columns.readers] if self.columns.readers else None
        return stamp(self._setup, changed, readers)

    def document(self, id: str, row: Row) -> Document:
        """The row as a document. Raises ValueError, its message the reason, where it cannot be one."""
        readers = groups(row[self.columns.readers]) if self.columns.readers else frozenset()
        title = " ".join(_written(row, self.columns.title).split()) if self.columns.title else ""
        text = self._text(row).replace("\r\n", "\n").replace("\r", "\n")
        if not text.strip():
            raise ValueError("it holds no text")
        if not _is_storable(title + text):
            raise ValueError("its text is damaged: not UTF-8, or with a zero byte in it")
        state = self.state(row)
        whole = state._replace(content=digest([title, text]))
        return Document(id, text, title, str(whole), state.moment.iso, readers=readers)

    def _text(self, row: Row) -> str:
        if self.columns.text:
            return "\n\n".join(filter(str.strip, (_written(row, name) for name in self.columns.text)))
        special = {*self.columns.of_state(), self.columns.title}
        names = [name for name in row if name not in special and not _is_binary(row[name])]
        return _described((name, _written(row, name)) for name in names)


def identity(value: Any) -> str:
    """A key as text. Raises ValueError, its message the reason, where it is none."""
    if value is None or value == "":
        raise ValueError("without a key")
    if isinstance(value, bool) or not isinstance(value, (str, Real, Decimal, UUID)):
        raise ValueError(f"whose key is neither text nor a number but {type(value).__name__}")
    key = str(int(value)) if isinstance(value, Decimal) and value == value.to_integral_value() else str(value)
    if not key.isprintable() and any(unicodedata.category(sign) in ("Cc", "Cs") for sign in key):
        raise ValueError("whose key holds control characters or is no valid text")
    return key


def groups(value: Any) -> frozenset[str]:
    """Who may read a row; empty: everyone. Raises ValueError unless it is clear: a slip must open nothing."""
    names = _listed(value.strip()) if isinstance(value, str) else value
    if names is None or names == []:
        raise ValueError(f"its readers are empty; {OPEN!r} says that everyone may read it")
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError("its readers are no names of groups: a JSON list, an array, or text with commas between")
    stripped = [name.strip() for name in names]
    if stripped == [OPEN]:
        return frozenset()
    if not all(stripped) or OPEN in stripped:
        raise ValueError(f"one of its readers is empty, or {OPEN!r} among others")
    return frozenset(stripped)


def _listed(value: str) -> Any:
    """The names in a text: a JSON list, or with commas between."""
    if value.startswith(("[", "{", '"')):  # what is no JSON then is a slip, not a name
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.split(",") if value else []


def _described(fields: Iterable[tuple[str, str]]) -> str:
    """A line "name: value" for each value that is not empty; a long one is a paragraph of its own."""
    text, after_line = "", True
    for name, value in fields:
        if words := value.strip():
            is_line = len(words) <= SHORT and "\n" not in words
            text += ("\n" if is_line and after_line else "\n\n") if text else ""
            text += f"{name}: {words}"
            after_line = is_line
    return text


def _written(row: Row, name: str) -> str:
    """A value as a person would write it. Raises ValueError for binary data."""
    value = row[name]
    if _is_binary(value):
        raise ValueError(f"its column {name} holds binary data")
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case datetime():
            return (in_utc(value) if value.tzinfo else value).isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def _is_binary(value: Any) -> bool:
    return isinstance(value, (bytes, bytearray, memoryview))


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # what was no UTF-8 in the database
        return False
    return "\0" not in text
