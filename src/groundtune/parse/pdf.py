"""PDF, page by page. PDFium keeps global state: one file at a time in a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from typing import Any

from groundtune.parse._grid import table
from groundtune.parse._limits import check_text
from groundtune.parse._parsed import Format, Parsed, one_line
from groundtune.parse._pdf_tables import find
from groundtune.parse._pdf_words import Table, Word
from groundtune.types import Section

_END = b"%%EOF"
_HYPHENS = str.maketrans("", "", "\x02\ufffe\u00ad\0")  # what PDFium puts where it joined a word that was divided
_MOST_PAGES = 5_000  # a minute or two
_BULLETS = ("-", "•", "–", "*", "·", "▪", "‣", "◦")
_FULL = 0.8  # of the page's longest line: a line so long ran on for want of room
_NARROW = 40  # characters: a page of shorter lines is a table or a list, not running text


def pages(data: bytes) -> Parsed:
    """A PDF's text; a section a page. Raises ValueError for an encrypted one, a truncated one and one without text."""
    import pypdfium2  # type: ignore[import-untyped]

    if not data.startswith(b"%PDF") and b"%PDF" not in data[:1024]:
        raise ValueError("it is no PDF inside")
    if _END not in data[-2048:]:  # PDFium would guess what is missing, and silently lose pages
        raise ValueError("the file is truncated")
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise ValueError("it is encrypted; save it without a password") from error
        raise ValueError("the file is damaged") from error
    with closing(document):
        if len(document) > _MOST_PAGES:
            raise ValueError(f"it has {len(document):,} pages, more than {_MOST_PAGES:,}; cut it up")
        texts = list(_texts(document))
        title = one_line(document.get_metadata_value("Title"))
    if not any(texts):
        raise ValueError("it has no text layer; if it is a scan, run it through OCR first")
    return Parsed("\n\n".join(filter(None, texts)), title, _sections(texts))


def _texts(document: Any) -> Iterator[str]:
    length = 0
    for number in range(len(document)):
        with closing(document[number]) as page, closing(page.get_textpage()) as textpage:
            words, tables = find(page, textpage)
            text = _with_tables(textpage, words, tables) if tables else _flow(textpage.get_text_bounded())
        length += len(text)
        check_text(length)
        yield text


def _with_tables(textpage: Any, words: list[Word], tables: list[Table]) -> str:
    """A page's text with each table, as Markdown, where its first word stands."""
    of = {number: place for place, table in enumerate(tables) for number in table.words}
    blocks: list[str] = []
    written = set()
    for place, numbers in groupby(range(len(words)), key=of.get):
        run = list(numbers)
        if place is None:
            start, end = words[run[0]].start, words[run[-1]].end
            blocks.append(_flow(textpage.get_text_range(start, end - start)))
        elif place not in written:
            written.add(place)
            blocks.append("\n".join(table(tables[place].rows)))
    return "\n\n".join(filter(None, blocks))


def _flow(text: str) -> str:
    """A page's text with the lines of a paragraph made one, so that a sentence can be found as it is said.

    A line goes on in the next if that begins small, or if the line is as long as lines get on this page.
    """
    lines = [line for line in map(one_line, text.translate(_HYPHENS).splitlines()) if line]
    full = max(_NARROW, _FULL * max(map(len, lines), default=0))
    flowing: list[str] = []
    room_left = True
    for line in lines:
        if flowing and not line.startswith(_BULLETS) and (line[0].islower() or not room_left):
            flowing[-1] += f" {line}"
        else:
            flowing.append(line)
        room_left = len(line) < full
    return "\n".join(flowing)


def _sections(texts: list[str]) -> tuple[Section, ...]:
    found: list[Section] = []
    start = 0
    for number, text in enumerate(texts, start=1):
        if text:
            found.append(Section(start, start + len(text), page=number))
            start += len(text) + 2
    return tuple(found)


FORMATS = {".pdf": Format("PDF", pages)}
