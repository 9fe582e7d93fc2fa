"""PDF: pages become sections; what PDFium would guess at is refused."""

import io
from typing import Any

import pypdfium2  # type: ignore[import-untyped]
import pytest
from fpdf import FPDF

from groundtune.errors import UserError
from groundtune.parse import parse

LONG = (
    "You may send anything back within thirty days of delivery, as long as the box is kept and the label was printed."
)


def pdf(*pages: str, **encryption: Any) -> bytes:
    document = FPDF()
    document.set_title("Returns  policy")
    document.set_font("helvetica", size=12)
    for text in pages:
        document.add_page()
        document.multi_cell(0, None, text)
    if encryption:
        document.set_encryption(**encryption)
    return bytes(document.output())


def test_pages_become_sections_with_their_numbers() -> None:
    parsed = parse("a.pdf", pdf("First page.", "", "Third page."))
    assert parsed.text == "First page.\n\nThird page."
    assert [(section.page, parsed.text[section.start : section.end]) for section in parsed.sections] == [
        (1, "First page."),
        (3, "Third page."),
    ]
    assert parsed.title == "Returns policy"


def test_a_sentence_over_several_lines_becomes_one_line() -> None:
    text = parse("a.pdf", pdf(f"Returns\n{LONG} {LONG}\n- first\n- second\nLamps are different.")).text
    assert text.split("\n") == ["Returns", f"{LONG} {LONG}", "- first", "- second", "Lamps are different."]


def test_rows_of_a_narrow_list_stay_apart() -> None:
    assert parse("a.pdf", pdf("Lamp 3 EUR\nChair 9 EUR\nDesk 12 EUR")).text == "Lamp 3 EUR\nChair 9 EUR\nDesk 12 EUR"


def test_a_word_divided_at_the_end_of_a_line_is_whole_again() -> None:
    assert "information" in parse("a.pdf", pdf("All the infor-\nmation you need.")).text


def test_an_encrypted_pdf_is_refused() -> None:
    with pytest.raises(UserError, match=r"not readable as PDF \(it is encrypted; save it without a password\)"):
        parse("a.pdf", pdf("Secret.", owner_password="o", user_password="u"))


def test_a_pdf_that_opens_without_a_password_is_read() -> None:
    assert parse("a.pdf", pdf("Not so secret.", owner_password="o")).text == "Not so secret."


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_truncated_pdf_is_refused_though_pdfium_might_guess_the_rest(share: float) -> None:
    data = pdf("One.", "Two.")
    with pytest.raises(UserError, match=r"not readable as PDF \(the file is truncated\)"):
        parse("a.pdf", data[: int(len(data) * share)])


def test_a_scan_without_a_text_layer_is_refused() -> None:
    with pytest.raises(UserError, match=r"no text layer.*OCR"):
        parse("a.pdf", pdf("", ""))


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "it is no PDF inside"), (b"hello", "it is no PDF inside"), (b"%PDF-1.7\nnothing\n%%EOF\n", "damaged")],
)
def test_what_is_no_pdf_inside_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=rf"not readable as PDF \(.*{reason}"):
        parse("a.pdf", data)


# ---------------------------------------------------------------- tables

ROWS = [
    ("Item", "Fee", "Days", "Note"),
    ("Desk lamp", "3 EUR", "14", "none"),
    ("Floor lamp", "4 EUR", "14", "must be packed in its own box with the cable rolled up beside it"),
    ("Chair", "9 EUR", "30", "none"),
]
TABLE = (
    "| Item | Fee | Days | Note |\n| --- | --- | --- | --- |\n| Desk lamp | 3 EUR | 14 | none |\n"
    "| Floor lamp | 4 EUR | 14 | must be packed in its own box with the cable rolled up beside it |\n"
    "| Chair | 9 EUR | 30 | none |"
)


def page() -> FPDF:
    document = FPDF()
    document.set_font("helvetica", size=11)
    document.add_page()
    return document


def text_of(document: FPDF) -> str:
    return parse("a.pdf", bytes(document.output())).text


@pytest.mark.parametrize("layout", ["ALL", "INTERNAL", "MINIMAL", "HORIZONTAL_LINES", "SINGLE_TOP_LINE", "NONE"])
def test_a_table_is_markdown_in_its_place_with_whatever_lines_it_is_drawn(layout: str) -> None:
    document = page()
    document.multi_cell(0, None, f"Returns\n{LONG} {LONG}")
    document.ln(5)
    with document.table(ROWS, borders_layout=layout):
        pass
    document.ln(5)
    document.multi_cell(0, None, f"After the table. {LONG}")
    assert text_of(document) == f"Returns\n{LONG} {LONG}\n\n{TABLE}\n\nAfter the table. {LONG}"


def test_a_table_of_shaded_rows_is_one_table() -> None:
    document = page()
    with document.table(ROWS, borders_layout="NONE", cell_fill_color=220, cell_fill_mode="ROWS"):
        pass
    assert text_of(document) == TABLE


def test_two_tables_on_a_page_stay_two_and_offsets_of_the_pages_hold() -> None:
    document = page()
    for width in (180, 90):
        with document.table(ROWS[:2], width=width):
            pass
        document.ln(5)
        document.multi_cell(0, None, "Words.")
    document.add_page()
    document.multi_cell(0, None, "Last page.")
    parsed = parse("a.pdf", bytes(document.output()))
    table = "\n".join(TABLE.split("\n")[:3])
    assert [parsed.text[section.start : section.end] for section in parsed.sections] == [
        f"{table}\n\nWords.\n\n{table}\n\nWords.",
        "Last page.",
    ]


def test_what_is_merged_over_rows_is_said_in_each_and_over_columns_once() -> None:
    document = page()
    with document.table(num_heading_rows=2) as table:
        row = table.row()
        row.cell("Item", rowspan=2)
        row.cell("Price in EUR", colspan=2)
        for words in (["net", "gross"], ["Lamp", "3", "4"]):
            row = table.row()
            for word in words:
                row.cell(word)
    assert text_of(document).split("\n") == [
        "| Item | Price in EUR | |",
        "| --- | --- | --- |",
        "| Item | net | gross |",
        "| Lamp | 3 | 4 |",
    ]


def test_columns_of_prose_are_no_table_and_are_read_one_after_the_other() -> None:
    document = page()
    with document.text_columns(ncols=2, gutter=10, text_align="J") as columns:
        columns.write(f"Left. {LONG * 12} Right. {LONG * 8}")
    text = text_of(document)
    assert "|" not in text
    assert text.index("Left.") < text.index("Right.")


def test_a_frame_a_rule_and_a_drawing_with_labels_are_no_table() -> None:
    document = page()
    document.rect(8, 8, 190, 280)
    document.line(8, 20, 198, 20)
    document.multi_cell(0, None, f"Head\n\n\n{LONG}")
    for step in range(6):  # the grid of a chart, which has its numbers outside
        document.line(40, 100 + 10 * step, 90, 100 + 10 * step)
        document.line(40 + 10 * step, 100, 40 + 10 * step, 150)
        document.text(30, 100 + 10 * step, str(step))
        document.text(39 + 10 * step, 156, str(step))
    assert "|" not in text_of(document)


def test_items_whose_text_stands_apart_from_their_mark_are_no_table() -> None:
    document = page()
    for mark in ("-", "1.", "(b)", "iv."):
        document.cell(20, 6, mark)
        document.cell(60, 6, f"Keep the box {mark}", new_x="LMARGIN", new_y="NEXT")
    assert text_of(document).split("\n")[:2] == ["- Keep the box -", "1. Keep the box 1."]


def test_a_drawing_of_thousands_of_lines_is_passed_over() -> None:
    document = page()
    document.multi_cell(0, None, "A map.")
    for step in range(5_100):
        document.line(10, 20 + step / 50, 190, 20 + step / 50)
    assert text_of(document) == "A map."


def test_more_pages_than_the_limit_are_refused() -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(5_001):
        document.new_page(100, 100)
    file = io.BytesIO()
    document.save(file)
    with pytest.raises(UserError, match=r"not readable as PDF \(it has 5,001 pages, more than 5,000; cut it up\)"):
        parse("a.pdf", file.getvalue())
