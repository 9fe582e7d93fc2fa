"""Train examples among the passages: as solved cases that can be looked up, and which passage answers which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from groundtune.metrics.evidence import holds
from groundtune.metrics.words import stands_in, words
from groundtune.prompts import ABSTENTION, CUES, Shot
from groundtune.types import EVERYONE, Document, Example, Hit, Passage, Reader, Retriever
from groundtune.workspace import digest

CASE_CHARS = 2000  # of a case as a passage, at the most
CASES_CHARS = 4000  # of the cases in one prompt: about a thousand tokens, which leaves a small model room to answer


def case_chars(k: int, least: int) -> int:
    """How long a case may be, of which `k` stand in a prompt as passages: as much as is left for each, and no less than
    other passages may be."""
    return min(CASE_CHARS, max(least, CASES_CHARS // k))


def solved_cases(examples: Sequence[Example], most: int = CASE_CHARS) -> list[Document]:
    """Train examples as documents, so that retrieval has something to find where there are no documents.

    most: characters, so that each is one passage and is shown with its answer. Of a longer one the end of the question
    is left out, and of an answer longer than half of it its own.
    """
    documents = []
    for example in examples:
        lead, cue = CUES[example.task]
        room = most - len(f"{lead}\n{cue} ")
        answer = example.answers[0] if example.answers else ""
        answer = _begin(answer, max(room // 2, room - len(example.question)))
        text = f"{lead}{_begin(example.question, room - len(answer))}\n{cue} {answer}"
        documents.append(Document(solved_case(example), text, "", digest(text), ""))
    return documents


def _begin(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def solved_case(example: Example) -> str:
    """The id of the document that `solved_cases` makes of an example."""
    return f"example/{example.id}"


def same_question(examples: Sequence[Example]) -> dict[str, set[str]]:
    """The solved cases of every question: several, where examples repeat it."""
    cases: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        cases[example.question].add(solved_case(example))
    return dict(cases)


class LeaveOneOut:
    """A retriever that finds for a train question everything but its own solved case and those that repeat it."""

    def __init__(self, retriever: Retriever, examples: Sequence[Example]) -> None:
        """examples: all that are among the passages as solved cases."""
        self._retriever = retriever
        self._own = same_question(examples)

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """As the retriever does, but so much deeper that `k` are left."""
        own = [self._own.get(query, set()) for query in queries]
        found = self._retriever.search(queries, k + max(map(len, own), default=0), reader)
        return [
            [hit for hit in hits if hit.passage.document not in left_out][:k]
            for left_out, hits in zip(own, found, strict=True)
        ]


class NearestCases:
    """The solved cases most like a question, as shots for its prompt. Satisfies `approach.Cases`."""

    def __init__(self, retriever: Retriever, examples: Sequence[Example], k: int) -> None:
        """retriever: over the solved cases of the examples; where train questions are asked, one that is LeaveOneOut.

        k: cases in a prompt, at the most.
        """
        self._retriever = retriever
        self._examples = {solved_case(example): example for example in examples}
        self._k = k

    def shots(self, questions: Sequence[str]) -> list[tuple[Shot, ...]]:
        """For each question its nearest cases, the best one last, next to the question; fewer where they are long."""
        return [self._shots(hits) for hits in self._retriever.search(questions, self._k)]

    def _shots(self, hits: Sequence[Hit]) -> tuple[Shot, ...]:
        shots: list[Shot] = []
        left = CASES_CHARS
        for hit in hits:
            if (example := self._examples.get(hit.passage.document)) is None:
                continue
            shot = Shot(example.question, example.answers[0] if example.answers else ABSTENTION)
            left -= len(shot.question) + len(shot.answer)
            if left < 0:
                break
            shots.append(shot)
        return tuple(reversed(shots))


def holds_evidence(passage: Passage, example: Example) -> bool:
    """Whether a passage holds the example's evidence; without known evidence, whether it holds a short answer."""
    if example.evidence:
        return any(holds(passage.document, passage.text, piece) for piece in example.evidence)
    text = words(passage.text)
    return example.task == "qa" and any(stands_in(words(answer), text) for answer in example.answers)
