"""The one door to all formats, and the one guard."""

import json
import subprocess
import sys

import pytest

from groundtune.errors import UserError
from groundtune.parse import Format, Parsed, _worker, formats, parse
from groundtune.types import Section


def test_the_suffix_says_the_format_in_capitals_too() -> None:
    assert parse("A.MD", b"# One").title == "One"


@pytest.mark.parametrize(
    ("name", "reason"), [("a.xyz", r"unknown format \.xyz"), ("README", "no suffix"), ("a.json", r"\.json")]
)
def test_an_unknown_format_is_refused_and_the_hint_lists_the_known(name: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as raised:
        parse(name, b"words")
    assert ".docx" in raised.value.hint


def test_whatever_a_reader_raises_becomes_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(data: bytes) -> Parsed:
        raise RecursionError("too\n deep \ud800")

    monkeypatch.setitem(formats(), ".md", Format("Markdown", crash))
    assert json.loads(_worker.answer(".md", b"words")) == {"reason": "RecursionError: too deep ?"}


def test_the_reason_names_the_format() -> None:
    with pytest.raises(UserError) as raised:
        parse("a.jsonl", b"[1]")
    assert raised.value.message == "not readable as JSONL (line 1: an object {...} was expected)"


def test_what_is_said_about_a_document_arrives_whole() -> None:
    text = "---\ntitle: Rates \U0001f600\nreaders: [staff, board]\nowner: Ann\n---\n# One\n\n\u2028words\n## Two\n"
    parsed = parse("a.md", text.encode())
    assert parsed == formats()[".md"].read(text.encode())
    assert parsed.sections[1] == Section(14, 21, "One > Two")


def test_looking_formats_up_imports_nothing_heavy() -> None:
    heavy = "trafilatura", "docx", "pypdfium2", "markdown_it", "charset_normalizer", "yaml"
    code = f"import sys; from groundtune import parse; parse.formats(); print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
