"""DOCX: headings kept, each paragraph and table row on one line."""

import io
import zipfile
from functools import cache
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
    assert parsed.text == (
        "Returns\n\nYou may send anything back within 30 days.\n\nFees\n\n"
        "| Item | Fee | Days |\n| --- | --- | --- |\n| Lamp | 3 EUR | 14 |"
    )
    assert [section.heading for section in parsed.sections] == ["Returns", "Returns > Fees"]
    assert parsed.title == "Returns"


def grid(rows: list[list[str]]) -> tuple[Any, Any]:
    document = docx.Document()
    table = document.add_table(rows=len(rows), cols=len(rows[0]))
    for row, words in zip(table.rows, rows, strict=True):
        for cell, word in zip(row.cells, words, strict=True):
            cell.text = word
    return document, table


def test_a_cell_merged_over_rows_is_said_in_each_and_over_columns_once() -> None:
    document, table = grid([["Group", "Item", "Fee"], ["Lamps", "Desk", "3"], ["", "Floor", "4"], ["All", "", "7"]])
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(3, 0).merge(table.cell(3, 1))
    assert parse("a.docx", saved(document)).text.split("\n")[2:] == [
        "| Lamps | Desk | 3 |",
        "| Lamps | Floor | 4 |",
        "| All | | 7 |",
    ]


def test_empty_rows_and_columns_are_dropped_and_bars_in_cells_are_marked() -> None:
    document, _ = grid([["Item", "", "Fee|net"], ["", "", ""], ["Lamp", "", "3"]])
    assert parse("a.docx", saved(document)).text == "| Item | Fee\\|net |\n| --- | --- |\n| Lamp | 3 |"


def test_a_frame_of_one_cell_is_no_table() -> None:
    document, _ = grid([["Mind the box."]])
    assert parse("a.docx", saved(document)).text == "Mind the box."


def test_a_table_in_a_table_is_said_once_in_the_cell_that_it_stands_in() -> None:
    document, table = grid([["Item", "Fee"], ["Lamp", ""]])
    table.cell(1, 1).add_table(rows=1, cols=2).rows[0].cells[0].text = "3 EUR"
    assert parse("a.docx", saved(document)).text.split("\n")[2:] == ["| Lamp | 3 EUR |"]


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


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def changed(data: bytes, member: str, content: bytes | None) -> bytes:
    """The file with one member replaced, or without it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != member}
    return zipped(members if content is None else members | {member: content})


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx"])
def test_a_zip_that_holds_something_else_is_refused(suffix: str) -> None:
    with pytest.raises(UserError, match=r"it is not an? .* inside"):
        parse(f"a{suffix}", zipped({"a.txt": b"words"}))


@pytest.mark.parametrize("suffix", [".pptx", ".xlsx"])
def test_a_word_document_under_another_suffix_is_refused(suffix: str) -> None:
    with pytest.raises(UserError, match=r"it is not an? .* inside"):
        parse(f"a{suffix}", saved(policy()))


@cache
def bomb() -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("word/document.xml", "w") as member,
    ):
        for _ in range(201):
            member.write(bytes(1_000_000))
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx", ".epub"])
def test_a_small_file_that_unpacks_to_hundreds_of_megabytes_is_refused(suffix: str) -> None:
    with pytest.raises(UserError, match="it unpacks to 201 MB"):
        parse(f"a{suffix}", bomb())


def test_a_file_of_very_many_files_is_refused_before_it_is_opened() -> None:
    with pytest.raises(UserError, match="it holds more than 10,000 files"):
        parse("a.docx", b"PK\x01\x02" * 10_001)


def test_a_member_that_is_missing_or_broken_is_damage() -> None:
    data = saved(policy())
    for content in (None, b"<w:document", b""):
        with pytest.raises(UserError, match=r"not readable as DOCX \(the file is damaged"):
            parse("a.docx", changed(data, "word/document.xml", content))


def test_a_document_nested_too_deep_is_refused() -> None:
    deep = b"<w:sdt><w:sdtContent>" * 5_000
    document = f"<w:document {nsdecls('w')}><w:body>".encode() + deep
    with pytest.raises(UserError, match=r"not readable as DOCX \(the file is damaged: .*[Dd]epth"):
        parse("a.docx", changed(saved(policy()), "word/document.xml", document))


def test_entities_that_name_each_other_are_not_followed() -> None:
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    body = f"]><w:document {nsdecls('w')}><w:body><w:p><w:r><w:t>Words. &i;</w:t></w:r></w:p></w:body></w:document>"
    try:
        text = parse("a.docx", changed(saved(policy()), "word/document.xml", (bomb + body).encode())).text
    except UserError as error:
        assert "DOCX" in error.message
    else:
        assert len(text) < 100
