"""PPTX: a slide is a page and a section under its title; tables and charts become Markdown, notes come last."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from groundtune.parse._grid import table
from groundtune.parse._limits import office
from groundtune.parse._parsed import Format, Outline, Parsed, one_line
from groundtune.types import Section

# Placeholders that say the same on every slide.
_FURNITURE = {"dt", "ftr", "hdr", "sldNum"}


def pptx(data: bytes) -> Parsed:
    """A PowerPoint file, without its hidden slides; a page's number is the slide's."""
    from pptx import Presentation

    with office(data, "presentationml.presentation", "a PowerPoint file"):
        deck = Presentation(io.BytesIO(data))
        shown = [(n, slide) for n, slide in enumerate(deck.slides, start=1) if slide.element.get("show") != "0"]
        pages = [(number, _title(slide), _text(slide)) for number, slide in shown]
        title = next((title for _, title, _ in pages if title), one_line(deck.core_properties.title))
    pages = [page for page in pages if page[2]]
    return Parsed("\n\n".join(text for *_, text in pages), title, _sections(pages))


def _sections(pages: list[tuple[int, str, str]]) -> tuple[Section, ...]:
    found: list[Section] = []
    start = 0
    for number, title, text in pages:
        found.append(Section(start, start + len(text), title, number))
        start += len(text) + 2
    return tuple(found)


def _title(slide: Any) -> str:
    shape = slide.shapes.title
    return one_line(shape.text_frame.text) if shape is not None else ""


def _text(slide: Any) -> str:
    outline = Outline()
    title = slide.shapes.title
    if title is not None:
        outline.lines([one_line(title.text_frame.text)])
    for shape in _in_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _write(shape, outline)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = one_line(slide.notes_slide.notes_text_frame.text)
        outline.lines([f"Notes: {notes}"] if notes else [])
    return outline.parsed().text


def _in_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Shapes as they are read: row by row from the top, in a row from the left.

    A row is what begins above the middle of the shape that stands highest in it.
    """
    waiting = sorted(shapes, key=lambda shape: shape.top or 0)
    while waiting:
        middle = (waiting[0].top or 0) + (waiting[0].height or 0) / 2
        row = [shape for shape in waiting if (shape.top or 0) <= middle]
        waiting = waiting[len(row) :]
        yield from sorted(row, key=lambda shape: (shape.left or 0, shape.top or 0))


def _write(shape: Any, outline: Outline) -> None:
    if hasattr(shape, "shapes"):  # a group
        for inner in _in_order(shape.shapes):
            _write(inner, outline)
    elif shape.has_text_frame:
        if not _FURNITURE.intersection(shape.element.xpath("./p:nvSpPr/p:nvPr/p:ph/@type")):
            outline.lines(paragraph.text for paragraph in shape.text_frame.paragraphs)
    elif shape.has_table:
        outline.lines(table(_rows(shape.table)))
    elif shape.has_chart:
        _chart(shape.chart, outline)
    else:
        outline.lines(_diagram(shape))


def _rows(grid: Any) -> list[list[str]]:
    """A table's rows. A cell that is merged over several rows is said in each, so that a row can stand alone."""
    rows: list[list[str]] = []
    for row in grid.rows:
        above = rows[-1] if rows else []
        rows.append(
            [
                above[column] if cell._tc.vMerge and above else "" if cell.is_spanned else cell.text
                for column, cell in enumerate(row.cells)
            ]
        )
    return rows


def _chart(chart: Any, outline: Outline) -> None:
    """A chart as its title and a table: a row a category, a column a series."""
    if chart.has_title and chart.chart_title.has_text_frame:
        outline.lines([chart.chart_title.text_frame.text])
    names: dict[str, str] = {}
    columns: list[dict[str, str]] = []
    for series in chart._chartSpace.xpath(".//c:ser"):  # python-pptx itself does not know all kinds of charts
        names |= _points(series.xpath("./c:cat | ./c:xVal"))
        columns.append({"": " ".join(series.xpath("./c:tx//c:v/text()"))} | _points(series.xpath("./c:val | ./c:yVal")))
    places = dict.fromkeys(place for column in columns for place in column)
    outline.lines(table([[names.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]))


def _points(values: list[Any]) -> dict[str, str]:
    """The values of a chart's series by their places, without the noise of a number's last binary digit."""
    found = {}
    for point in (point for each in values for point in each.iterfind(".//{*}pt")):
        value = point.findtext("{*}v") or ""
        with suppress(ValueError):
            value = f"{float(value):.15g}"
        found[point.get("idx", "0")] = value
    return found


def _diagram(shape: Any) -> Iterator[str]:
    """The words of a SmartArt drawing, which lie in a part of their own."""
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    for relation in shape.element.xpath(".//*[local-name()='relIds']/@r:dm"):
        tree = etree.fromstring(shape.part.related_part(relation).blob, parser)
        for point in tree.iterfind(".//{*}pt"):
            yield " ".join(words.text or "" for words in point.iterfind(".//{*}t"))


FORMATS = {".pptx": Format("PPTX", pptx)}
