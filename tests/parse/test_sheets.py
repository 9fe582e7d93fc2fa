"""XLSX: each row a line that can be understood on its own, whatever the sheet looks like."""

import datetime
import io
from collections.abc import Sequence
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pytest

from groundtune.errors import UserError
from groundtune.parse import parse


def saved(book: Any) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def workbook(*rows: Sequence[Any], name: str = "Fees") -> Any:
    book = openpyxl.Workbook()
    book.active.title = name
    for row in rows:
        book.active.append(row)
    return book


def lines(book: Any) -> list[str]:
    """The lines below the sheet's name."""
    text = parse("a.xlsx", saved(book)).text
    return text.split("\n\n")[1:]


def test_a_row_says_its_columns_and_a_sheet_is_a_section() -> None:
    book = workbook(["Item", "Fee", "Note"], ["Lamp", 3, "a\nb"], ["Chair", None, "c"])
    book.create_sheet("Empty")
    book.create_sheet("Staff").append(["Ann leads the workshop."])
    parsed = parse("prices.xlsx", saved(book))
    assert parsed.text == (
        "Fees\n\nItem: Lamp; Fee: 3; Note: a b\n\nItem: Chair; Note: c\n\nStaff\n\nAnn leads the workshop."
    )
    assert [section.heading for section in parsed.sections] == ["Fees", "Staff"]
    assert parsed.title == "prices"


def test_the_title_is_the_workbooks_own() -> None:
    book = workbook(["x"])
    book.properties.title = "All fees"
    assert parse("a.xlsx", saved(book)).title == "All fees"


def test_a_hidden_sheet_is_not_read() -> None:
    book = workbook(["shown"])
    for state in ("hidden", "veryHidden"):
        sheet = book.create_sheet(state)
        sheet.append(["secret"])
        sheet.sheet_state = state
    assert lines(book) == ["shown"]


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (3, "General", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (3.5, "0.00", "3.50"),
        (3.14159, "0.00", "3.14159"),
        (0.07, "0%", "7%"),
        (3.5, '#,##0.00 "EUR"', "3.50 EUR"),
        (3.5, "[$€-407]#,##0.00;[Red]-[$€-407]0", "€3.50"),
        (4, "$#,##0", "$4"),
        (2, "[Red]0.0", "2.0"),
        (datetime.datetime.fromisoformat("2026-01-02"), "dd/mm/yyyy", "2026-01-02"),
        (datetime.datetime.fromisoformat("2026-01-02 09:30"), "dd/mm/yyyy hh:mm", "2026-01-02 09:30"),
        (datetime.time(9, 30), "hh:mm", "09:30"),
        (datetime.timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
        (True, "General", "TRUE"),
        ("=1/0", "General", None),
        ("#N/A", "General", None),
    ],
)
def test_a_value_is_written_as_the_sheet_shows_it(value: Any, form: str, shown: str | None) -> None:
    book = workbook(["Item", "Value", "Note"], ["Lamp", value, "x"])
    book.active["B2"].number_format = form
    middle = f"Value: {shown}; " if shown else ""
    assert lines(book) == [f"Item: Lamp; {middle}Note: x"]


def test_a_caption_stands_alone_and_a_blank_row_begins_a_table_with_its_own_header() -> None:
    book = workbook(
        ["Fees of 2026"],
        [None],
        ["Item", "Fee", "Note"],
        ["Lamp", 3, "a"],
        [],
        ["Chair", 9, "b"],
        [],
        [],
        ["Town", "Street", "Open", "Since"],
        ["Ulm", "Elm 3", "9-17", datetime.date(2020, 5, 1)],
        [],
        ["Contact", "Ann"],
    )
    assert lines(book) == [
        "Fees of 2026",
        "Item: Lamp; Fee: 3; Note: a",
        "Item: Chair; Fee: 9; Note: b",
        "Town: Ulm; Street: Elm 3; Open: 9-17; Since: 2020-05-01",
        "Contact: Ann",
    ]


def test_two_columns_are_names_with_values_unless_a_header_is_plain_to_see() -> None:
    assert lines(workbook(["Weight", "3 kg"], ["Colour", "red"])) == ["Weight: 3 kg", "Colour: red"]
    assert lines(workbook(["Item", "Fee"], ["Lamp", 3], ["Chair", 9])) == ["Item: Lamp; Fee: 3", "Item: Chair; Fee: 9"]


def test_years_name_columns_and_other_numbers_do_not() -> None:
    assert lines(workbook(["Item", 2025, 2026], ["Lamp", 3, 4])) == ["Item: Lamp; 2025: 3; 2026: 4"]
    assert lines(workbook(["Lamp", 3, 14], ["Chair", 9, 7])) == ["Lamp; 3; 14", "Chair; 9; 7"]


def test_what_is_merged_over_rows_is_said_in_each() -> None:
    book = workbook(
        ["Group", "Item", "Fee"], ["Lamps", "Desk", 3], [None, "Floor", 4], [None, None, None], ["x", "y", 1]
    )
    book.active.merge_cells("A2:A4")
    assert lines(book) == [
        "Group: Lamps; Item: Desk; Fee: 3",
        "Group: Lamps; Item: Floor; Fee: 4",
        "Group: x; Item: y; Fee: 1",
    ]


def test_a_cell_far_away_costs_next_to_nothing() -> None:
    book = workbook(["Item", "Fee", "Note"], ["Lamp", 3, "a"])
    book.active["XFD1048576"] = "far"
    assert lines(book) == ["Item: Lamp; Fee: 3; Note: a", "far"]


def test_one_long_text_that_is_shared_by_many_cells_is_bounded() -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Bomb")
    for _ in range(1_700):
        sheet.append(["x" * 30_000])
    with pytest.raises(UserError, match=r"not readable as XLSX \(more than 50 million characters of text"):
        parse("a.xlsx", saved(book))


@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_a_truncated_workbook_is_refused(share: float) -> None:
    data = saved(workbook(["a", "b"]))
    with pytest.raises(UserError, match=r"not readable as XLSX \(the file is damaged or truncated\)"):
        parse("a.xlsx", data[: int(len(data) * share)])


def test_an_empty_workbook_holds_no_text() -> None:
    with pytest.raises(UserError, match="it holds no text"):
        parse("a.xlsx", saved(workbook()))
