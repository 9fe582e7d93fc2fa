"""Retrieval fitted to the train questions: how much vectors count beside words."""

from __future__ import annotations

import random
from collections.abc import Sequence

from groundtune.cases import holds_evidence
from groundtune.project import Project
from groundtune.retrieve._fusion import choose_weight
from groundtune.retrieve.hybrid import POOL
from groundtune.stages.data import file_digest, open_examples
from groundtune.types import EVERYONE, Example, Json
from groundtune.workspace import digest

ASKED = 300  # train questions at the most
FEWEST = 20  # fewer say nothing about a weight


def retrieval_stage(project: Project) -> Json:
    """The fusion weight for the hybrid retriever, chosen on train questions whose evidence is known.

    Empty where the config names a weight, the retriever has none, or there are too few such questions: then the
    default counts.
    """
    table = project.config.retrieve
    if table.kind != "hybrid" or "weight" in table.options:
        return {}
    inputs = digest([project.index.digest(), file_digest(project.workspace.train), project.index.embedder.name])
    done = project.workspace.done("retrieval", inputs)
    if done is not None:
        return done
    asked = _asked(project)
    result: Json = _fitted(project, asked) if len(asked) >= FEWEST else {}
    project.workspace.finish("retrieval", inputs, result)
    project.forget_retriever()
    if result:
        project.progress.say(
            f"fusion weight: {result['weight']:g} for vectors, on {result['questions']} train questions"
        )
    return result


def _asked(project: Project) -> list[Example]:
    examples = [example for example in open_examples(project, EVERYONE) if example.evidence]
    random.Random(project.config.examples.seed).shuffle(examples)
    return examples[:ASKED]


def _fitted(project: Project, asked: Sequence[Example]) -> Json:
    index = project.index
    project.progress.start("choosing the fusion weight", len(asked))
    words, vectors, relevant = [], [], []
    by_vectors = index.search_vectors([example.question for example in asked], POOL, EVERYONE)
    for example, near in zip(asked, by_vectors, strict=True):
        by_words = dict(index.search_words(example.question, POOL, EVERYONE))
        found = index.passages(list({**by_words, **dict(near)}))
        if right := {passage.id for passage in found if holds_evidence(passage, example)}:
            words.append(by_words)
            vectors.append(dict(near))
            relevant.append(right)
        project.progress.advance()
    project.progress.finish()
    return {"weight": choose_weight(words, vectors, relevant), "questions": len(relevant)} if relevant else {}
