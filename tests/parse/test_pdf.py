"""PDF: pages become sections; what PDFium would guess at is refused."""

from typing import Any

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


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7\nnothing\n%%EOF\n"])
def test_what_is_no_pdf_inside_is_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="not readable as PDF"):
        parse("a.pdf", data)
