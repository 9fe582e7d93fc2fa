"""report.html as text: what stands in it, and that nothing in it can do harm."""

from __future__ import annotations

import copy
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from groundtune.report import PromptChoice, ReportContext, html
from groundtune.types import Answer, Citation, Evidence, Example, Hit, Json, LeftOut, Passage, Record

VOID = {"meta", "link", "br"}
INLINE = {"a", "b", "code", "mark", "small", "span", "strong"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Reads a page strictly: every tag has to be closed in order, every id is unique."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.words += [] if tag in INLINE else [" "]

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


def one_case(example: Example, *answers: tuple[str, Answer, float]) -> tuple[Json, dict[str, list[Record]]]:
    """A verdict and records of a single question."""
    quality = {name: {"metric": "f1", "mean": s, "low": s, "high": s, "n": 1} for name, _, s in answers}
    verdict: Json = {
        "question": "skill",
        "confidence": 0.95,
        "leader": None,
        "unsettled": [],
        "approaches": {name: {"quality": quality[name], "metrics": {"f1": s}} for name, _, s in answers},
        "comparisons": [],
        "recommended": None,
        "probability_best": {},
        "undecided": False,
        "examples_needed": None,
        "reasons": [],
        "flips": [],
        "run": "0123456789abcdef",
    }
    return verdict, {name: [Record(name, example, answer, {"f1": s})] for name, answer, s in answers}


def test_the_verdict_comes_first_and_the_question_asked_in_the_first_paragraph(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = Page(html(verdict, records, context)).text
    first = text.index("Ship hybrid: F1 0.81, 0.24 better than rag, the next best.")
    asked = text.index("The question asked is knowledge: tuning was allowed")
    assert first < asked < text.index("The approaches")


def test_every_table_and_plot_carries_the_digest_of_the_run_and_n(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = html(verdict, records, context)
    captions = re.findall(r'<(?:p class="caption"|figcaption)>(.*?)</(?:p|figcaption)>', text, re.DOTALL)
    signed = [
        caption for caption in captions if "run&nbsp;9f31c07be2d45a68" in caption and "n&nbsp;=&nbsp;150" in caption
    ]
    assert len(signed) == len(captions) == text.count("<table") + text.count("<figure") + 1  # and one for the examples


def test_the_page_asks_nobody_for_anything_and_runs_no_script(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = html(verdict, records, context)
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed", "base", "img"}
    assert not page.values("src")
    assert all(value.startswith("#") or value == "data:," for value in page.values("href") + page.values("xlink:href"))
    assert not re.search(r"url\((?!#)|@import", text)
    policy = page.values("content")
    assert any("default-src 'none'" in value and "script-src" not in value for value in policy)


def test_ids_are_unique_and_every_reference_has_its_target(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = html(verdict, records, context)
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    referred = [value[1:] for value in page.values("href") if value.startswith("#")] + re.findall(
        r"url\(#(.*?)\)", text
    )
    assert referred
    assert set(referred) <= set(ids)


def test_text_of_documents_questions_answers_and_the_run_is_escaped() -> None:
    passage = Passage(1, EVIL, EVIL, 0, len(EVIL), EVIL, EVIL, 2)
    citation = Citation(EVIL, 0, len(EVIL), EVIL, EVIL, 2)
    answer = Answer(EVIL, citations=(citation,), hits=(Hit(passage, 1.0),))
    example = Example(EVIL, "qa", EVIL, (EVIL,), (Evidence(EVIL, EVIL),), EVIL)
    verdict, records = one_case(example, ("base", Answer(EVIL), 0.0), ("rag", answer, 1.0))
    verdict |= {"reasons": [EVIL], "flips": [EVIL]}
    context = ReportContext(
        title=EVIL, model=EVIL, notes=(EVIL,), version=EVIL, config=EVIL, finished=EVIL,
        left_out=(LeftOut(EVIL, EVIL),),
        prompts=(PromptChoice(generator=EVIL, chosen=EVIL, candidates={EVIL: 0.5}, text=EVIL),),
    )  # fmt: skip
    page = Page(html(verdict, records, context))
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert not page.values("onerror")
    assert page.text.count("<script>alert(1)</script>") >= 12


def test_the_same_input_gives_the_same_page(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    assert html(verdict, records, context) == html(copy.deepcopy(verdict), dict(records), context)


def test_an_undecided_verdict_says_how_many_more_examples_would_settle_it(
    undecided: tuple[Json, dict[str, list[Record]]], context: ReportContext
) -> None:
    verdict, records = undecided
    text = Page(html(verdict, records, context)).text
    assert f"about {verdict['examples_needed']} more examples would settle it." in text
    assert "Undecided: hybrid leads" in text
    assert "hybrid ship" not in text


def test_a_single_approach_has_no_comparisons_and_no_plot_of_differences(
    alone: tuple[Json, dict[str, list[Record]]], context: ReportContext
) -> None:
    text = Page(html(*alone, context)).text
    assert "the only approach that was measured" in text
    assert "Comparisons" not in text
    assert "Which one is the best?" not in text
    assert "rag did not do well" in text


def test_no_approach_within_the_limits_is_said_in_the_headline(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = Page(html(verdict | {"recommended": None, "undecided": False}, records, context)).text
    assert "Nothing to ship: no approach keeps within the limits" in text


def test_a_pick_that_has_not_the_best_mean_is_not_called_the_best(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = Page(html(verdict | {"recommended": "rag"}, records, context)).text
    assert "Ship rag: F1 0.57; hybrid has the best mean, 0.81, but is passed over." in text


def test_a_rival_that_is_not_told_apart_is_named_in_the_headline(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    close = copy.deepcopy(verdict)
    row = next(row for row in close["comparisons"] if {row["a"], row["b"]} == {"rag", "hybrid"})
    row |= {"low": -0.1, "high": 0.1}
    text = Page(html(close, records, context)).text
    assert "Ship hybrid: F1 0.81; rag is close behind with 0.57, too close to be told apart." in text
    assert "A hollow dot: the two are not told apart." in text


def test_without_records_or_surroundings_the_verdict_still_stands(verdict: Json) -> None:
    page = Page(html(verdict, {}, ReportContext()))
    assert "Ship hybrid" in page.text
    assert "No answers were recorded" in page.text
    assert not {"#training", "#prompts"} & set(page.values("href"))


def test_records_of_one_approach_alone_are_shown_for_it(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = Page(html(verdict, {"rag": records["rag"]}, context)).text
    assert "Questions that have no answer 6 of 15" in text
    assert "did better" not in text


def test_what_was_not_measured_is_a_dash_and_a_column_of_dashes_is_left_out(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    sparse = copy.deepcopy(verdict)
    for name, approach in sparse["approaches"].items():
        del approach["peak_memory_mb"], approach["metrics"]
        if name != "rag":
            approach["latency_ms"] = {"p50": 100.0, "p95": 200.0}
    sparse["approaches"]["rag"].pop("latency_ms")
    text = Page(html(sparse, records, context)).text
    assert "Peak memory" not in text
    assert "All metrics" not in text
    assert "Not measured for rag." in text


def test_latency_of_nobody_draws_no_plot_of_it(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    sparse = copy.deepcopy(verdict)
    for approach in sparse["approaches"].values():
        approach["latency_ms"] = None
    text = Page(html(sparse, records, context)).text
    assert "Quality against latency" not in text
    assert "Quality against cost" in text


def test_a_long_answer_is_cut_with_an_ellipsis_and_stands_in_full_below() -> None:
    long = "word " * 200 + "END"
    verdict, records = one_case(Example("a", "qa", "Why?", ("yes",)), ("base", Answer(long), 0.0))
    text = Page(html(verdict, records, ReportContext())).text
    assert re.search(r"(word ){50,60}… The answer in full (word ){200}END", text)


def test_a_huge_answer_does_not_make_a_huge_page() -> None:
    verdict, records = one_case(Example("a", "qa", "Why?", ("yes",)), ("base", Answer("x" * 5_000_000), 0.0))
    text = html(verdict, records, ReportContext())
    assert len(text) < 100_000
    assert "4\u202f980\u202f000 more characters are in the records" in text


def test_ten_thousand_records_give_a_small_page_quickly(verdict: Json, context: ReportContext) -> None:
    def rows(name: str, value: float) -> list[Record]:
        examples = (Example(f"q{i}", "qa", f"question {i}?", ("a",), (Evidence(f"d{i % 50}"),)) for i in range(10_000))
        return [Record(name, example, Answer("b"), {"f1": value}) for example in examples]

    started = time.monotonic()
    text = html(verdict, {"rag": rows("rag", 0.2), "hybrid": rows("hybrid", 0.9)}, context)
    assert time.monotonic() - started < 10
    assert len(text) < 200_000
    assert "10\u202f000" in text
    shown = re.findall(r'<p class="question">question (\d+)\?', text)
    assert len(shown) == 8
    assert len({int(number) % 50 for number in shown}) == 8  # each about another document


def test_training_prompts_data_and_what_was_left_out_are_told(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    text = Page(html(verdict, records, context)).text
    for part in ("64 documents in 412 passages", "file is truncated", "near duplicates", "412\u202f870", "closed-book"):
        assert " ".join(part.split()) in text
    assert "base: three_shots chosen on 24 train questions" in text
    assert 'kind = "folder"' in text


def test_the_chosen_prompt_can_be_read(verdict: Json, context: ReportContext) -> None:
    assert (
        "The prompt as the model reads it Answer in a few words. Question: ..." in Page(html(verdict, {}, context)).text
    )


def test_without_documents_the_first_paragraph_speaks_of_examples(verdict: Json, context: ReportContext) -> None:
    alone = Page(html(verdict | {"question": "skill"}, {}, replace(context, documents=None, passages=None))).text
    first = alone[: alone.index("The approaches")]
    assert "answered the same 150 held-out questions. The question asked is skill: there are no documents." in first
    assert "documents that" not in first


def test_intervals_are_called_by_the_verdicts_own_confidence(verdict: Json, context: ReportContext) -> None:
    text = Page(html(verdict | {"confidence": 0.9}, {}, context)).text
    assert "with its 90 % interval" in text
    assert "Bars are 90 % intervals." in text
    assert "95 %" not in text.partition("The approaches")[2].partition("Examples")[0].replace("p95", "")


def test_left_out_documents_are_listed_up_to_a_bound(verdict: Json) -> None:
    many = ReportContext(left_out=tuple(LeftOut(f"file{i}.pdf", "encrypted") for i in range(1000)))
    text = Page(html(verdict, {}, many)).text
    assert "and 800 more" in text
    assert text.count("encrypted") == 200


@pytest.mark.parametrize("number", [5, 9, 20])
def test_more_approaches_than_colours_still_render(
    verdict: Json, records: dict[str, list[Record]], context: ReportContext, number: int
) -> None:
    more = copy.deepcopy(verdict)
    for i in range(number):
        more["approaches"][f"extra_{i}"] = copy.deepcopy(more["approaches"]["rag"])
    rows = {name: [replace(record, approach=name) for record in records["rag"][:20]] for name in more["approaches"]}
    page = Page(html(more, rows, context))
    assert f"extra_{number - 1}" in page.text
