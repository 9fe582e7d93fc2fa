"""PPTX: a slide is a page under its title, and all that it says is there in the order of reading."""

import io
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from groundtune.errors import UserError
from groundtune.parse import parse

chart_data: Any = CategoryChartData
TITLE_ONLY, TITLE_AND_BODY, BLANK = 5, 1, 6


def saved(deck: Any) -> bytes:
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def add_slide(deck: Any, title: str, body: str = "") -> Any:
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE_AND_BODY if body else TITLE_ONLY])
    slide.shapes.title.text = title
    if body:
        slide.placeholders[1].text = body
    return slide


def add_text(shapes: Any, left: float, top: float, words: str) -> Any:
    box = shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1))
    box.text_frame.text = words
    return box


def text_of(deck: Any) -> str:
    return parse("a.pptx", saved(deck)).text


def test_slides_become_sections_with_their_number_and_title() -> None:
    deck = pptx.Presentation()
    add_slide(deck, "Returns\vof lamps", "Keep the box\nPrint the label")
    deck.slides.add_slide(deck.slide_layouts[BLANK])
    add_slide(deck, "Fees", "Lamps: 3 EUR")
    parsed = parse("a.pptx", saved(deck))
    assert parsed.text == "Returns of lamps\n\nKeep the box\nPrint the label\n\nFees\n\nLamps: 3 EUR"
    assert [(s.page, s.heading, parsed.text[s.start : s.end][:7]) for s in parsed.sections] == [
        (1, "Returns of lamps", "Returns"),
        (3, "Fees", "Fees\n\nL"),
    ]
    assert parsed.title == "Returns of lamps"


def test_shapes_are_read_row_by_row_and_from_the_left_those_of_groups_together() -> None:
    deck = pptx.Presentation()
    shapes = deck.slides.add_slide(deck.slide_layouts[BLANK]).shapes
    add_text(shapes, 1, 5, "last")
    add_text(shapes, 6, 1.9, "right")
    add_text(shapes, 1, 2, "left")
    group = shapes.add_group_shape()
    add_text(group.shapes, 1, 3.9, "group, second")
    add_text(group.shapes, 1, 3.2, "group, first")
    assert text_of(deck).split("\n\n") == ["left", "right", "group, first", "group, second", "last"]


def test_a_table_is_markdown_and_a_cell_merged_over_rows_is_said_in_each() -> None:
    deck = pptx.Presentation()
    slide = add_slide(deck, "Fees")
    table = slide.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(2)).table
    for row, words in enumerate((["Group", "Item", "Fee"], ["Lamps", "Desk", "3 EUR"], ["", "Floor", "4\nEUR"])):
        for column, word in enumerate(words):
            table.cell(row, column).text = word
    table.cell(1, 0).merge(table.cell(2, 0))
    assert text_of(deck).split("\n")[2:] == [
        "| Group | Item | Fee |",
        "| --- | --- | --- |",
        "| Lamps | Desk | 3 EUR |",
        "| Lamps | Floor | 4 EUR |",
    ]


@pytest.mark.parametrize("kind", ["barChart", "bar3DChart", "surfaceChart"])
def test_a_chart_says_its_numbers_of_whatever_kind_it_is(kind: str) -> None:
    deck = pptx.Presentation()
    data = chart_data()
    data.categories = ["2025", "2026"]
    data.add_series("Returns", (4.3, None))
    data.add_series("Repairs", (0.1 + 0.2, 7))
    slide = add_slide(deck, "Figures")
    chart: Any = slide.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(2), Inches(6), Inches(4), data
    )
    (bars,) = chart.chart._chartSpace.xpath(".//c:barChart")
    bars.tag = bars.tag.replace("barChart", kind)
    assert text_of(deck).split("\n")[2:] == [
        "| | Returns | Repairs |",
        "| --- | --- | --- |",
        "| 2025 | 4.3 | 0.3 |",
        "| 2026 | | 7 |",
    ]


def test_notes_are_read_and_hidden_slides_and_slide_numbers_are_not() -> None:
    deck = pptx.Presentation()
    slide = add_slide(deck, "Shown", "Words")
    slide.notes_slide.notes_text_frame.text = "Say this\naloud."
    number = add_text(slide.shapes, 8, 7, "17")
    properties = number._element.nvSpPr.nvPr
    properties.append(properties.makeelement(f"{{{properties.nsmap['p']}}}ph", {"type": "sldNum"}))
    add_slide(deck, "Hidden")._element.set("show", "0")
    assert text_of(deck) == "Shown\n\nWords\n\nNotes: Say this aloud."


def test_a_presentation_without_words_holds_no_text() -> None:
    with pytest.raises(UserError, match="it holds no text"):
        parse("a.pptx", saved(pptx.Presentation()))


@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_a_truncated_presentation_is_refused(share: float) -> None:
    deck = pptx.Presentation()
    add_slide(deck, "Fees")
    data = saved(deck)
    with pytest.raises(UserError, match=r"not readable as PPTX \(the file is damaged or truncated\)"):
        parse("a.pptx", data[: int(len(data) * share)])


def test_an_encrypted_presentation_is_refused() -> None:
    with pytest.raises(UserError, match=r"not readable as PPTX \(it is encrypted"):
        parse("a.pptx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
