"""DOCX: headings kept, each paragraph and table row on one line."""

import io
import zipfile
from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from groundtune.errors import UserError
from groundtune.parse import parse


def saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def policy() -> Any:
    document = docx.Document()
    document.add_heading("Returns", 1)
    paragraph = document.add_paragraph("You may send ")
    paragraph.add_run("anything").bold = True
    paragraph.add_run(" back\nwithin\t30 days.")
    document.add_heading("Fees", 2)
    table = document.add_table(rows=0, cols=3)
    for row in (["Item", "Fee", "Days"], ["Lamp", "3 EUR", "14"]):
        for cell, words in zip(table.add_row().cells, row, strict=True):
            cell.text = words
    return document


def test_headings_make_sections_and_each_paragraph_is_one_line() -> None:
    parsed = parse("a.docx", saved(policy()))
    assert (
        parsed.text
        == "Returns\n\nYou may send anything back within 30 days.\n\nFees\n\nItem: Lamp; Fee: 3 EUR; Days: 14"
    )
    assert [section.heading for section in parsed.sections] == ["Returns", "Returns > Fees"]
    assert parsed.title == "Returns"


def test_a_heading_style_of_the_firms_own_counts() -> None:
    document = docx.Document()
    style: Any = document.styles.add_style("Acme chapter", WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Heading 1"]
    document.add_paragraph("Lamps", style="Acme chapter")
    document.add_paragraph("Bright.")
    assert [section.heading for section in parse("a.docx", saved(document)).sections] == ["Lamps"]


def test_tracked_insertions_are_read_and_deletions_are_not() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("The fee is ")
    change = f'{nsdecls("w")} w:id="1" w:author="a"'
    paragraph._p.append(parse_xml(f"<w:del {change}><w:r><w:delText>3</w:delText></w:r></w:del>"))
    paragraph._p.append(parse_xml(f"<w:ins {change}><w:r><w:t>4</w:t></w:r></w:ins>"))
    paragraph.add_run(" EUR.")
    assert parse("a.docx", saved(document)).text == "The fee is 4 EUR."


def test_text_in_a_content_control_is_read_and_the_contents_list_is_not() -> None:
    document = docx.Document()
    control = "<w:sdt {}><w:sdtContent><w:p><w:r><w:t>In a control.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    document.element.body.insert(0, parse_xml(control.format(nsdecls("w"))))
    document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Returns ..... 3", style="toc 1")
    assert parse("a.docx", saved(document)).text == "In a control."


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", "damaged or truncated"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted"),
    ],
)
def test_what_is_no_docx_inside_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=rf"not readable as DOCX \(.*{reason}"):
        parse("a.docx", data)


def test_a_truncated_docx_is_refused() -> None:
    data = saved(policy())
    with pytest.raises(UserError, match="truncated"):
        parse("a.docx", data[: len(data) // 2])


def test_a_zip_that_holds_no_word_document_is_refused_and_no_crash() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "words")
    with pytest.raises(UserError, match=r"not readable as DOCX \(KeyError: "):
        parse("a.docx", file.getvalue())


def test_a_small_file_that_unpacks_to_hundreds_of_megabytes_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as member:
        for _ in range(201):
            member.write(bytes(1_000_000))
    with pytest.raises(UserError, match="it unpacks to 201 MB"):
        parse("a.docx", file.getvalue())
