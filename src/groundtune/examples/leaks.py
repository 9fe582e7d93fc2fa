"""The gates before anything is measured: do training or the index give test answers away; is the evidence there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from groundtune.errors import UserError
from groundtune.examples.duplicates import near_duplicates, normalise
from groundtune.examples.wording import PAGE, count
from groundtune.types import Example

SHORTEST = 25  # letters of a question below which finding it in a document means nothing
# A page of frequent questions holds a few test questions word for word, and may. A share above this one of all of them
# means that the file of examples, or a copy of it, lies among the documents.
MOST_IN_DOCUMENTS = 0.1


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A test question that a train question nearly repeats: the ids, and the similarity (1.0: the same words)."""

    train: str
    test: str
    similarity: float


@dataclass(frozen=True, slots=True)
class InDocument:
    """A test question that stands word for word in a document: their ids."""

    test: str
    document: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Evidence that is not in the documents: the example's id, the document's, and why."""

    example: str
    document: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was found; `tested` is the number of test questions."""

    duplicates: tuple[Duplicate, ...]
    in_documents: tuple[InDocument, ...]
    missing_evidence: tuple[Missing, ...]
    tested: int


def find_leaks(train: Sequence[Example], test: Sequence[Example], documents: Mapping[str, str]) -> Leaks:
    """Everything that makes a measurement wrong. documents: id -> text; empty where there are no sources.

    Raises UserError where the evidence of all examples names unknown documents.
    """
    held_out = {example.id for example in test}
    duplicates = tuple(
        Duplicate(first.id, second.id, round(similarity, 3))
        for first, second, similarity in near_duplicates((*train, *test))
        if first.id not in held_out and second.id in held_out
    )
    missing = find_missing_evidence((*train, *test), documents) if documents else ()
    return Leaks(duplicates, tuple(_in_documents(test, documents)), missing, len(test))


def find_missing_evidence(examples: Sequence[Example], documents: Mapping[str, str]) -> tuple[Missing, ...]:
    """Evidence whose document is unknown, or whose quote does not stand in it (words alone are compared).

    A quote without a document must stand in any of them. Raises UserError where no example names a known document.
    """

    @cache
    def words(document: str) -> str:
        return normalise(documents[document])

    missing = []
    named = [piece.document for example in examples for piece in example.evidence if piece.document]
    if named and not any(document in documents for document in named):
        raise UserError(
            f"no evidence is among the documents: examples name {_some(named)}; the documents are {_some(documents)}",
            f'"document" is a document\'s id, for a file its path below the folder of the source ({PAGE})',
        )
    for example in examples:
        for piece in example.evidence:
            if piece.document and piece.document not in documents:
                missing.append(Missing(example.id, piece.document, "no such document"))
                continue
            places = [piece.document] if piece.document else documents
            quote = normalise(piece.quote)
            if not any(quote in words(place) for place in places):
                missing.append(Missing(example.id, piece.document, f"it does not say {piece.quote[:60]!r}"))
    return tuple(missing)


def gate(leaks: Leaks, *, allow: bool) -> tuple[str, ...]:
    """Lets clean examples pass, with notes for the report. Raises UserError at a leak, unless leaks are allowed."""
    notes = []
    if leaks.duplicates:
        listed = ", ".join(f"{one.test} ~ {one.train} ({one.similarity:.2f})" for one in leaks.duplicates[:5])
        notes.append(f"train questions nearly repeated in the test ({len(leaks.duplicates)}): {listed}")
    found = len({one.test for one in leaks.in_documents})
    if found:
        listed = ", ".join(f"{one.test} in {one.document}" for one in leaks.in_documents[:5])
        notes.append(f"{found} of {leaks.tested} test questions stand word for word in documents: {listed}")
    if not allow and (leaks.duplicates or found > MOST_IN_DOCUMENTS * leaks.tested):
        raise UserError(
            "; ".join(notes),
            'give such examples the same "group", or take the file of examples out of the documents; '
            f"to measure all the same: [examples] allow_leaks = true ({PAGE})",
        )
    if leaks.missing_evidence:
        first = leaks.missing_evidence[0]
        notes.append(
            f"{count(len(leaks.missing_evidence), 'piece')} of evidence missing in the documents; "
            f"first, of {first.example}: {first.document or 'any document'}: {first.reason}"
        )
    return tuple(notes)


def _in_documents(test: Sequence[Example], documents: Mapping[str, str]) -> list[InDocument]:
    asked = [(example.id, words) for example in test if len(words := normalise(example.question)) >= SHORTEST]
    found = []
    for document, text in documents.items():
        words = normalise(text)
        found += [InDocument(example, document) for example, question in asked if question in words]
    return found


def _some(ids: Sequence[str] | Mapping[str, str]) -> str:
    return ", ".join(map(repr, list(dict.fromkeys(ids))[:3]))
