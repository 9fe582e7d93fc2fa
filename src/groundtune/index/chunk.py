"""Cuts a document into passages along its own structure: none crosses a heading or a page.

Paragraphs stay whole where they fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundtune.types import Document, Passage, Section

# Characters that are split at once: the splitter's time grows with the square of a line's length.
PIECE = 20_000


def chunk(document: Document, passage_chars: int) -> list[Passage]:
    """The passages of a document, in order, each at most `passage_chars` characters; their ids are 0 until stored."""
    from semantic_text_splitter import MarkdownSplitter

    splitter = MarkdownSplitter(passage_chars)
    headings: list[Passage] = []
    passages: list[Passage] = []
    for section in _stretches(document):
        for begin, end in _pieces(document.text, section, max(PIECE, passage_chars)):
            for offset, text in splitter.chunk_indices(document.text[begin:end]):
                start = begin + offset
                passage = Passage(
                    id=0,
                    document=document.id,
                    text=text,
                    start=start,
                    end=start + len(text),
                    title=document.title,
                    heading=section.heading,
                    page=section.page,
                    version=document.version,
                )
                (headings if _is_heading(passage) else passages).append(passage)
    return passages or headings


def _stretches(document: Document) -> Iterator[Section]:
    """The document's sections, and whatever text stands outside them."""
    at = 0
    for section in (*document.sections, Section(len(document.text), len(document.text))):
        if section.start > at:
            yield Section(at, section.start)
        yield section
        at = section.end


def _pieces(text: str, section: Section, most: int) -> Iterator[tuple[int, int]]:
    """Where a section's pieces begin and end: cut after a paragraph, else a line, else a word, else anywhere."""
    at = section.start
    while section.end - at > most:
        found = (text.rfind(mark, at, at + most) for mark in ("\n\n", "\n", " "))
        cut = next((place + 1 for place in found if place >= at), at + most)
        yield at, cut
        at = cut
    yield at, section.end


def _is_heading(passage: Passage) -> bool:
    """Whether there is no more in the passage than its own heading, which every passage under it carries anyway."""
    words, heading = re.findall(r"\w+", passage.text), re.findall(r"\w+", passage.heading)
    return words == heading[len(heading) - len(words) :]
