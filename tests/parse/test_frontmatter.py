"""The front matter says who may read a document, so a slip of the pen leaves the document out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.parse import parse
from groundtune.parse._frontmatter import FrontMatter, sidecar


def test_front_matter_gives_title_readers_and_metadata_and_is_no_text() -> None:
    parsed = parse(
        "a.md", b"---\ntitle: Rates\nreaders: [staff, board]\nversion: 1.10\nsince: 2026-01-02\ntags: [x]\n---\n\n# R\n"
    )
    assert parsed.title == "Rates"
    assert parsed.readers == {"staff", "board"}
    assert parsed.metadata == {"version": "1.10", "since": "2026-01-02"}
    assert parsed.text == "\n# R\n"
    assert parsed.sections[0].start == 1


def test_a_text_file_may_have_one_too() -> None:
    assert parse("a.txt", b"---\nreaders: [staff]\n---\nSecret.").readers == {"staff"}


def test_front_matter_in_utf16_counts_as_well() -> None:
    assert parse("a.md", "---\r\nreaders: [staff]\r\n---\r\nSecret.".encode("utf-16")).readers == {"staff"}


@pytest.mark.parametrize(
    "opening", ["\n\n---\n", "---   \n", "\ufeff---\n", "---\nReaders: [staff]\n", '---\n"readers": [staff]\n']
)
def test_readers_are_seen_in_whatever_way_they_are_written(opening: str) -> None:
    text = opening if "eaders" in opening else f"{opening}readers:\n  - staff\n"
    assert parse("a.md", f"{text}---\nSecret.".encode()).readers == {"staff"}


def test_without_front_matter_everyone_may_read() -> None:
    assert parse("a.md", b"# A\n\n---\nreaders: [staff]\n---\n").readers == frozenset()


MALFORMED = [
    "readers: staff",
    "readers:",
    "readers: []",
    "readers: [1]",
    "readers: [on]",
    "readers: ['']",
    "readers: [[staff]]",
    "readers: {staff: yes}",
    "reader: [staff]",
    "raeders: [staff]",
    "readers_: [staff]",
    "title: A\nreaders:[staff]",  # YAML reads this as the title "A readers:[staff]"
    "title: A\n readers: [staff]",
    "access:\n  readers: [staff]",
    "readers: [staff]\nreaders: [everyone]",
    "Readers: [staff]\nreaders: [everyone]",
    "readers: [staff",
    "readers = [staff]",
    "title: [a\nreaders: [staff]",
    "just words",
    "- readers",
    "[a, b]: c\nreaders: [staff]\n? [x]",
    "title: \x01",
    "title: *nothing",
]


@pytest.mark.parametrize("block", MALFORMED)
def test_malformed_front_matter_is_refused_and_never_opens_a_document(block: str) -> None:
    with pytest.raises(UserError, match="not readable as Markdown"):
        parse("a.md", f"---\n{block}\n---\nSecret.".encode())


@pytest.mark.parametrize("text", ["---\nreaders: [staff]\nSecret.", "+++\nreaders = ['staff']\n+++\nSecret."])
def test_front_matter_that_never_closes_or_is_toml_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="front matter"):
        parse("a.md", text.encode())


def test_the_line_of_a_mistake_is_named() -> None:
    with pytest.raises(UserError, match="front matter: line 4: "):
        parse("a.md", b"---\ntitle: A\nkind: b\nbad: [x: ]]\n---\nText.")


# ---------------------------------------------------------------- the same in a file of its own


def test_a_sidecar_says_what_a_front_matter_says() -> None:
    block = "title: Rates\nreaders: [staff, board]\nversion: 1.10\ntags: [x]\n"
    in_the_text = parse("a.md", f"---\n{block}---\nText.".encode())
    for data in (block.encode(), f"---\n{block}".encode(), block.replace("\n", "\r\n").encode("utf-16")):
        found = sidecar(data)
        assert (found.title, found.metadata) == ("Rates", {"version": "1.10"})
        assert found.readers == {"staff", "board"} == in_the_text.readers
        assert found.metadata == in_the_text.metadata


@pytest.mark.parametrize(
    "block",
    [*MALFORMED, "", " \n", "a: b\n---\nreaders: [staff]", 'title: "\\ud800"', "- " * 5000, "\0", "+++\na = 1\n+++"],
)
def test_a_malformed_or_empty_sidecar_is_refused(block: str) -> None:
    with pytest.raises(UserError) as raised:
        sidecar(block.encode())
    assert raised.value.message
    assert "front matter" not in raised.value.message


def test_the_line_of_a_mistake_in_a_sidecar_is_named() -> None:
    with pytest.raises(UserError, match=r"^line 2: "):
        sidecar(b"title: A\nbad: [x: ]]\n")


@given(data=st.binary() | st.text("readers: [staff]\n-'\"&*{}#|>", max_size=40).map(str.encode))
def test_any_bytes_are_a_sidecar_or_refused(data: bytes) -> None:
    with contextlib.suppress(UserError):
        assert isinstance(sidecar(data), FrontMatter)
