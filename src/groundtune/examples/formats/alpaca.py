"""Alpaca: {"instruction", "input", "output"}; the input may be missing or empty."""

from __future__ import annotations

from groundtune.examples.formats import Format, Found, Reading
from groundtune.examples.formats._values import text, text_or_blank
from groundtune.examples.material import Material, Row
from groundtune.examples.wording import count
from groundtune.types import Example


class Alpaca:
    def recognises(self, material: Material) -> bool:
        """By `instruction` and `output`."""
        return {"instruction", "output"} <= set(material.keys)

    def read(self, material: Material) -> Reading:
        """One example a row: the instruction and the input, a blank line between them, ask for the output."""
        found = [_example(row) for row in material.rows]
        return Reading(f"Alpaca, {count(len(found), 'instruction')} with outputs", found)


def _example(row: Row) -> Found:
    question = "\n\n".join(filter(None, (text(row, "instruction"), text_or_blank(row, "input"))))
    return Found(row.where, Example(text_or_blank(row, "id"), "text", question, (text(row, "output"),)))


def create() -> Format:
    return Alpaca()
