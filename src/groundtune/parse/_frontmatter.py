"""The front matter of a text file: YAML between two lines of `---` at its top.

It may say who is allowed to read the document, so whatever is not quite right is refused: a slip of the pen must never
open a document to everyone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

_OPEN = re.compile(r"\s*---[ \t]*(\n|$)")
_CLOSE = re.compile(r"^(---|\.\.\.)[ \t]*(\n|\Z)", re.MULTILINE)
_TOML = re.compile(r"\s*\+\+\+[ \t]*\n")
_READERS = re.compile(r"^\W*readers?\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What a front matter says; `metadata` holds its other keys whose value is a scalar, as it is written."""

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
    block = text[opened.end() : closed.start()]
    return _read(block, text.count("\n", 0, opened.end())), text[closed.end() :]


def _read(block: str, lines_above: int) -> FrontMatter:
    values = _values(block, lines_above)
    title = values.pop("title", None)
    readers = values.pop("readers", None)
    if slips := get_close_matches("readers", values, cutoff=0.8):
        raise ValueError(f"front matter: {slips[0]} looks like a slip for readers; rename it")
    if readers is None and _READERS.search(block):
        raise ValueError("front matter: readers must be a key of its own at the top level: readers: [staff]")
    return FrontMatter(
        title=_scalar(title) or "",
        readers=frozenset() if readers is None else _groups(readers),
        metadata={key: value for key, node in values.items() if (value := _scalar(node))},
    )


def _values(block: str, lines_above: int) -> dict[str, Any]:
    """Key -> YAML node. Nodes keep what is written (1.10, not 1.1) and keys that stand there twice."""
    import yaml

    try:
        root: Any = yaml.compose(block, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = lines_above + 1 + (error.problem_mark.line if error.problem_mark else 0)
        raise ValueError(f"front matter, line {line}: {error.problem}") from error
    if root is None:
        return {}
    if root.id != "mapping":
        raise ValueError('front matter: lines of "key: value" were expected; a rule at the top is written ***')
    values: dict[str, Any] = {}
    for key, value in root.value:
        name = (_scalar(key) or "").casefold()
        if not name:
            raise ValueError("front matter: a key must be a word")
        if name in values:
            raise ValueError(f"front matter: {name} stands there twice")
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
        raise ValueError("front matter: readers must be a list of one or more names: readers: [staff]")
    return frozenset(names)
