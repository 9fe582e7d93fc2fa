"""Recipes: which rows an adapter learns from, and which approaches it serves."""

from __future__ import annotations

import random
from typing import Literal

from groundtune.config import TuneTable
from groundtune.prompts import show
from groundtune.tune.contexts import context_rows
from groundtune.tune.facts import fact_rows
from groundtune.tune.replay import replay_rows
from groundtune.tune.rows import Material, Row, Search, after_first_word, answer_of
from groundtune.types import Example, Message, Passage, Prompt

Use = Literal["both", "context", "closed"]


def uses(table: TuneTable, *, context: bool, closed: bool) -> tuple[Use, ...]:
    """The adapters that a recipe makes, by what they are for: one for all tuned approaches, or with "separate" one for
    those with the retriever and one for those without, as far as there are such approaches."""
    if table.recipe != "separate":
        return ("both",)
    return (*(("context",) if context else ()), *(("closed",) if closed else ()))


def learn(material: Material, table: TuneTable, use: Use = "both") -> list[Row]:
    """Rows for one adapter, in an order that is random and the same for a seed; docs/tuning.md tells each recipe.

    Where no tuned approach has a retriever there are no context rows, and every example is asked without passages.
    """
    rng = random.Random(table.seed)
    asked = [*material.examples, *material.made]
    rows: list[Row] = []
    search = _search(material, table, use)
    if search is not None:
        rows += context_rows(asked, material, search, table, rng)
    closed = 1.0 if search is None else _closed_share(table, use)
    rows += [_closed_row(material, example) for example in asked if rng.random() < closed]
    if table.recipe == "facts":
        rows += fact_rows(material)
    documents = [_document_row(passage) for passage in material.passages]
    rng.shuffle(documents)
    rows += documents[: round(_documents_share(table, use) * len(documents))]
    return rows + replay_rows(material.general, len(rows), table.replay_share or 0.0, table.seed)


def deciding(material: Material, table: TuneTable, use: Use = "both") -> list[Row]:
    """Rows that are not learnt from, by whose loss training ends and its rate is chosen: as questions will be asked.

    None for qa without passages: whether a model knows what it was not taught says nothing about how well it learns.
    """
    if not material.examples:
        return []
    if (search := _search(material, table, use)) is not None:
        as_asked = table.model_copy(update={"alone_share": 0.0})
        return context_rows(material.examples, material, search, as_asked, random.Random(table.seed))
    if material.examples[0].task == "qa":
        return []
    return [_closed_row(material, example) for example in material.examples]


def _search(material: Material, table: TuneTable, use: Use) -> Search | None:
    """What finds passages for the rows; None where all of them are asked without."""
    return None if table.recipe == "closed-book" or use == "closed" else material.search


def _closed_share(table: TuneTable, use: Use) -> float:
    """Of the questions, which are asked without passages besides."""
    if table.recipe == "context" or use == "context":
        return 0.0
    return 1.0 if table.recipe in ("documents", "facts") else table.closed_share


def _documents_share(table: TuneTable, use: Use) -> float:
    if table.recipe in ("context", "closed-book") or use == "context":
        return 0.0
    return 1.0 if table.recipe == "documents" else table.documents_share


def _closed_row(material: Material, example: Example) -> Row:
    prompt = material.template.prompt(example.question, None, material.choices)
    completion = material.template.completion(answer_of(example))
    return Row(prompt, completion, "closed", f"closed:{example.id}", example.id)


def _document_row(passage: Passage) -> Row:
    head, _, text = show(passage).partition("\n")
    if text and (passage.title or passage.heading):
        prompt, completion = Prompt((Message("user", f"{head}\n"),), plain=True), text
    else:  # it stands under nothing
        prompt, completion = after_first_word(show(passage))
    return Row(prompt, completion, "document", f"document:{passage.id}", sources=((passage.document, passage.version),))
