"""One example with every approach's answer to it, side by side: scores, what went wrong, and what is cited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.report.quoting import Cut, Piece, cut, excerpt, marked
from groundtune.types import Answer, Citation, Example, Record


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation: where it stands, and the words there, with what was said and what is right marked."""

    document: str
    place: str  # heading and page
    pieces: tuple[Piece, ...]
    whole: tuple[Piece, ...]  # empty where `pieces` is all of it
    open: bool  # shown at once: the first with something marked


@dataclass(frozen=True, slots=True)
class Said:
    """What one approach answered."""

    approach: str
    score: float | None
    text: Cut
    abstained: bool
    remarks: tuple[str, ...]
    citations: tuple[Cited, ...]


@dataclass(frozen=True, slots=True)
class Case:
    question: Cut
    right: tuple[str, ...]
    said: tuple[Said, ...]


def make_case(metric: str, records: Sequence[Record]) -> Case:
    """The records of one example as a case; metric: whose value stands beside an answer."""
    example = records[0].example
    right = tuple(cut(answer).short for answer in example.answers)
    return Case(cut(example.question), right, tuple(_said(metric, record) for record in records))


def _said(metric: str, record: Record) -> Said:
    example, answer = record.example, record.answer
    return Said(
        approach=record.approach,
        score=record.scores.get(metric),
        text=cut(answer.text),
        abstained=answer.abstained,
        remarks=tuple(_remarks(record)),
        citations=_citations(answer, example),
    )


def _remarks(record: Record) -> list[str]:
    """What went wrong with the evidence."""
    answer, found = record.answer, record.scores.get("recall@k")
    remarks = []
    if found == 0:
        among = f"among the {len(answer.hits)} retrieved" if len(answer.hits) > 1 else "retrieved"
        remarks.append(f"Retrieval miss: the gold passage was not {among}.")
    elif found is not None and found < 1:
        remarks.append("Retrieval miss: only a part of the evidence was retrieved.")
    if not answer.abstained and answer.hits and not answer.citations:
        remarks.append("It cites nothing.")
    elif answer.citations and record.scores.get("cited") == 0:
        remarks.append("The answer does not stand in what it cites.")
    return remarks


def _citations(answer: Answer, example: Example) -> tuple[Cited, ...]:
    quotes = [marked(citation.text, said=answer.text, right=example.answers) for citation in answer.citations]
    first = next((place for place, quote in enumerate(quotes) if any(piece.mark for piece in quote)), None)
    return tuple(
        _cited(citation, quote, place == first)
        for place, (citation, quote) in enumerate(zip(answer.citations, quotes, strict=True))
    )


def _cited(citation: Citation, quote: tuple[Piece, ...], open: bool) -> Cited:
    page = f"p. {citation.page}" if citation.page is not None else ""
    place = ", ".join(part for part in (citation.heading, page) if part)
    short = excerpt(quote)
    return Cited(citation.document, place, short, () if short == quote else quote, open)
