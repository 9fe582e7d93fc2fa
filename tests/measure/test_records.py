"""Records on disk: asked once, scored, resumed after a kill."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from groundtune.approach import Approach
from groundtune.errors import WorkFailed
from groundtune.measure.records import AT_ONCE, DEPTH, measure, read_records
from groundtune.prompts import trained
from groundtune.types import EVERYONE, Evidence, Example, Hit, Passage, Prompt, Reader
from tests.rigged import Rigged

EXAMPLES = [
    Example(f"e{n}", "qa", f"What is {n}?", (f"value {n}",), (Evidence("a.md", f"value {n}"),)) for n in range(70)
]


def right(prompt: Prompt) -> str:
    return "value " + prompt.messages[0].content.split("What is ")[1].split("?")[0]


def base(say: Callable[[Prompt], str] = right) -> tuple[Approach, Rigged]:
    generator = Rigged(say)
    return Approach("base", generator, trained("qa")), generator


def test_every_example_is_asked_once_and_scored_in_its_order(tmp_path: Path) -> None:
    approach, generator = base()

    records = measure(approach, EXAMPLES, tmp_path / "base.jsonl", "run1")

    assert [record.example for record in records] == EXAMPLES
    assert all(record.scores["f1"] == 1 and record.approach == "base" for record in records)
    assert len(generator.asked) == len(EXAMPLES)
    assert read_records(tmp_path / "base.jsonl") == records


def test_what_was_asked_before_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    first = measure(base()[0], EXAMPLES[:40], path, "run1")
    approach, generator = base(lambda prompt: "something else")

    records = measure(approach, EXAMPLES, path, "run1")

    assert records[:40] == first
    assert len(generator.asked) == 30
    assert len(read_records(path)) == 70


def test_a_run_that_breaks_off_keeps_what_it_had(tmp_path: Path) -> None:
    def breaks(prompt: Prompt) -> str:
        if "What is 50?" in prompt.messages[0].content:
            raise WorkFailed("the endpoint is down")
        return right(prompt)

    with pytest.raises(WorkFailed):
        measure(base(breaks)[0], EXAMPLES, tmp_path / "base.jsonl", "run1")
    approach, generator = base()

    assert len(measure(approach, EXAMPLES, tmp_path / "base.jsonl", "run1")) == 70
    assert len(generator.asked) == 70 - AT_ONCE


def test_after_a_line_that_was_cut_off_the_rest_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    whole = measure(base()[0], EXAMPLES, path, "run1")
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    for cut in (len(content) - 1, len(content) - 40, sum(map(len, lines[:3])) + 1, 5, 0):
        path.write_bytes(content[:cut])
        approach, generator = base()
        assert [record.scores for record in measure(approach, EXAMPLES, path, "run1")] == [one.scores for one in whole]
        assert len(generator.asked) == 70 - content[:cut].count(b"\n") - (cut == len(content) - 1)
        assert len(read_records(path)) == 70


def test_the_rows_of_another_run_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    measure(base(lambda prompt: "old")[0], EXAMPLES, path, "run1")
    approach, generator = base()

    records = measure(approach, EXAMPLES[:5], path, "run2")

    assert [record.answer.text for record in records] == [f"value {n}" for n in range(5)]
    assert len(generator.asked) == 5
    assert {json.loads(line)["run"] for line in path.read_text().splitlines()} == {"run2"}


def test_an_answer_with_its_hits_and_citations_comes_back_whole(tmp_path: Path) -> None:
    passage = Passage(3, "a.md", 'It says value 1\u2028 and "more".', 4, 30, "A", "B > C", 7, "2026-11-22")
    searched: list[int] = []

    class Finds:
        def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
            searched.append(k)
            return [[Hit(passage, 0.5, {"words": 1.5})] for _ in queries]

    approach = Approach("rag", base()[1], trained("qa"), Finds(), k=2)

    [record] = measure(approach, EXAMPLES[1:2], tmp_path / "rag.jsonl", "run1")

    assert read_records(tmp_path / "rag.jsonl") == [record]
    assert record.answer.citations[0].page == 7
    assert searched == [2, DEPTH]
    assert record.scores["recall@5"] == record.scores["cited"] == 1


def test_a_search_that_finds_nothing_scores_0_and_an_approach_without_a_retriever_is_not_scored(tmp_path: Path) -> None:
    class FindsSome:
        def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
            found = [Hit(Passage(1, "a.md", "It says value 1.", 0, 16), 1.0)]
            return [found if query == "What is 1?" else [] for query in queries]

    rag = Approach("rag", base()[1], trained("qa"), FindsSome())
    searched = {"recall@1", "recall@3", "recall@5", "recall@k", "ndcg@10", "mrr"}

    found, missed = measure(rag, EXAMPLES[1:3], tmp_path / "rag.jsonl", "run1")
    [without] = measure(base()[0], EXAMPLES[1:2], tmp_path / "base.jsonl", "run1")

    assert {name: found.scores[name] for name in searched} == dict.fromkeys(searched, 1)
    assert missed.answer.abstained
    assert {name: missed.scores[name] for name in searched} == dict.fromkeys(searched, 0)
    assert not searched & without.scores.keys()


def test_a_full_disk_is_said_and_the_next_run_goes_on(small_disk: Path) -> None:
    path = small_disk / "base.jsonl"
    long = [Example(f"e{n}", "qa", "What is 1?", ("x" * 20_000,)) for n in range(200)]

    with pytest.raises(WorkFailed, match="the disk is full"):
        measure(base()[0], long, path, "run1")
    kept = path.read_bytes().count(b"\n")
    assert kept >= AT_ONCE
    with pytest.raises(WorkFailed):
        measure(base()[0], long, path, "run1")

    assert path.read_bytes().count(b"\n") >= kept
