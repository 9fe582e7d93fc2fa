"""Passages are pieces of their document, and every word of it is in one of them or in its heading."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.index.chunk import PIECE, _pieces, chunk
from groundtune.types import Document, Section
from tests.corpus import document

WORDS = st.lists(st.sampled_from(["ant", "bee", "Ünï", "😀", "`code`", "**bold**", "42", "x" * 150]), min_size=1)
LINES = st.one_of(
    WORDS.map(" ".join),
    st.tuples(st.integers(1, 6), WORDS).map(lambda heading: f"{'#' * heading[0]} {' '.join(heading[1][:4])}"),
    WORDS.map(lambda words: "\n".join(f"- {word}" for word in words)),
    WORDS.map(lambda words: "```\n" + "\n".join(words) + "\n```"),
    WORDS.map(lambda words: f"{' '.join(words[:3])}\n==="),
)
TEXTS = st.lists(LINES, min_size=1, max_size=12).map("\n\n".join)


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
        assert passage.heading == around.heading


@given(text=TEXTS, most=st.integers(100, 400))
def test_a_word_that_is_in_no_passage_is_in_the_heading_above_it(text: str, most: int) -> None:
    whole = document("a.md", text)
    left = list(whole.text)
    for passage in chunk(whole, most):
        left[passage.start : passage.end] = " " * len(passage.text)
    for section in whole.sections:
        missing = re.findall(r"\w+", "".join(left[section.start : section.end]))
        assert set(missing) <= set(re.findall(r"\w+", section.heading))


def test_a_passage_carries_its_heading_page_title_and_version() -> None:
    text = "First page.Second page."
    pages = (Section(0, 11, page=1), Section(11, len(text), page=2))
    whole = Document("a.pdf", text, "Title", "d", "2026-01-01", pages)
    assert [(p.text, p.page, p.title, p.version, p.document) for p in chunk(whole, 100)] == [
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
    section = Section(min(start, len(text)), len(text))
    pieces = list(_pieces(text, section, most))
    assert [section.start, *(end for _, end in pieces)] == [*(begin for begin, _ in pieces), section.end]
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
    pieces = _pieces(text, Section(0, len(text)), 10)
    assert "|".join(text[begin:end] for begin, end in pieces) == expected


@pytest.mark.parametrize("word", ["x", "word ", "漢字。", "ü"])
def test_a_megabyte_on_one_line_is_cut_in_no_time(word: str) -> None:
    text = word * (1_000_000 // len(word.encode()))
    began = time.process_time()
    passages = chunk(Document("a.txt", text, "", "d", "2026-01-01"), 800)
    assert time.process_time() - began < 5  # 20 seconds where the splitter gets the whole line
    assert all(text[p.start : p.end] == p.text for p in passages)
    assert sum(len(p.text.replace(" ", "")) for p in passages) == len(text.replace(" ", ""))


def test_passages_may_be_longer_than_what_is_usually_split_at_once() -> None:
    text = "word " * PIECE
    (first, *_) = chunk(Document("a.txt", text, "", "d", "2026-01-01"), 4 * PIECE)
    assert len(first.text) > 3 * PIECE
