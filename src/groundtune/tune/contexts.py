"""Context rows: examples as they will be asked, with the passages that their own retriever finds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from groundtune.config import TuneTable
from groundtune.prompts import ABSTENTION
from groundtune.tune.rows import Material, Row, Search, answer_of
from groundtune.types import Example, Passage

SPARE = 4  # so many more passages than a prompt holds are looked up: the gold one may be further down
MOST_SHARING = 6  # examples that share one prompt's passages


def context_rows(
    examples: Sequence[Example], material: Material, search: Search, table: TuneTable, rng: random.Random
) -> list[Row]:
    """Each example once with its gold passage among the retrieved ones, some once more without it, to abstain (RAFT,
    Zhang et al. 2024).

    An example's passages serve others about the same gold passage, and a share of those that found the same passages in
    vain. One without an answer is about the passage that was found first. Such rows begin alike, so what they share is
    computed once (packing.py): several times as many questions are learnt in the same time. Others whose gold passage
    stands elsewhere among the passages do not share them: there the retriever ranked differently, and that the best
    passage is mostly the right one is worth learning.
    """
    found = _retrieve(examples, material, search)
    subject = {example.id: _subject(material, example, found[example.id]) for example in examples}
    about: dict[int, list[Example]] = defaultdict(list)  # passage id -> examples that it is the subject of
    near: dict[int, list[Example]] = defaultdict(list)  # passage id -> examples that it was retrieved for
    for example in examples:
        if (passage := subject[example.id]) is not None:
            about[passage.id].append(example)
        for passage in found[example.id]:
            near[passage.id].append(example)
    order = list(examples)
    rng.shuffle(order)
    used: set[str] = set()
    rows = []
    for example in order:
        if example.id in used:
            continue
        own = subject[example.id]
        passages = _shown(found[example.id][: material.k], own, alone=rng.random() < table.alone_share)
        others = [] if own is None else [one for one in about[own.id] if one.id not in used and one is not example]
        sharing = [example, *_sample(_allowed(others, passages, material), MOST_SHARING - 1, rng)]
        used |= {one.id for one in sharing}
        lookers = {one.id: one for passage in passages for one in near[passage.id] if one not in sharing}
        strangers = [
            one for one in _allowed(list(lookers.values()), passages, material) if _in_vain(material, passages, one)
        ]
        share = sum(rng.random() > table.gold_share for one in sharing if one.answers)  # others teach it anyway
        rows += [_row(material, one, passages, example.id, answer_of(one)) for one in sharing]
        rows += [_row(material, one, passages, example.id, ABSTENTION) for one in _sample(strangers, share, rng)]
    return rows


def _retrieve(examples: Sequence[Example], material: Material, search: Search) -> dict[str, list[Passage]]:
    """For each example the passages it may be learnt with, best first; a few more than a prompt holds."""
    found = search([example.question for example in examples], material.k + SPARE)
    return {
        example.id: [hit.passage for hit in hits if material.allowed(hit.passage, example)]
        for example, hits in zip(examples, found, strict=True)
    }


def _subject(material: Material, example: Example, passages: list[Passage]) -> Passage | None:
    """The gold passage; for an example without an answer, which has none, the one found first."""
    if not example.answers:
        return passages[0] if passages else None
    return next((passage for passage in passages if material.holds(passage, example)), None)


def _shown(passages: list[Passage], gold: Passage | None, *, alone: bool) -> list[Passage]:
    """The passages as retrieved, best first; the gold one takes the last place where it was found further down.

    alone: nothing but the gold one, which is learnt from in a third of the time.
    """
    if gold is None or gold in passages:
        return [gold] if alone and gold is not None else passages
    return [gold] if alone else [*passages[:-1], gold]


def _allowed(examples: list[Example], passages: list[Passage], material: Material) -> list[Example]:
    """Those that may be learnt with all of the passages."""
    return [one for one in examples if all(material.allowed(passage, one) for passage in passages)]


def _sample(examples: list[Example], most: int, rng: random.Random) -> list[Example]:
    return rng.sample(examples, min(most, len(examples)))


def _in_vain(material: Material, passages: list[Passage], example: Example) -> bool:
    """Whether there is an answer that stands in none of the passages, neither its evidence nor its very words.

    Never so for labels and longer texts: their answers stand in no passage anyway.
    """
    if example.task != "qa" or not example.answers:
        return False
    texts = [passage.text.lower() for passage in passages]
    said = any(answer.lower() in text for answer in example.answers for text in texts)
    return not said and not any(material.holds(passage, example) for passage in passages)


def _row(material: Material, example: Example, passages: list[Passage], pack: str, answer: str) -> Row:
    prompt = material.template.prompt(example.question, passages, material.choices)
    sources = tuple(dict.fromkeys((passage.document, passage.version) for passage in passages))
    return Row(prompt, material.template.completion(answer), "context", f"context:{pack}", example.id, sources)
