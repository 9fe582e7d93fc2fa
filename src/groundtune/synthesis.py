"""Examples made from documents, and other wordings of questions: written by a model, kept where they can be trusted."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.approach import Approach
from groundtune.metrics import score
from groundtune.metrics.words import stands_in, words
from groundtune.prompts import CUES, Shot, show
from groundtune.tune.lineage import MADE
from groundtune.types import EVERYONE, Evidence, Example, Generator, Limits, Message, Passage, Prompt, Reader

SHOTS = 4  # solved examples that show the writer what is asked about a passage, and how it is answered
ALIKE = 0.8  # F1 of two answers to one question that say the same
QUESTION_TOKENS = 96  # of a question with its answer
WORDINGS = 4  # of one question that a writer is asked for
_LEAD, _CUE = CUES["qa"]
_LIST_MARK = re.compile(r"^\s*(?:[-*]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of some passages, and how much of it was thrown away and why."""

    examples: tuple[Example, ...]
    written: int = 0
    not_in_passage: int = 0  # the answer's words do not stand in the passage
    not_found_again: int = 0  # retrieval does not find the passage for the question
    answered_otherwise: int = 0  # a second pass, with what retrieval finds, answers differently


def examples_of(
    passages: Sequence[Passage],
    writer: Generator,
    shots: Sequence[Shot],
    again: Approach,
    each: int,
    seed: int,
    reader: Reader = EVERYONE,
) -> Made:
    """Questions with answers made from passages, as many as `each` a passage, without those that fail a check.

    shots: solved examples with their passages, to be imitated; again: the approach that looks the question up and
    answers it once more, as the reader by whom the passages may be read. Round-trip checks as in Alberti et al. 2019
    (synthetic QA corpora with roundtrip consistency).
    """
    asked = {shot.question for shot in shots}
    kept: list[tuple[Example, Passage]] = []
    written = lost = 0
    for number in range(each):
        shown = random.Random(seed + number).sample(list(shots), min(SHOTS, len(shots)))
        prompts = [_prompt(passage, shown) for passage in passages]
        texts = [done.text for done in writer.generate(prompts, Limits(QUESTION_TOKENS, ("\n\n",)))]
        for passage, text in zip(passages, texts, strict=True):
            question, answer = _parts(text)
            if not question or not answer or question in asked:
                continue
            asked.add(question)
            written += 1
            if stands_in(words(answer), words(passage.text)):
                kept.append((_example(passage, question, answer, number), passage))
            else:
                lost += 1
    examples, not_found, otherwise = _checked(kept, again, reader)
    return Made(tuple(examples), written, lost, not_found, otherwise)


def wordings(questions: Sequence[str], writer: Generator) -> list[list[str]]:
    """Other wordings of each question, written by a model that is able to."""
    instruction = f"Write {WORDINGS} other ways to ask the user's question. One a line, nothing else."
    prompts = [Prompt((Message("system", instruction), Message("user", question))) for question in questions]
    found = []
    for question, done in zip(questions, writer.generate(prompts, Limits(WORDINGS * QUESTION_TOKENS)), strict=True):
        lines = (_LIST_MARK.sub("", line).strip() for line in done.text.splitlines())
        found.append([line for line in dict.fromkeys(lines) if line and line != question][:WORDINGS])
    return found


def _prompt(passage: Passage, shots: Sequence[Shot]) -> Prompt:
    solved = [
        f"{show(shown)}\n\n{_LEAD}{shot.question}\n{_CUE} {shot.answer}" for shot in shots for shown in shot.passages
    ]
    return Prompt((Message("user", "\n\n".join([*solved, f"{show(passage)}\n\n{_LEAD.strip()}"])),), plain=True)


def _parts(text: str) -> tuple[str, str]:
    """The question and its answer in what was written; empty where they are not there."""
    question, _, rest = text.strip().partition(f"\n{_CUE}")
    question = question.strip().removeprefix(_LEAD).strip()
    return ("", "") if "\n" in question else (question, rest.strip().partition("\n")[0].strip())


def _example(passage: Passage, question: str, answer: str, number: int) -> Example:
    evidence = (Evidence(passage.document, passage.text),)
    name = f"{MADE}{passage.document}/{passage.start}/{number}"
    return Example(name, "qa", question, (answer,), evidence, f"{MADE}{passage.document}")


def _checked(
    made: Sequence[tuple[Example, Passage]], again: Approach, reader: Reader
) -> tuple[list[Example], int, int]:
    """Those whose passage is found again and that are answered alike; how many were not found, and not alike."""
    answers = again.answer([example.question for example, _ in made], reader)
    kept, not_found, otherwise = [], 0, 0
    for (example, passage), answer in zip(made, answers, strict=True):
        if passage.id not in {hit.passage.id for hit in answer.hits}:
            not_found += 1
        elif score(example, answer)["f1"] < ALIKE:
            otherwise += 1
        else:
            kept.append(example)
    return kept, not_found, otherwise
