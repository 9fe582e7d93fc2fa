"""What is said about a document beside its text: in a text file's front matter, YAML between two lines of `---` at its
top, or in a sidecar, a YAML file that lies beside a file of any format.

Either may say who is allowed to read the document, so whatever is not quite right is refused: a slip of the pen must
never open a document to everyone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from groundtune.errors import UserError
from groundtune.parse._encoding import decode
from groundtune.parse._parsed import one_line
from groundtune.workspace import dumps

_OPEN = re.compile(r"\s*---[ \t]*(\n|$)")
_CLOSE = re.compile(r"^(---|\.\.\.)[ \t]*(\n|\Z)", re.MULTILINE)
_TOML = re.compile(r"\s*\+\+\+[ \t]*\n")
_READERS = re.compile(r"^\W*readers?\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What a front matter or a sidecar says; `metadata` holds its other keys whose value is a scalar, as written."""

    title: str = ""
    readers: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)


def split(text: str) -> tuple[FrontMatter, str]:
    """A text's front matter, and the text without it. Raises ValueError for a front matter that is malformed."""
    if _TOML.match(text):
        raise ValueError("front matter in TOML (+++); write it in YAML, between lines of ---")
    opened = _OPEN.match(text)
    if not opened:
        return FrontMatter(), text
    closed = _CLOSE.search(text, opened.end())
    if not closed:
        raise ValueError("its first line (---) opens a front matter that is never closed; a rule is written ***")
    above = "\n" * text.count("\n", 0, opened.end())  # so that lines are counted from the top of the file
    try:
        return _read(above + text[opened.end() : closed.start()]), text[closed.end() :]
    except ValueError as error:
        raise ValueError(f"front matter: {error}") from error


def sidecar(data: bytes) -> FrontMatter:
    """What a sidecar says. Raises UserError, its message the reason, for one that is malformed or says nothing."""
    try:
        block = decode(data)
        if not block.strip():
            raise ValueError("it is empty")
        found = _read(block)
        dumps(found).encode()  # a half surrogate could not be stored
    except ValueError as error:
        raise UserError(str(error), "it holds the same keys as a front matter (docs/documents.md)") from error
    return found


def _read(block: str) -> FrontMatter:
    values = _values(block)
    title = values.pop("title", None)
    readers = values.pop("readers", None)
    if slips := get_close_matches("readers", values, cutoff=0.8):
        raise ValueError(f"{slips[0]} looks like a slip for readers; rename it")
    if readers is None and _READERS.search(block):
        raise ValueError("readers must be a key of its own at the top level: readers: [staff]")
    return FrontMatter(
        title=_scalar(title) or "",
        readers=frozenset() if readers is None else _groups(readers),
        metadata={key: value for key, node in values.items() if (value := _scalar(node))},
    )


def _values(block: str) -> dict[str, Any]:
    """Key -> YAML node. Nodes keep what is written (1.10, not 1.1) and keys that stand there twice."""
    import yaml

    try:
        root: Any = yaml.compose(block, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = f"line {1 + error.problem_mark.line}: " if error.problem_mark else ""
        raise ValueError(f"{where}{error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not readable as YAML ({one_line(str(error))})") from error
    if root is None:
        return {}
    if root.id != "mapping":
        raise ValueError('lines of "key: value" were expected; a rule at the top of a text is written ***')
    values: dict[str, Any] = {}
    for key, value in root.value:
        name = (_scalar(key) or "").casefold()
        if not name:
            raise ValueError("a key must be a word")
        if name in values:
            raise ValueError(f"{name} stands there twice")
        values[name] = value
    return values


def _scalar(node: Any) -> str | None:
    """What is written at a node, if that is a single value."""
    if node is None or node.id != "scalar" or node.tag.endswith(":null"):
        return None
    return str(node.value).strip()


def _groups(node: Any) -> frozenset[str]:
    values = node.value if node.id == "sequence" else []
    names = [str(value.value).strip() for value in values if value.id == "scalar" and value.tag.endswith(":str")]
    if not all(names) or len(names) != len(values) or not names:
        raise ValueError("readers must be a list of one or more names: readers: [staff]")
    return frozenset(names)
