"""Passages are pieces of their document, and every word of it is in one of them or in its heading."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.index.chunk import chunk
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
