"""DOCX: paragraphs in order, heading styles make the sections, tables become Markdown."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from groundtune.parse._grid import table
from groundtune.parse._limits import office
from groundtune.parse._parsed import Format, Outline, Parsed

_WRAPPERS = {"sdt", "sdtContent", "ins", "customXml", "smartTag"}
_MOST_COLUMNS = 63  # in Word
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_CONTENTS = re.compile(r"toc \d", re.IGNORECASE)
# What is not the text as it reads now: properties, the second copy of a text box, tracked deletions.
_SKIPPED = {"pPr", "rPr", "Fallback", "del", "moveFrom", "sdtPr"}
_SPACES = {"tab", "br", "cr"}


def docx(data: bytes) -> Parsed:
    """A Word document, with tracked insertions and without tracked deletions, comments, headers and footnotes."""
    from docx import Document

    with office(data, "wordprocessingml.document", "a Word document"):
        document = Document(io.BytesIO(data))
        outline = Outline()
        for block in _blocks(document.element.body):
            if _name(block) == "tbl":
                outline.lines(table(_rows(block)))
            else:
                _write(block, _style(block, document), outline)
        return outline.parsed(document.core_properties.title)


def _blocks(element: Any) -> Iterator[Any]:
    """The paragraphs and tables, also those in content controls, which python-docx itself passes over."""
    for child in element:
        if _name(child) in ("p", "tbl"):
            yield child
        elif _name(child) in _WRAPPERS:
            yield from _blocks(child)


def _write(paragraph: Any, styles: list[str], outline: Outline) -> None:
    if any(_CONTENTS.match(style) for style in styles):
        return  # the table of contents says again what the headings say
    level = next((int(found[1]) for style in styles if (found := _HEADING.match(style))), None)
    if "Title" in styles:
        level = 0
    if level is None:
        outline.lines([_words(paragraph)])
    else:
        outline.heading(level, _words(paragraph))


def _style(paragraph: Any, document: Any) -> list[str]:
    """The names of a paragraph's style and of those that it builds on: a firm's own headings build on Word's."""
    from docx.text.paragraph import Paragraph

    names: list[str] = []
    style = Paragraph(paragraph, document._body).style
    while style is not None and style.name and style.name not in names:
        names.append(style.name)
        style = style.base_style
    return names


def _rows(element: Any) -> list[list[str]]:
    """A table's rows. A cell that is merged over several rows is said in each, so that a row can stand alone."""
    rows: list[list[str]] = []
    for row in _inside(element, "tr"):
        cells: list[str] = []
        for cell in _inside(row, "tc"):
            span, goes_on = _merged(cell)
            above = rows[-1][len(cells)] if rows and len(rows[-1]) > len(cells) else ""
            cells += [above if goes_on else _words(cell), *[""] * (span - 1)]
        rows.append(cells)
    return rows


def _inside(element: Any, name: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, those in content controls too, but not a nested table's."""
    for child in element:
        if _name(child) == name:
            if not child.xpath("./w:trPr/w:del"):
                yield child
        elif _name(child) in _WRAPPERS:
            yield from _inside(child, name)


def _merged(cell: Any) -> tuple[int, bool]:
    """How many columns a cell covers, and whether it is the continuation of the cell above it."""
    span = cell.xpath("./w:tcPr/w:gridSpan/@w:val")
    above = cell.xpath("./w:tcPr/w:vMerge[not(@w:val) or @w:val='continue']")
    return (min(int(span[0]), _MOST_COLUMNS) if span else 1), bool(above)


def _words(element: Any) -> str:
    pieces = []
    for child in element:
        name = _name(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name in _SPACES:
            pieces.append(" ")
        elif name not in _SKIPPED:
            pieces.append(_words(child) + (" " if name == "p" else ""))
    return "".join(pieces)


def _name(element: Any) -> str:
    """An element's name without its namespace; comments have none."""
    return str(element.tag).rpartition("}")[2]


FORMATS = {".docx": Format("DOCX", docx)}
