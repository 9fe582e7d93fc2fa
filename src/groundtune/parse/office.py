"""Office documents. DOCX: paragraphs in order, heading styles make the sections, tables become lines."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from groundtune.parse._parsed import Format, Outline, Parsed
from groundtune.parse.tables import table_lines

_LOCKED = b"\xd0\xcf\x11\xe0"  # the container of encrypted files, and of Word files before 2007
_MOST_UNPACKED = 200_000_000  # bytes: a small file that unpacks to more is an attack, not a text
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_CONTENTS = re.compile(r"toc \d", re.IGNORECASE)
# What is not the text as it reads now: properties, the second copy of a text box, tracked deletions.
_SKIPPED = {"pPr", "rPr", "Fallback", "del", "moveFrom", "sdtPr"}
_SPACES = {"tab", "br", "cr"}


def docx(data: bytes) -> Parsed:
    """A Word document, with tracked insertions and without tracked deletions, comments, headers and footnotes."""
    from docx import Document

    _check(data)
    document = Document(io.BytesIO(data))
    outline = Outline()
    for block in _blocks(document.element.body):
        if _name(block) == "tbl":
            outline.lines(_table(block))
        else:
            _write(block, _style(block, document), outline)
    return outline.parsed(document.core_properties.title)


def _check(data: bytes) -> None:
    if data.startswith(_LOCKED):
        raise ValueError("it is encrypted, or in Word's format from before 2007; save it as DOCX without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError("the file is damaged or truncated") from error
    if size > _MOST_UNPACKED:
        raise ValueError(f"it unpacks to {size // 1_000_000} MB")


def _blocks(element: Any) -> Iterator[Any]:
    """The paragraphs and tables, also those in content controls, which python-docx itself passes over."""
    for child in element:
        if _name(child) in ("p", "tbl"):
            yield child
        elif _name(child) in ("sdt", "sdtContent", "ins", "customXml", "smartTag"):
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


def _table(table: Any) -> list[str]:
    rows = [[_words(cell) for cell in row if _name(cell) == "tc"] for row in table.iter(f"{{{table.nsmap['w']}}}tr")]
    return table_lines([row for row in rows if any(row)], has_header=bool(table.xpath("./w:tr[1]/w:trPr/w:tblHeader")))


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
