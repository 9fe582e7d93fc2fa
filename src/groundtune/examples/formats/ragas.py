"""Ragas single-turn samples: `user_input`, `reference`, maybe `reference_contexts` and `reference_context_ids`."""

from __future__ import annotations

from itertools import zip_longest

from groundtune.errors import UserError
from groundtune.examples.formats import Format, Found, Reading
from groundtune.examples.formats._values import text, text_or_blank, texts
from groundtune.examples.material import Material, Row
from groundtune.examples.wording import count
from groundtune.types import Evidence, Example


class Ragas:
    def recognises(self, material: Material) -> bool:
        """By `user_input` and `reference`."""
        return {"user_input", "reference"} <= set(material.keys)

    def read(self, material: Material) -> Reading:
        """One example a sample. A context without an id is evidence with a quote and no document ("")."""
        lists = material.container in ("json", "parquet")  # in CSV a list is Python source: left alone, and said
        found = [_example(row, contexts=lists) for row in material.rows]
        notes: tuple[str, ...] = ()
        if not lists and "reference_contexts" in material.keys:
            notes = (f"{material.name}: reference_contexts were left out; save the test set as JSONL to keep them",)
        return Reading(f"Ragas, {count(len(found), 'sample')} with references", found, notes=notes)


def _example(row: Row, *, contexts: bool) -> Found:
    quotes = texts(row, "reference_contexts") if contexts else ()
    ids = texts(row, "reference_context_ids") if contexts else ()
    if quotes and ids and len(quotes) != len(ids):
        raise UserError(
            f"{row.where}: {len(quotes)} reference_contexts but {len(ids)} reference_context_ids",
            "give each context its id, or leave the ids out",
        )
    evidence = tuple(Evidence(document, quote) for document, quote in zip_longest(ids, quotes, fillvalue=""))
    answers = (text(row, "reference"),)
    return Found(row.where, Example(text_or_blank(row, "id"), "qa", text(row, "user_input"), answers, evidence))


def create() -> Format:
    return Ragas()
