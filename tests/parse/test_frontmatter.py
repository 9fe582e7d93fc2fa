"""The front matter says who may read a document, so a slip of the pen leaves the document out."""

import pytest

from groundtune.errors import UserError
from groundtune.parse import parse


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


@pytest.mark.parametrize(
    "block",
    [
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
    ],
)
def test_malformed_front_matter_is_refused_and_never_opens_a_document(block: str) -> None:
    with pytest.raises(UserError, match="not readable as Markdown"):
        parse("a.md", f"---\n{block}\n---\nSecret.".encode())


@pytest.mark.parametrize("text", ["---\nreaders: [staff]\nSecret.", "+++\nreaders = ['staff']\n+++\nSecret."])
def test_front_matter_that_never_closes_or_is_toml_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="front matter"):
        parse("a.md", text.encode())


def test_the_line_of_a_mistake_is_named() -> None:
    with pytest.raises(UserError, match="front matter, line 4"):
        parse("a.md", b"---\ntitle: A\nkind: b\nbad: [x: ]]\n---\nText.")
