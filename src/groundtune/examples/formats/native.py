"""Groundtune's own rows, in JSONL or under the same names in a table: see docs/examples.md."""

from __future__ import annotations

from typing import Any

from groundtune.errors import UserError
from groundtune.examples.formats import Format, Found, Reading
from groundtune.examples.formats._values import text, text_or_blank, texts, wrong
from groundtune.examples.material import Material, Row
from groundtune.examples.wording import PAGE, count
from groundtune.types import Evidence, Example, Task

# What is asked and what answers it: the two names that make a row an example, and the task that they mean.
SHAPES: dict[tuple[str, str], Task] = {
    ("question", "answers"): "qa",
    ("text", "label"): "labels",
    ("input", "output"): "text",
}


class Native:
    def recognises(self, material: Material) -> bool:
        """By one of the three pairs of names."""
        return any(set(shape) <= set(material.keys) for shape in SHAPES)

    def read(self, material: Material) -> Reading:
        """One example a row, all of the shape of the first. Raises UserError where a row lacks one of the two names."""
        asked, answered = _shape(material)
        task = SHAPES[asked, answered]
        found, set_aside = [], 0
        for row in material.rows:
            _complete(row, asked, answered)
            evidence = _evidence(row)
            answers = texts(row, answered) if task == "qa" else (text(row, answered),)
            group = text_or_blank(row, "group")
            if not answers and evidence:  # evidence is where an answer stands; here it only says what belongs together
                group, evidence, set_aside = group or evidence[0].document, (), set_aside + 1
            example = Example(text_or_blank(row, "id"), task, text(row, asked), answers, evidence, group)
            found.append(Found(row.where, example))
        notes: tuple[str, ...] = ()
        if set_aside:
            notes = (f"evidence of {count(set_aside, 'unanswerable question')} was used for grouping only",)
        kind = "native rows" if material.container == "json" else material.container.upper()
        return Reading(f'{kind}, {count(len(found), "example")} of "{asked}" and "{answered}"', found, notes=notes)


def _shape(material: Material) -> tuple[str, str]:
    """The pair of names that the first row holds; where it holds half of one, that one (its rows are then refused)."""
    keys = set(material.keys)
    whole = [shape for shape in SHAPES if set(shape) <= keys]
    half = [shape for shape in SHAPES if set(shape) & keys]
    if whole or (half and material.container == "json"):
        return (whole or half)[0]
    what = "keys" if material.container == "json" else "columns"
    mapped = half[0] if half else ("question", "answers")
    line = ", ".join(f'{ours} = "{ours if ours in keys else "..."}"' for ours in mapped)
    numbered = ", ".join(f'{ours} = "{number}"' for number, ours in enumerate(mapped, start=1))
    headless = f"; of a file without a header line by numbers: columns = {{{numbered}}}" if what == "columns" else ""
    raise UserError(
        f'{material.name}: no {what} "question" and "answers", "text" and "label", or "input" and "output"; '
        f"there are: {', '.join(_short(key) for key in material.keys[:12])}",
        f"say which is which: [examples] columns = {{{line}}}{headless} ({PAGE})",
    )


def _short(key: str) -> str:
    return f'"{key[:40]}..."' if len(key) > 40 else f'"{key}"'


def _complete(row: Row, asked: str, answered: str) -> None:
    for key in (asked, answered):
        if key not in row.values:
            raise UserError(f'{row.where}: no "{key}"; an example needs "{asked}" and "{answered}" ({PAGE})')


def _evidence(row: Row) -> tuple[Evidence, ...]:
    """The list under "evidence"; or the cells "document" and "quote", which is how a table says it."""
    if "document" in row.values:
        document = text_or_blank(row, "document")
        return (Evidence(document, text_or_blank(row, "quote")),) if document else ()
    pieces = row.values.get("evidence") or []
    if not isinstance(pieces, list):
        raise wrong(row, "evidence", 'a list of {"document": .., "quote": ..}', pieces)
    return tuple(_piece(row, piece) for piece in pieces)


def _piece(row: Row, piece: Any) -> Evidence:
    if not isinstance(piece, dict) or "document" not in piece:
        raise wrong(row, "evidence", '{"document": .., "quote": ..}', piece)
    inner = Row(f'{row.where}, "evidence"', piece)
    return Evidence(text(inner, "document"), text_or_blank(inner, "quote"))


def create() -> Format:
    return Native()
