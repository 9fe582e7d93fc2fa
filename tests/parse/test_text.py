"""Markdown and plain text: word for word, with sections, whatever the encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.parse import parse
from groundtune.types import Section

RETURNS = """# Returns

Send it back.

## Deadlines

Lamps: **14 days**.

```
# no heading
```

### Late *returns*

Ask us.

Fees
----
None.
"""


def headings(name: str, text: str) -> list[str]:
    return [section.heading for section in parse(name, text.encode()).sections]


def test_markdown_is_kept_word_for_word() -> None:
    assert parse("a.md", RETURNS.encode()).text == RETURNS


def test_line_ends_become_newlines() -> None:
    assert parse("a.md", b"one\r\ntwo\rthree\n").text == "one\ntwo\nthree\n"


def test_a_section_is_named_by_its_way_down_and_code_holds_no_headings() -> None:
    parsed = parse("a.md", RETURNS.encode())
    assert [section.heading for section in parsed.sections] == [
        "Returns",
        "Returns > Deadlines",
        "Returns > Deadlines > Late returns",
        "Returns > Fees",
    ]
    deadlines = parsed.sections[1]
    assert parsed.text[deadlines.start : deadlines.end].startswith("## Deadlines\n\nLamps")
    assert "# no heading" in parsed.text[deadlines.start : deadlines.end]


def test_text_before_the_first_heading_is_a_section_without_one() -> None:
    assert headings("a.md", "Preface.\n\n# One\n") == ["", "One"]
    assert headings("a.md", "\n\n# One\n") == ["One"]


def test_a_skipped_level_and_a_step_back_up() -> None:
    assert headings("a.md", "# A\n\n### B\n\n## C\n\n# D\n") == ["A", "A > B", "A > C", "D"]


def test_the_title_is_the_first_heading_or_else_the_file_name() -> None:
    assert parse("x/returns.md", b"# How to return\n").title == "How to return"
    assert parse("x/returns.md", b"Just words.").title == "returns"
    assert parse("x/returns.txt", b"# Not a heading in plain text").title == "returns"


def test_a_text_file_has_no_sections() -> None:
    assert parse("a.txt", b"# one\n\ntwo").sections == ()


@given(st.text(alphabet=st.sampled_from("# \n\r\t`->=*ab1é\u2028\x0b|<[\\"), max_size=200))
def test_markdown_sections_lie_in_order_within_a_verbatim_text(text: str) -> None:
    if text.lstrip().startswith(("---", "+++")) or not text.strip():
        return
    parsed = parse("a.md", text.encode())
    assert parsed.text == text.replace("\r\n", "\n").replace("\r", "\n")
    assert_sections_fit(parsed.text, parsed.sections)


def assert_sections_fit(text: str, sections: tuple[Section, ...]) -> None:
    ends = [0, *(section.end for section in sections)]
    for section, end_before in zip(sections, ends, strict=False):
        assert end_before <= section.start <= section.end <= len(text)
    if sections:  # nothing but blanks lies outside
        assert not text[: sections[0].start].strip()
        assert sections[-1].end == len(text)


GERMAN = "Die Gebühr für größere Möbel beträgt fünf Euro."


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_every_usual_encoding_is_read_right(encoding: str) -> None:
    assert parse("a.txt", GERMAN.encode(encoding)).text == GERMAN


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Naïve customers ask for résumés.", "latin-1"),  # the detector alone says Chinese
        ("The “best” café – 5 € only. It’s naïve to return the parcel.", "cp1252"),
        ("Возврат возможен в течение тридцати дней после доставки.", "cp1251"),
        ("返品は配送後三十日以内に可能です。箱を保管してください。", "shift_jis"),
        ("Zwroty są możliwe w ciągu trzydziestu dni od dostawy. Łódź żółta gęś.", "cp1250"),
    ],
)
def test_the_encoding_of_a_short_text_is_guessed_right(words: str, encoding: str) -> None:
    assert parse("a.md", words.encode(encoding)).text == words


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 4, "binary"),
        (b"some words\x00more words", "binary"),
        ("Größe und Höhe und Länge".encode() + b"\xff", "damaged UTF-8 at byte 28"),
        (bytes(range(128, 256)) * 20, "binary"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=f"not readable as Markdown .*{reason}"):
        parse("a.md", data)


@pytest.mark.parametrize("data", [b"", b" \n\n", b"---\ntitle: A\n---\n"])
def test_a_file_without_words_holds_no_text(data: bytes) -> None:
    with pytest.raises(UserError, match="it holds no text"):
        parse("a.md", data)


def test_an_endless_line_of_brackets_in_a_heading_takes_no_time() -> None:
    parsed = parse("a.md", b"# " + b"[" * 300_000)
    assert len(parsed.sections) == 1
