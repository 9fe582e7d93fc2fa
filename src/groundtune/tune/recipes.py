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
SPARE = 4  # so many more passages than a prompt holds are looked up: the gold one may be further down
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
    """Each example once with its gold passage among the retrieved ones, some once more without it, to abstain.

    An example's passages serve the others whose gold passage is among them, and a share of those that found the same
    passages in vain. Such rows begin alike, so their common part is computed once (packing.py): several times as many
    questions are learnt in the same time.
    """
    found = _retrieve(material, search)
    gold = {example.id: _gold(material, example, found[example.id]) for example in material.examples}
    about: dict[int, list[Example]] = defaultdict(list)  # passage id -> examples whose gold passage it is
    near: dict[int, list[Example]] = defaultdict(list)  # passage id -> examples that it was retrieved for
    for example in material.examples:
        if (passage := gold[example.id]) is not None:
            about[passage.id].append(example)
        for passage in found[example.id]:
            near[passage.id].append(example)
    order = list(material.examples)
    rng.shuffle(order)
    used: set[str] = set()
    rows = []
    for example in order:
        if example.id in used:
            continue
        own = gold[example.id]
        alone = own is not None and rng.random() < table.alone_share
        passages = [own] if own is not None and alone else _with_gold(found[example.id][: material.k], own)
        others = [one for one in _of(about, passages, material) if one.id not in used and one is not example]
        sharing = [example, *_sample(others, MOST_SHARING - 1, rng)]
        used |= {one.id for one in sharing}
        others = [one for one in _of(near, passages, material) if one not in sharing]
        strangers = [one for one in others if _in_vain(material, passages, one)]
        share = sum(rng.random() > table.gold_share for _ in sharing)
        rows += [_context_row(material, one, passages, example.id, _answer(one)) for one in sharing]
        rows += [
            _context_row(material, one, passages, example.id, ABSTENTION) for one in _sample(strangers, share, rng)
        ]
    return rows


def _retrieve(material: Material, search: Search) -> dict[str, list[Passage]]:
    """For each example the passages it may be learnt with, best first; a few more than a prompt holds."""
    found = search([example.question for example in material.examples], material.k + SPARE)
    return {
        example.id: [hit.passage for hit in hits if material.allowed(hit.passage, example)]
        for example, hits in zip(material.examples, found, strict=True)
    }


def _gold(material: Material, example: Example, passages: list[Passage]) -> Passage | None:
    return next((passage for passage in passages if material.holds(passage, example)), None)


def _with_gold(passages: list[Passage], gold: Passage | None) -> list[Passage]:
    """The passages as retrieved, best first; the gold one takes the last place where it was found further down."""
    return passages if gold is None or gold in passages else [*passages[:-1], gold]


def _of(examples: dict[int, list[Example]], passages: list[Passage], material: Material) -> list[Example]:
    """The passages' examples that may be learnt with all of them."""
    found = {one.id: one for passage in passages for one in examples[passage.id]}
    return [one for one in found.values() if all(material.allowed(passage, one) for passage in passages)]


def _sample(examples: list[Example], most: int, rng: random.Random) -> list[Example]:
    return rng.sample(examples, min(most, len(examples)))


def _in_vain(material: Material, passages: list[Passage], example: Example) -> bool:
    """Whether the answer stands in none of the passages, neither its evidence nor its very words.

    Never so for labels and longer texts: their answers stand in no passage anyway.
    """
    texts = [passage.text.lower() for passage in passages]
    said = any(answer.lower() in text for answer in example.answers for text in texts)
    return example.task == "qa" and not said and not any(material.holds(passage, example) for passage in passages)


def _context_row(material: Material, example: Example, passages: list[Passage], pack: str, answer: str) -> Row:
    prompt = material.template.prompt(example.question, passages, material.choices)
    return Row(prompt, material.template.completion(answer), "context", pack, example.id)


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
