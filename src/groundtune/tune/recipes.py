"""What an adapter learns from: examples, asked with retrieved passages and without, and the documents themselves."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from groundtune.config import TuneTable
from groundtune.prompts import ABSTENTION, Template, show
from groundtune.types import Example, Hit, Message, Passage, Prompt

Search = Callable[[Sequence[str], int], list[list[Hit]]]
Kind = Literal["context", "closed", "document"]
DISTRACTORS = 4  # so many more passages than a prompt holds are looked up, to stand in for ones taken out
MOST_SHARING = 6  # examples that share one prompt's passages


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to learn: after the prompt comes the completion. Rows of one `pack` begin with the same passages."""

    prompt: Prompt
    completion: str
    kind: Kind
    pack: str
    example: str = ""  # the id of the example it was made from


@dataclass(frozen=True, slots=True)
class Material:
    """What recipes draw on.

    search: questions to hits, best first, as many as the second argument says; holds: whether a passage holds the
    example's evidence; allowed: whether the example may be learnt with this passage before it; passages: those of the
    documents that tuning may read as text (none where the question is skill).
    """

    examples: Sequence[Example]
    search: Search | None
    holds: Callable[[Passage, Example], bool]
    allowed: Callable[[Passage, Example], bool]
    passages: Sequence[Passage]
    template: Template
    choices: tuple[str, ...]
    k: int


def mixed(material: Material, table: TuneTable) -> list[Row]:
    """Rows for one adapter that serves `tuned` and `hybrid`, in an order that is random and the same for a seed.

    Every example with its retriever's own passages (RAFT, Zhang et al. 2024; a share without the gold passage teaches
    abstention), a share of the examples without passages, and the documents' passages as text.
    """
    rng = random.Random(table.seed)
    rows: list[Row] = []
    if material.search is not None:
        rows += _context_rows(material, material.search, table, rng)
    closed = 1.0 if material.search is None else table.closed_share
    rows += [_closed_row(material, example) for example in material.examples if rng.random() < closed]
    documents = [_document_row(passage) for passage in material.passages]
    rng.shuffle(documents)
    rows += documents[: round(table.documents_share * len(documents))]
    return rows


def _context_rows(material: Material, search: Search, table: TuneTable, rng: random.Random) -> list[Row]:
    """Each example once, with passages that were really retrieved.

    An example's passages serve the other examples whose gold passage is among them too: such rows begin alike, so their
    common part is computed once (packing.py), which trains on several times as many questions in the same time.
    """
    found = _retrieve(material, search)
    gold = {example.id: _gold(material, example, found[example.id]) for example in material.examples}
    about: dict[int, list[Example]] = defaultdict(list)
    for example in material.examples:
        if (passage := gold[example.id]) is not None:
            about[passage.id].append(example)
    order = list(material.examples)
    rng.shuffle(order)
    used: set[str] = set()
    rows = []
    for example in order:
        if example.id in used:
            continue
        without = gold[example.id] is not None and rng.random() > table.gold_share
        passages = _passages(material, found[example.id], gold[example.id], without=without)
        sharing = [example]
        if not without:
            others = [other for passage in passages for other in about[passage.id] if other.id not in used]
            rng.shuffle(others)
            sharing += [other for other in others if other is not example][: MOST_SHARING - 1]
        used |= {one.id for one in sharing}
        answers = [ABSTENTION] if without else [_answer(one) for one in sharing]
        for one, answer in zip(sharing, answers, strict=True):
            prompt = material.template.prompt(one.question, passages, material.choices)
            rows.append(Row(prompt, material.template.completion(answer), "context", example.id, one.id))
    return rows


def _retrieve(material: Material, search: Search) -> dict[str, list[Passage]]:
    """For each example the passages it may be learnt with, best first; a few more than a prompt holds."""
    found = search([example.question for example in material.examples], material.k + DISTRACTORS)
    return {
        example.id: [hit.passage for hit in hits if material.allowed(hit.passage, example)]
        for example, hits in zip(material.examples, found, strict=True)
    }


def _gold(material: Material, example: Example, passages: list[Passage]) -> Passage | None:
    return next((passage for passage in passages if material.holds(passage, example)), None)


def _passages(material: Material, found: list[Passage], gold: Passage | None, *, without: bool) -> list[Passage]:
    """The k passages of a prompt, best first: as retrieved, but surely with the gold passage, or surely without."""
    if without:
        return [passage for passage in found if passage != gold][: material.k]
    top = found[: material.k]
    if gold is not None and gold not in top:
        top[-1] = gold
    return top


def _closed_row(material: Material, example: Example) -> Row:
    prompt = material.template.prompt(example.question, None, material.choices)
    return Row(prompt, material.template.completion(_answer(example)), "closed", f"closed:{example.id}", example.id)


def _document_row(passage: Passage) -> Row:
    shown = show(passage)
    head, _, text = shown.partition("\n")
    prompt = Prompt((Message("user", f"{head}\n"),), plain=True)
    return Row(prompt, text or head, "document", f"document:{passage.id}")


def _answer(example: Example) -> str:
    return example.answers[0] if example.answers else ABSTENTION
