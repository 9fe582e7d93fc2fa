"""Passages are pieces of their document, and every word of it is in one of them or in its heading."""

import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.index.chunk import PIECE, _pieces, chunk
from groundtune.parse.tables import jsonl
from groundtune.types import Document, Section
from tests.corpus import document

WORDS = st.lists(st.sampled_from(["ant", "bee", "Ünï", "😀", "`code`", "**bold**", "42", "x" * 150]), min_size=1)
CELLS = st.lists(st.sampled_from(["ant", "a bee", "", "*", "\\|", "x" * 60]), min_size=2, max_size=3)
PARAGRAPHS = st.one_of(
    WORDS.map(" ".join),
    WORDS.map(lambda words: "\n".join(f"- {word}" for word in words)),
    WORDS.map("\n".join),
)
CODE = st.lists(st.sampled_from(["f(x)", "  y = 1", "# no heading", "", "| a |", "---|---", "~~~"]), max_size=12).map(
    lambda lines: "\n".join(["```python", *lines, "```"])
)
TABLES = st.tuples(CELLS, st.lists(CELLS, max_size=12)).map(
    lambda table: "\n".join(
        ["| Item | Fee |" + " More |" * (len(table[0]) - 2), "| --- | :-: |" + " --- |" * (len(table[0]) - 2)]
        + [f"| {' | '.join(row)} |" for row in table[1]]
    )
)
BLOCKS = st.lists(st.one_of(PARAGRAPHS, CODE, TABLES), min_size=1, max_size=8)
HEADINGS = st.one_of(
    st.tuples(st.integers(1, 6), WORDS).map(lambda heading: f"{'#' * heading[0]} {' '.join(heading[1][:4])}"),
    WORDS.map(lambda words: f"{' '.join(words[:3])}\n==="),
)
TEXTS = st.lists(st.one_of(PARAGRAPHS, CODE, TABLES, HEADINGS), min_size=1, max_size=12).map("\n\n".join)
ANYTHING = st.text(alphabet=st.sampled_from("ab |-:`~\n\t#*é\u2028\x1f\\"), max_size=400)


@given(text=TEXTS, most=st.integers(100, 400))
def test_passages_are_exact_pieces_in_order_and_none_is_too_long(text: str, most: int) -> None:
    whole = document("a.md", text)
    passages = chunk(whole, most)
    assert all(whole.text[p.start : p.end] == p.text for p in passages)
    assert all(0 < len(p.text) <= most for p in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))


@given(text=TEXTS, most=st.integers(100, 400))
def test_no_passage_crosses_a_heading(text: str, most: int) -> None:
    whole = document("a.md", text)
    sections = whole.sections or (Section(0, len(whole.text)),)
    for passage in chunk(whole, most):
        (around,) = [s for s in sections if s.start <= passage.start and passage.end <= s.end]
        assert passage.heading.startswith(around.heading)


@given(text=TEXTS, most=st.integers(100, 400))
def test_what_is_in_no_passage_is_the_heading_above_it(text: str, most: int) -> None:
    whole = document("a.md", text)
    left = list(whole.text)
    for passage in chunk(whole, most):
        left[passage.start : passage.end] = " " * len(passage.text)
    for section in whole.sections:
        missing = re.findall(r"\w+", "".join(left[section.start : section.end]))
        assert missing == [] or missing == re.findall(r"\w+", section.heading)[-len(missing) :]
    if not whole.sections:
        assert not "".join(left).strip()


@given(text=ANYTHING, most=st.integers(1, 60), cut=st.integers(0, 400))
def test_every_character_is_in_one_passage_whatever_the_text(text: str, most: int, cut: int) -> None:
    at = min(cut, len(text))
    sections = (Section(0, at, page=1), Section(at, len(text), page=2))
    passages = chunk(Document("a.pdf", text, "", "s", "c", sections), most)
    assert all(text[p.start : p.end] == p.text and len(p.text) <= most for p in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))
    assert "".join("".join(p.text.split()) for p in passages) == "".join(text.split())


@given(blocks=BLOCKS, most=st.integers(100, 400))
def test_a_paragraph_a_table_and_fenced_code_stay_whole_where_they_fit(blocks: list[str], most: int) -> None:
    passages = chunk(Document("a.md", "\n\n".join(blocks), "", "s", "c"), most)
    at = 0
    for block in blocks:
        if len(block) <= most:
            assert any(p.start <= at and at + len(block) <= p.end for p in passages), block
        at += len(block) + 2


@given(table=TABLES, most=st.integers(200, 300))  # a row is shorter
def test_a_table_is_cut_between_rows_and_what_stands_without_its_header_says_the_columns(table: str, most: int) -> None:
    passages = chunk(Document("a.md", table, "", "s", "c", (Section(0, len(table), "Fees"),)), most)
    columns = "Fees > Item | Fee | More" if "More" in table else "Fees > Item | Fee"
    assert [p.heading for p in passages] == ["Fees"] + [columns] * (len(passages) - 1)
    assert "\n".join(p.text for p in passages) == table


def test_what_introduces_a_long_table_stands_with_its_first_rows() -> None:
    rows = [f"| Lamp {number} | {number} EUR |" for number in range(20)]
    table = "\n".join(["| Item | Fee |", "| --- | --- |", *rows])
    whole = document("a.md", f"# Fees\n\nFor firms, from May:\n\n{table}\n\nAsk us.\n")
    first, *others = chunk(whole, 200)
    assert first.text.startswith("# Fees\n\nFor firms, from May:\n\n| Item | Fee |\n| --- | --- |\n| Lamp 0 |")
    assert first.heading == "Fees"
    assert {p.heading for p in others} == {"Fees > Item | Fee"}
    assert others[-1].text.endswith("| Lamp 19 | 19 EUR |\n\nAsk us.")


def test_a_row_that_does_not_fit_is_cut_and_all_of_it_says_the_columns() -> None:
    table = f"Item | Note\n-----|-----\nLamp | {'bright words ' * 30}\nChair | soft"
    passages = chunk(Document("a.md", table, "", "s", "c"), 200)
    assert [p.heading for p in passages] == ["", *["Item | Note"] * (len(passages) - 1)]
    assert len(passages) > 2
    assert all(len(p.text) <= 200 for p in passages)


def test_a_great_many_column_names_do_not_drown_the_rows() -> None:
    names = [f"column {number}" for number in range(500)]
    table = "\n".join([f"| {' | '.join(names)} |", "|" + "---|" * 500, *["| 1 | 2 |"] * 300])
    headings = {p.heading for p in chunk(Document("a.md", table, "", "s", "c"), 400)}
    assert max(map(len, headings)) <= 200
    assert any(heading.startswith("column 0 | column 1 | ") and heading.endswith(" ...") for heading in headings)


def test_bars_in_names_of_columns_and_in_code_divide_nothing() -> None:
    table = "\n".join(["| a\\|b | c |", "|---|---|", *["| 1 | 2 |"] * 50])
    assert chunk(Document("a.md", table, "", "s", "c"), 100)[-1].heading == "a|b | c"
    code = f"~~~ `x`\n{table}\n~~~"
    assert {p.heading for p in chunk(Document("a.md", code, "", "s", "c"), 100)} == {""}


@given(
    rows=st.lists(st.lists(st.sampled_from(["ant", "a *bee", "# b_", "- `c", "> d\\", "| e", "x" * 30]), max_size=6)),
    most=st.integers(100, 200),
)
def test_a_row_of_csv_and_an_object_of_jsonl_stay_whole_where_they_fit(rows: list[list[str]], most: int) -> None:
    objects = [{f"name {number}": value for number, value in enumerate(row)} for row in rows]
    parsed = jsonl("\n".join(json.dumps(object) for object in objects).encode())
    paragraphs = [paragraph for paragraph in parsed.text.split("\n\n") if paragraph]
    passages = chunk(Document("a.jsonl", parsed.text, "", "s", "c"), most)
    for paragraph in paragraphs:
        assert len(paragraph) > most or any(paragraph in p.text.split("\n\n") for p in passages)


def test_a_passage_carries_its_page_title_and_time_of_change() -> None:
    text = "First page.Second page."
    pages = (Section(0, 11, page=1), Section(11, len(text), page=2))
    whole = Document("a.pdf", text, "Title", "d", "2026-01-01", pages)
    assert [(p.text, p.page, p.title, p.changed, p.document) for p in chunk(whole, 100)] == [
        ("First page.", 1, "Title", "2026-01-01", "a.pdf"),
        ("Second page.", 2, "Title", "2026-01-01", "a.pdf"),
    ]


def test_a_heading_alone_is_no_passage() -> None:
    whole = document("a.md", "# Returns\n\n## Deadlines\n\nThirty days.\n")
    assert [(p.heading, p.text) for p in chunk(whole, 200)] == [("Returns > Deadlines", "## Deadlines\n\nThirty days.")]


def test_a_document_of_headings_alone_keeps_them() -> None:
    whole = document("a.md", "# We do not ship abroad\n\n# We do not gift-wrap\n")
    assert [p.text for p in chunk(whole, 200)] == ["# We do not ship abroad", "# We do not gift-wrap"]


@pytest.mark.parametrize("line", ["#1 in sales since 2019", "# not a heading in a text file"])
def test_a_line_that_only_looks_like_a_heading_is_kept(line: str) -> None:
    whole = Document("a.txt", line, "", "d", "2026-01-01")
    assert [p.text for p in chunk(whole, 200)] == [line]


@pytest.mark.parametrize("text", ["", "   \n \n"])
def test_an_empty_document_has_no_passages(text: str) -> None:
    assert chunk(document("a.md", text), 200) == []


def test_text_between_sections_is_not_lost() -> None:
    text = "Before. Inside. After."
    whole = Document("a", text, "", "d", "2026-01-01", (Section(8, 15, "Middle"),))
    found = [(p.text, p.heading) for p in chunk(whole, 200)]
    assert found == [("Before.", ""), ("Inside.", "Middle"), ("After.", "")]


@given(text=st.text("ab \n", max_size=300), start=st.integers(0, 300), most=st.integers(1, 40))
def test_a_long_stretch_is_cut_without_loss_and_no_piece_is_too_long(text: str, start: int, most: int) -> None:
    first = min(start, len(text))
    pieces = list(_pieces(text, first, len(text), most))
    assert [first, *(end for _, end in pieces)] == [*(begin for begin, _ in pieces), len(text)]
    assert all(end - begin <= most for begin, end in pieces)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one.\n\ntwo\nthree four", "one.\n|\ntwo\n|three four"),
        ("one\ntwo three four", "one\n|two three |four"),
        ("one two three four", "one two |three four"),
        ("onetwothreefour", "onetwothre|efour"),
    ],
)
def test_a_long_stretch_is_cut_after_a_paragraph_else_a_line_else_a_word_else_anywhere(
    text: str, expected: str
) -> None:
    pieces = _pieces(text, 0, len(text), 10)
    assert "|".join(text[begin:end] for begin, end in pieces) == expected


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        ("", "x"),
        ("", "word "),
        ("", "漢字。"),
        ("", "a\n\n"),
        ("-", " "),
        ("a|b\n", "-|"),
        ("a|b\n-|-\n", "c|"),
        ("a|b\n", "-|-\n"),
        ("", "```a\n"),
        ("a\n", " " * 1000 + "\n"),
    ],
)
def test_a_megabyte_of_one_thing_is_cut_in_no_time_and_nothing_is_lost(begin: str, again: str) -> None:
    text = begin + again * (1_000_000 // len(again.encode())) + "x"
    began = time.process_time()
    passages = chunk(Document("a.txt", text, "", "d", "2026-01-01"), 800)
    assert time.process_time() - began < 5  # minutes where it is more than linear
    assert all(text[p.start : p.end] == p.text for p in passages)
    assert sum(len("".join(p.text.split())) for p in passages) == len("".join(text.split()))


def test_passages_may_be_longer_than_what_is_usually_split_at_once() -> None:
    text = "word " * PIECE
    (first, *_) = chunk(Document("a.txt", text, "", "d", "2026-01-01"), 4 * PIECE)
    assert len(first.text) > 3 * PIECE
