"""Rows: each a paragraph of one line that can be understood on its own."""

import pytest

from groundtune.errors import UserError
from groundtune.parse import parse


def rows(name: str, text: str) -> list[str]:
    return parse(name, text.encode()).text.split("\n\n")


def test_a_row_says_its_columns() -> None:
    assert rows("fees.csv", "Item,Fee\nLamp,3 EUR\nChair,9 EUR\n") == [
        "Item: Lamp; Fee: 3 EUR",
        "Item: Chair; Fee: 9 EUR",
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_usual_delimiter_is_found_out(delimiter: str) -> None:
    table = [["Item", "Fee", "Note"], ["Lamp", "3", "a"], ["Chair", "9", "b"]]
    text = "\n".join(delimiter.join(row) for row in table)
    assert rows("a.csv", text)[1] == "Item: Chair; Fee: 9; Note: b"


def test_a_semicolon_file_with_decimal_commas_is_not_cut_at_the_commas() -> None:
    assert rows("a.csv", "Item;Fee\nLamp;3,50\nChair;9,25\n")[0] == "Item: Lamp; Fee: 3,50"


def test_a_tsv_may_hold_commas() -> None:
    assert rows("a.tsv", "Item\tNote\nLamp\tred, blue, green\n") == ["Item: Lamp; Note: red, blue, green"]


def test_a_quoted_value_with_a_line_break_stays_on_one_line() -> None:
    assert rows("a.csv", 'Item,Note\nLamp,"red,\r\nor ""blue"""\n') == ['Item: Lamp; Note: red, or "blue"']


def test_short_and_long_rows_and_empty_values_and_blank_rows() -> None:
    assert rows("a.csv", "Item,Fee,Note\nLamp\n\n,,\nChair,9,x,extra\n") == [
        "Item: Lamp",
        "Item: Chair; Fee: 9; Note: x; column 4: extra",
    ]


def test_one_column_is_a_list_of_texts_that_may_hold_commas() -> None:
    assert rows("a.csv", "note\nHello, world\nBye, all; now\n") == ["note", "Hello, world", "Bye, all; now"]


def test_an_unclosed_quotation_mark_is_refused_with_its_line() -> None:
    with pytest.raises(UserError, match=r"not readable as CSV \(line 3: "):
        parse("a.csv", b'Item,Fee\nLamp,"3\nChair,9\n')


def test_a_value_longer_than_the_csv_module_likes_is_read() -> None:
    assert len(parse("a.csv", b"Item,Note\nLamp," + b"x" * 200_000).text) > 200_000


def test_only_a_header_is_no_text() -> None:
    with pytest.raises(UserError, match="it holds no text"):
        parse("a.csv", b"Item,Fee\n")


def test_jsonl_makes_a_paragraph_a_line() -> None:
    first = '{"q": "Free?", "price": {"sum": 3.5, "tags": ["a", "b"]}, "none": null, "ok": true}'
    text = first + '\n\n{"q": "Two\\nlines", "x": [{"y": "z"}]}\n'
    assert (
        parse("a.jsonl", text.encode()).text
        == "q: Free?; price.sum: 3.5; price.tags: a, b; ok: true\n\nq: Two lines; x.y: z"
    )


def test_the_only_field_of_an_object_needs_no_name() -> None:
    assert parse("a.jsonl", b'{"text": "Returns are free."}').text == "Returns are free."


@pytest.mark.parametrize(
    ("line", "reason"), [("{bad}", "line 2: Expecting"), ("[1]", "line 2: an object"), ('{"a": ', "line 2: ")]
)
def test_a_malformed_jsonl_line_is_named(line: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse("a.jsonl", f'{{"a": "b"}}\n{line}\n'.encode())


def test_half_a_surrogate_is_refused_for_it_could_not_be_stored() -> None:
    with pytest.raises(UserError, match="surrogates not allowed"):
        parse("a.jsonl", b'{"a": "\\ud800", "b": "c"}')
