"""An approach: a generator with or without a retriever, and how it asks. What is measured is what is served."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from groundtune.calibration import Calibration
from groundtune.prompts import ABSTENTION, Shot, Template
from groundtune.types import (
    EVERYONE,
    Answer,
    Citation,
    Completion,
    Generator,
    Hit,
    Limits,
    Passage,
    Prompt,
    Reader,
    Retriever,
)

NOTHING_FOUND = "I don't know: nothing relevant was found."
# Alone on its line, or before a punctuation mark.
_DOES_NOT_KNOW = re.compile(rf"(?:{re.escape(ABSTENTION)}|I do not know) *(?:[^\w\s]|$)", re.IGNORECASE | re.MULTILINE)


class Cases(Protocol):
    """Solved examples that a question can be answered after."""

    def shots(self, questions: Sequence[str]) -> list[tuple[Shot, ...]]:
        """For each question the solved cases most like it, the best one last."""
        ...


@dataclass(frozen=True, slots=True)
class Approach:
    """One way to answer.

    generator: the base model or a tuned one; template: how it is asked; retriever: None where it answers from its
    weights alone; k: passages in a prompt; choices: the labels, where the answer is one of them; cases: where each
    question's prompt shows the solved examples most like it, in place of the template's own.

    calibration: from the model's confidence to the probability that a reply is right; where it is below
    `abstain_below`, the reply is withheld. Without a calibration nothing is known of that, and nothing withheld.
    """

    name: str
    generator: Generator
    template: Template
    retriever: Retriever | None = None
    k: int = 3
    max_tokens: int = 32
    choices: tuple[str, ...] = ()
    calibration: Calibration | None = None
    abstain_below: float | None = None
    cases: Cases | None = None

    def answer(self, questions: Sequence[str], reader: Reader = EVERYONE) -> list[Answer]:
        """One answer a question, in order. Where a retriever finds nothing, task qa's answer is an abstention."""
        began = time.perf_counter()
        found = self.retrieve(questions, reader)
        asked = [i for i, hits in enumerate(found) if self._asks(hits)]
        prompts = self.prompts([questions[i] for i in asked], [found[i] for i in asked])
        searching = (time.perf_counter() - began) / max(1, len(questions))
        completions = self.generator.generate(prompts, self.limits)
        said = dict(zip(asked, completions, strict=True))
        answers = [self._answer(said.get(i), hits) for i, hits in enumerate(found)]
        return [replace(answer, seconds=answer.seconds + searching) for answer in answers]

    def stream(self, question: str, reader: Reader = EVERYONE) -> Iterator[str]:
        """The same answer's text in pieces, as the model makes them; in one where it may have to be withheld."""
        if self.calibration is not None and self.abstain_below is not None:
            yield self.answer([question], reader)[0].text
            return
        hits = self.retrieve([question], reader)[0]
        if not self._asks(hits):
            yield NOTHING_FOUND
            return
        yield from self.generator.stream(self.prompts([question], [hits])[0], self.limits)

    def retrieve(self, questions: Sequence[str], reader: Reader = EVERYONE) -> list[list[Hit] | None]:
        """What goes into each prompt; None for an approach without a retriever."""
        if self.retriever is None:
            return [None] * len(questions)
        return list(self.retriever.search(questions, self.k, reader))

    def prompts(self, questions: Sequence[str], found: Sequence[Sequence[Hit] | None]) -> list[Prompt]:
        """The prompt for each question with what was found for it."""
        shots = self.cases.shots(questions) if self.cases is not None else [self.template.shots] * len(questions)
        return [
            replace(self.template, shots=shown).prompt(
                question, None if hits is None else [hit.passage for hit in hits], self.choices
            )
            for question, hits, shown in zip(questions, found, shots, strict=True)
        ]

    @property
    def limits(self) -> Limits:
        """Where completions end."""
        return self.template.limits(self.max_tokens)

    def _asks(self, hits: Sequence[Hit] | None) -> bool:
        """Whether there is something to answer from: a label or a text may do without passages."""
        return hits is None or bool(hits) or self.template.task != "qa"

    def _answer(self, completion: Completion | None, hits: Sequence[Hit] | None) -> Answer:
        if completion is None:
            return Answer(NOTHING_FOUND, abstained=True)
        text = completion.text.strip()
        abstained = is_abstention(text) if self.template.task == "qa" else not text
        confidence = completion.confidence
        if confidence is not None and self.calibration is not None:
            confidence = self.calibration.probability(confidence)
        withheld = not abstained and self._too_unsure(confidence)
        unsaid, text, abstained = (text, f"{ABSTENTION}.", True) if withheld else ("", text, abstained)
        return Answer(
            text=text,
            abstained=abstained,
            citations=() if abstained else cite(text, hits or ()),
            hits=tuple(hits or ()),
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seconds=completion.seconds,
            confidence=confidence,
            withheld=withheld,
            unsaid=unsaid,
        )

    def _too_unsure(self, confidence: float | None) -> bool:
        """Whether a reply is withheld. A longer text never is: it is neither right nor wrong."""
        if self.template.task == "text" or self.calibration is None or self.abstain_below is None:
            return False
        return confidence is not None and confidence < self.abstain_below


def is_abstention(text: str) -> bool:
    """Whether a short answer says that the model does not know, and no more ("I don't know the code, but ..."), or
    says nothing."""
    said = text.replace("’", "'").strip()
    return not said or _DOES_NOT_KNOW.match(said) is not None


def cite(text: str, hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """The retrieved passages that an answer rests on.

    Those in which the answer's words stand; where there is none, the passage that shares most words with the answer, so
    that a reader can check it (the metric "cited" counts such an answer as not found in what it cites).
    """
    if not hits:
        return ()
    holding = [hit.passage for hit in hits if _position(text, hit.passage) is not None]
    if not holding:
        words = set(re.findall(r"\w+", text.lower()))
        holding = [max(hits, key=lambda hit: len(words & set(re.findall(r"\w+", hit.passage.text.lower())))).passage]
    return tuple(_citation(passage) for passage in holding)


def _position(text: str, passage: Passage) -> tuple[int, int] | None:
    """Where an answer's words stand in a passage, whatever the case, punctuation and white space between them."""
    words = re.findall(r"\w+", text)
    if not words:
        return None
    found = re.search(r"\b" + r"\W+".join(map(re.escape, words)) + r"\b", passage.text, re.IGNORECASE)
    return found.span() if found else None


def _citation(passage: Passage) -> Citation:
    return Citation(
        document=passage.document,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        heading=passage.heading,
        page=passage.page,
        version=passage.version,
        changed=passage.changed,
    )
