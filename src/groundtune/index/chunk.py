"""Cuts a document into passages along its own structure: none crosses a heading or a page.

Paragraphs, tables and fenced code stay whole where they fit. A longer table is cut between its rows, and what comes
after the first cut is headed by the names of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import shorten
from typing import TYPE_CHECKING, NamedTuple

from groundtune.types import Document, Passage, Section

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter

# Characters that are split at once: the splitter's time grows with the square of a line's length.
PIECE = 20_000

_COLUMNS_CHARS = 200  # of a table's column names stand in a passage's heading

# Possessive (*+, ++), so that no text, whatever is in it, takes more than one look at each character.
_PARAGRAPH = re.compile(r"^[^\S\n]*+(\S.*+(?:\n[^\S\n]*+\S.*+)*+)", re.MULTILINE)  # until a line that is blank
_FENCE = r"(?P<fence>`{3,}+|~{3,}+)(?P<info>(?<=`)[^`\n]*+|(?<=~).*+)"
_RULE = r"(?P<rule>(?:\|[ \t]*+)?:?-++:?(?:[ \t]*+\|[ \t]*+:?-++:?)*+(?:[ \t]*+\|)?+[ \t]*+)"  # below a table's header
_MARK = re.compile(rf"^[ \t]*+(?:{_FENCE}|{_RULE})$", re.MULTILINE)
_ROWS = re.compile(r"(?:\n[^\n|]*+\|.*+)*+")
_BAR = re.compile(r"(?<!\\)\|")


class _Unit(NamedTuple):
    """A stretch that is not cut; `columns` are the names of its columns, if its table's header stands before it."""

    start: int
    end: int
    columns: str = ""


def chunk(document: Document, passage_chars: int) -> list[Passage]:
    """The passages of a document, in order, each at most `passage_chars` characters; their ids are 0 until stored."""
    from semantic_text_splitter import MarkdownSplitter

    splitter = MarkdownSplitter(passage_chars)
    headings: list[Passage] = []
    passages: list[Passage] = []
    for section in _stretches(document):
        text = document.text[section.start : section.end]
        for number, unit in enumerate(_packed(_units(text, passage_chars, splitter), passage_chars)):
            passage = Passage(
                id=0,
                document=document.id,
                text=text[unit.start : unit.end],
                start=section.start + unit.start,
                end=section.start + unit.end,
                title=document.title,
                heading=" > ".join(filter(None, [section.heading, unit.columns])),
                page=section.page,
                changed=document.changed,
            )
            (headings if number == 0 and _is_heading(passage) else passages).append(passage)
    return passages or headings


def _stretches(document: Document) -> Iterator[Section]:
    """The document's sections, and whatever text stands outside them."""
    at = 0
    for section in (*document.sections, Section(len(document.text), len(document.text))):
        if section.start > at:
            yield Section(at, section.start)
        yield section
        at = section.end


def _packed(units: Iterable[_Unit], most: int) -> Iterator[_Unit]:
    """As many neighbours together as fit."""
    held: _Unit | None = None
    for unit in units:
        if held is not None and unit.end - held.start <= most:
            held = _Unit(held.start, unit.end, held.columns)
            continue
        if held is not None:
            yield held
        held = unit
    if held is not None:
        yield held


def _units(text: str, most: int, splitter: MarkdownSplitter) -> Iterator[_Unit]:
    """A section's blocks, the longer ones cut; they begin and end with something that is not blank."""
    at = 0
    for start, end, is_table in (*_kept(text), (len(text), len(text), False)):
        for paragraph in _PARAGRAPH.finditer(text, at, start):
            yield from _cut(text, *paragraph.span(1), most, splitter)
        if is_table and end - start > most:
            yield from _cut_table(text, start, end, most, splitter)
        else:
            yield from _cut(text, start, end, most, splitter)
        at = end


def _kept(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where fenced code and tables begin and end, and whether it is a table."""
    at = 0
    fence: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if mark.start() < at:
            continue
        if fence is not None:
            if _closes(mark, fence):
                yield fence.start(), mark.end(), False
                fence, at = None, mark.end()
        elif mark["fence"]:
            fence = mark
        elif "|" in mark["rule"] and mark.start() > at:
            header = text.rfind("\n", at, mark.start() - 1) + 1 or at
            if "|" in text[header : mark.start()]:
                rows = _ROWS.match(text, mark.end())
                at = rows.end() if rows else mark.end()
                yield header, at, True
    if fence is not None:
        yield fence.start(), len(text), False


def _closes(mark: re.Match[str], fence: re.Match[str]) -> bool:
    return bool(mark["fence"]) and mark["fence"].startswith(fence["fence"]) and not mark["info"].strip()


def _cut_table(text: str, start: int, end: int, most: int, splitter: MarkdownSplitter) -> Iterator[_Unit]:
    """A table's rows; the first one stays with the header, if they fit together."""
    ends = [start + line.end() for line in re.finditer(r".+", text[start:end])]
    columns = _columns(text[start : min(ends[0], start + 10 * _COLUMNS_CHARS)])
    first = 3 if len(ends) > 2 and ends[2] - start <= most else 2
    yield from _cut(text, start, ends[first - 1], most, splitter)
    for before, after in zip(ends[first - 1 :], ends[first:], strict=False):
        for unit in _cut(text, before, after, most, splitter):
            yield unit._replace(columns=columns)


def _columns(header: str) -> str:
    names = (" ".join(name.replace("\\|", "|").split()) for name in _BAR.split(header.strip().strip("|")))
    return shorten(" | ".join(filter(None, names)), _COLUMNS_CHARS, placeholder=" ...")


def _cut(text: str, start: int, end: int, most: int, splitter: MarkdownSplitter) -> Iterator[_Unit]:
    """A block without the blanks around it; where it does not fit, the largest parts of it that do."""
    block = text[start:end]
    start += len(block) - len(block.lstrip())
    end = start + len(block.strip())
    if end - start <= most:
        if end > start:
            yield _Unit(start, end)
        return
    for begin, stop in _pieces(text, start, end, max(PIECE, most)):
        for offset, part in splitter.chunk_indices(text[begin:stop]):
            yield _Unit(begin + offset, begin + offset + len(part))


def _pieces(text: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """Where a long block's pieces begin and end: cut after a paragraph, else a line, else a word, else anywhere."""
    at = start
    while end - at > most:
        found = (text.rfind(mark, at, at + most) for mark in ("\n\n", "\n", " "))
        cut = next((place + 1 for place in found if place >= at), at + most)
        yield at, cut
        at = cut
    yield at, end


def _is_heading(passage: Passage) -> bool:
    """Whether there is no more in the passage than its own heading, which every passage under it carries anyway."""
    words, heading = re.findall(r"\w+", passage.text), re.findall(r"\w+", passage.heading)
    return bool(passage.heading) and words == heading[len(heading) - len(words) :]
