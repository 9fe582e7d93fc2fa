"""The words on a PDF's page, each in its place, and how they stand to each other."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

WIDE = 0.9  # of a line's height: a wider gap divides two cells
LEAST_ROWS = 3  # of a table that lines do not show
_HYPHEN = "\x02"  # what PDFium makes of one that divides a word


class Word(NamedTuple):
    """A word, its place on the page in points, and where it stands among the page's characters."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    start: int
    end: int


class Table(NamedTuple):
    """A table's cells, and its words: their numbers on the page."""

    rows: list[list[str]]
    words: set[int]


def words_of(textpage: Any) -> Iterator[Word]:
    """The words of a page in the order in which they were written."""
    from pypdfium2 import raw  # type: ignore[import-untyped]

    box = raw.FS_RECTF()
    word: Word | None = None
    for number in range(textpage.count_chars()):
        code = raw.FPDFText_GetUnicode(textpage, number)
        if code <= 32 and chr(code) != _HYPHEN:
            if word:
                yield word
            word = None
            continue
        raw.FPDFText_GetLooseCharBox(textpage, number, ctypes.byref(box))
        here = Word(chr(code), box.left, box.bottom, box.right, box.top, number, number + 1)
        if word and (word.text.endswith(_HYPHEN) or not beside(word, here)):
            yield word
            word = None
        word = together(word, here) if word else here
    if word:
        yield word


def together(first: Word, second: Word) -> Word:
    """Two words as one: all that they cover."""
    return Word(
        first.text + second.text,
        min(first.left, second.left),
        min(first.bottom, second.bottom),
        max(first.right, second.right),
        max(first.top, second.top),
        first.start,
        second.end,
    )


def level(first: Word, second: Word) -> bool:
    """Whether two words stand on one line."""
    shared = min(first.top, second.top) - max(first.bottom, second.bottom)
    return shared > 0.5 * min(first.top - first.bottom, second.top - second.bottom)


def beside(first: Word, second: Word) -> bool:
    """Whether the second word follows the first on its line, no wide gap between them."""
    height = first.top - first.bottom
    return level(first, second) and -height < second.left - first.right < WIDE * height


def joined(words: Sequence[str]) -> str:
    """Words as a text, those that a hyphen divides made one again."""
    return " ".join(words).replace(f"{_HYPHEN} ", "").replace(_HYPHEN, "")
