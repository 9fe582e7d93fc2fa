"""Retrieval fitted to the train questions: the embedder's side of the queries, and the weight of vectors."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundtune.cases import holds_evidence
from groundtune.examples.split import keep_back
from groundtune.project import Project
from groundtune.retrieve._fusion import DEFAULT_WEIGHT, choose_weight, fuse, ndcg
from groundtune.retrieve.hybrid import POOL
from groundtune.stages.data import file_digest, open_examples
from groundtune.types import EVERYONE, Example, Json, Passage
from groundtune.workspace import digest

if TYPE_CHECKING:
    from groundtune.index.store import Ids
    from groundtune.tune.embedder import Tuned
    from groundtune.types import Vectors

ASKED = 300  # train questions that the weight is chosen on, at the most
TAUGHT = 5000  # that the embedder is tuned on
FEWEST = 20  # fewer say nothing about a weight


@dataclass(frozen=True, slots=True)
class Judged:
    """A train question, what the words find for it, and the passages that hold its evidence."""

    example: Example
    words: Mapping[int, float]
    right: frozenset[int]


def retrieval_stage(project: Project) -> Json:
    """The tuned embedder, where the config asks for one and it is better, and the fusion weight.

    Empty where the config names the weight and tunes nothing, or there are too few train questions whose evidence is
    known: then the defaults count.
    """
    table = project.config.retrieve
    weighs = table.kind == "hybrid" and "weight" not in table.options
    if table.kind == "lexical" or not (weighs or project.config.embedder.tune):
        return {}
    train = file_digest(project.workspace.train)
    settings = table.model_dump(exclude={"cases"})
    index = [project.index.digest(), project.config.index.language, project.index.embedder.name]
    inputs = digest([index, train, project.config.embedder, settings])
    done = project.workspace.done("retrieval", inputs)
    if done is not None:
        return done
    project.workspace.begin("retrieval")
    project.forget_index()  # whose embedder may be a tuned one, which is not where tuning begins
    result = fit(project, open_examples(project, EVERYONE), inputs)
    project.workspace.finish("retrieval", inputs, result)
    project.forget_index()
    return result


def fit(project: Project, examples: Sequence[Example], name: str) -> Json:
    """What the config leaves to be fitted, fitted to these examples; empty where they are too few.

    name: of the tuned embedder's folder. Gives "queries", that name, where it is kept; and "weight".
    """
    table = project.config.retrieve
    tunes = project.config.embedder.tune
    judged = _judged(project, examples, TAUGHT if tunes else ASKED)
    result: Json = {}
    if len(judged) < FEWEST:
        return result
    tuned = _tuned(project, judged, name) if tunes else None
    if tuned is not None and tuned.kept:
        result["queries"] = name
    if table.kind == "hybrid" and "weight" not in table.options:
        result["weight"] = _weight(project, judged, tuned)
        project.progress.say(f"fusion weight: {result['weight']:g} for vectors")
    return result


def _judged(project: Project, examples: Sequence[Example], most: int) -> list[Judged]:
    """Those of the examples whose evidence is known and lies in passages that everyone may read."""
    examples = [example for example in examples if example.evidence]
    random.Random(project.config.examples.seed).shuffle(examples)
    by_document: dict[str, list[Passage]] = {}
    for passage in project.index.all_passages():
        by_document.setdefault(passage.document, []).append(passage)
    found = []
    project.progress.start("looking train questions up", min(most, len(examples)))
    for example in examples[:most]:
        passages = [p for piece in example.evidence for p in by_document.get(piece.document, [])]
        if right := frozenset(passage.id for passage in passages if holds_evidence(passage, example)):
            found.append(Judged(example, dict(project.index.search_words(example.question, POOL, EVERYONE)), right))
        project.progress.advance()
    project.progress.finish()
    return found


def _tuned(project: Project, judged: Sequence[Judged], name: str) -> Tuned | None:
    from groundtune.models import trainable_embedder
    from groundtune.tune.embedder import Asked, Encoder, tune_embedder

    ids, vectors = project.index.vectors()
    row = {int(id): number for number, id in enumerate(ids)}
    asked = [Asked(one.example.question, tuple(row[id] for id in sorted(one.right))) for one in judged]
    _, decide = keep_back(
        [one.example for one in judged],
        question=project.config.question,
        share=1 / 3,
        most=len(judged),
        seed=project.config.examples.seed + 1,
    )
    held_out = {example.id for example in decide}

    def judge(numbers: Sequence[int], queries: Vectors) -> list[float]:
        return [
            ndcg(fuse(judged[number].words, _nearest(ids, vectors @ query), DEFAULT_WEIGHT, POOL), judged[number].right)
            for number, query in zip(numbers, queries, strict=True)
        ]

    source = trainable_embedder(project.config.embedder)
    tuned = tune_embedder(
        Encoder(source.module, source.tokenizer, source.save),
        vectors,
        asked,
        [number for number, one in enumerate(judged) if one.example.id in held_out],
        judge,
        project.workspace.embedder(name),
        minutes=project.config.embedder.minutes,
        seed=project.config.tune.seed,
        progress=project.progress,
    )
    if tuned is None:
        project.progress.say("the embedder is not tuned: too few train questions with known evidence")
    else:
        project.progress.say(
            f"embedder tuned in {tuned.seconds / 60:.1f} minutes: nDCG@10 {tuned.before:.3f} to {tuned.after:.3f} on "
            f"{len(tuned.held_out)} held-out train questions (standard error {tuned.error:.3f}); "
            + ("it is kept" if tuned.kept else "not kept")
        )
    return tuned


def _weight(project: Project, judged: Sequence[Judged], tuned: Tuned | None) -> float:
    """Chosen on questions that the embedder has not seen."""
    if tuned is not None and tuned.kept and tuned.vectors is not None:
        judged = [judged[number] for number in tuned.held_out]
        ids, vectors = project.index.vectors()
        near = [_nearest(ids, vectors @ query) for query in tuned.vectors]
    else:
        judged = judged[:ASKED]
        asked = [one.example.question for one in judged]
        near = [dict(found) for found in project.index.search_vectors(asked, POOL, EVERYONE)]
    return choose_weight([one.words for one in judged], near, [one.right for one in judged], POOL)


def _nearest(ids: Ids, cosines: Vectors) -> dict[int, float]:
    """The `POOL` best, as a search gives them."""
    import numpy as np

    best = np.argsort(-cosines, kind="stable")[:POOL]
    return {int(ids[place]): float(cosines[place]) for place in best}
