"""What an adapter learns from: rows, and the material that they are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from groundtune.prompts import ABSTENTION, Template
from groundtune.types import Example, Hit, Message, Passage, Prompt

Search = Callable[[Sequence[str], int], list[list[Hit]]]
FIRST_WORD = re.compile(r"^\s*\S{0,16}")  # where no spaces part words, a few of them
Kind = Literal["context", "closed", "document", "fact", "replay"]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to learn: after the prompt comes the completion. Rows of one `pack` begin alike.

    example: the id of the example it was made from; sources: the documents that it shows, each with its version.
    """

    prompt: Prompt
    completion: str
    kind: Kind
    pack: str
    example: str = ""
    sources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """What recipes draw on.

    search: questions to hits, best first, as many as the second argument says; None where no tuned approach has a
    retriever; holds: whether a passage holds the example's evidence; allowed: whether the example may be learnt with
    this passage before it; passages: those of the documents that tuning may read as text (none where the question is
    skill); made: examples that were made from those passages (recipe "documents"); paraphrases: other wordings of an
    example's question, by its id (recipe "facts"); general: text that has nothing to do with the documents, to be
    replayed.
    """

    examples: Sequence[Example]
    search: Search | None
    holds: Callable[[Passage, Example], bool]
    allowed: Callable[[Passage, Example], bool]
    passages: Sequence[Passage]
    template: Template
    choices: tuple[str, ...]
    k: int
    made: Sequence[Example] = ()
    paraphrases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    general: Sequence[str] = ()


def answer_of(example: Example) -> str:
    """What is learnt as the example's answer."""
    return example.answers[0] if example.answers else ABSTENTION


def after_first_word(text: str) -> tuple[Prompt, str]:
    """A prompt and its completion that learn a text as it is: the loss is on all of it but its first word."""
    rest = FIRST_WORD.sub("", text, count=1)
    return Prompt((Message("user", text.removesuffix(rest)),), plain=True), rest
