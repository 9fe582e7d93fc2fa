"""report.md, and how numbers are written in both reports."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from groundtune.report import ReportContext, markdown
from groundtune.report.wording import count, duration, memory, metric_name, milliseconds, money, p_value, share, signed
from groundtune.types import Json, Record


def rendered(text: str) -> str:
    return str(MarkdownIt("commonmark").enable("table").render(text))


def test_the_verdict_stands_in_the_first_line_and_the_digest_in_the_last(verdict: Json, context: ReportContext) -> None:
    lines = markdown(verdict, context).strip().splitlines()
    assert lines[0] == "**Ship hybrid:** F1 0.81, 0.24 better than rag, the next best."
    assert lines[-1] == "run 9f31c07be2d45a68, groundtune 0.1.0, 2026-11-22"


def test_the_tables_are_tables_with_a_row_for_every_approach_and_every_pair(
    verdict: Json, context: ReportContext
) -> None:
    page = rendered(markdown(verdict, context))
    assert page.count("<table>") == 2
    assert page.count("<tr>") == 1 + 4 + 1 + 6
    assert "<strong>hybrid</strong>" in page
    assert "The question asked is <strong>knowledge</strong>: tuning was allowed" in page


def test_reasons_flips_and_data_are_lists(
    undecided: tuple[Json, dict[str, list[Record]]], context: ReportContext
) -> None:
    verdict = undecided[0]
    page = rendered(markdown(verdict, context))
    assert page.count("<li>") == len(verdict["reasons"]) + len(verdict["flips"]) + 5


def test_names_of_files_make_no_tags_links_or_pictures(verdict: Json) -> None:
    evil = "a|b <script>x</script> ![p](http://example.org/p) `code` *it*\n# no heading"
    page = rendered(markdown(verdict | {"reasons": [evil]}, ReportContext(notes=(evil,), model=evil)))
    assert page.count("&lt;script&gt;") == 3
    for tag in ("<script", "<img", "<a ", "<code", "<em", "<h1"):
        assert tag not in page


def test_a_single_approach_has_one_table(alone: tuple[Json, dict[str, list[Record]]]) -> None:
    page = rendered(markdown(alone[0], ReportContext()))
    assert page.count("<table>") == 1
    assert "Best with probability" not in page


def test_an_undecided_verdict_says_so_first(undecided: tuple[Json, dict[str, list[Record]]]) -> None:
    assert markdown(undecided[0], ReportContext()).startswith("**Undecided:** hybrid leads with F1")


def test_the_one_that_leads_is_the_verdicts_leader_though_one_over_a_limit_has_a_better_mean(verdict: Json) -> None:
    open_ = verdict | {"recommended": None, "undecided": True, "leader": "rag", "unsettled": ["base", "tuned"]}
    assert markdown(open_ | {"examples_needed": 70}, ReportContext()).splitlines()[0] == (
        "**Undecided:** rag leads with F1 0.57 against 0.27 of tuned; about 70 more examples would settle it."
    )


def test_the_table_says_the_verdicts_confidence(verdict: Json) -> None:
    assert "with its 99.9 % interval" in markdown(verdict | {"confidence": 0.999}, ReportContext())


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (signed(-0.02), "−0.02"),
        (signed(-0.001), "0.00"),
        (signed(float("nan")), "–"),
        (p_value(0.0), "< 0.001"),
        (p_value(0.0421), "0.042"),
        (share(0.0), "< 1 %"),
        (share(1.0), "> 99 %"),
        (share(0.934), "93 %"),
        (count(12345), "12\u202f345"),
        (money(0), "0"),
        (money(0.03021), "0.0302"),
        (money(0.00001234), "0.000012"),
        (money(12345.5), "12,345.5"),
        (money(None), "–"),
        (milliseconds(0.42), "0.42 ms"),
        (milliseconds(85.2), "85 ms"),
        (milliseconds(1240), "1.24 s"),
        (duration(0), "0 s"),
        (duration(4.2), "4.2 s"),
        (duration(500), "8 min 20 s"),
        (duration(3600), "1 h"),
        (duration(90_061), "1 d 1 h"),
        (duration(None), "–"),
        (memory(740), "740 MB"),
        (memory(1810), "1.8 GB"),
        (metric_name("f1_when_answered"), "F1, when answered"),
        (metric_name("my_own"), "my_own"),
    ],
)
def test_numbers_are_written_as_a_reader_wants_them(written: str, expected: str) -> None:
    assert written == expected
