"""Scores of single answers and their summary over a corpus."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.metrics import METRICS, score, summary
from groundtune.metrics.words import words
from groundtune.types import Answer, Example, Record, Task


def example(*answers: str, task: Task = "qa", id: str = "1") -> Example:
    return Example(id=id, task=task, question="?", answers=answers)


def scores(said: str, *right: str, task: Task = "qa", abstained: bool = False) -> dict[str, float]:
    return score(example(*right, task=task), Answer(said, abstained=abstained))


def record(said: str, *right: str, task: Task = "qa", abstained: bool = False) -> Record:
    asked, answer = example(*right, task=task), Answer(said, abstained=abstained)
    return Record("x", asked, answer, score(asked, answer))


def test_case_punctuation_articles_and_white_space_do_not_count() -> None:
    assert scores("  the  Eiffel-Tower!", "Eiffeltower")["exact"] == 1
    assert words("The \u201cAcme\u2019s\u201d 30 days\u2026") == ["acmes", "30", "days"]


def test_token_f1_is_squads() -> None:
    # 2 words of 3 said are right, 2 words of 4 right ones are said: F1 = 2 * 2 / (3 + 4)
    assert scores("thirty days long", "within thirty days only")["f1"] == pytest.approx(4 / 7)


def test_a_word_said_twice_counts_once() -> None:
    assert scores("paris paris", "Paris")["f1"] == pytest.approx(2 / 3)


def test_the_best_of_several_right_answers_counts() -> None:
    assert scores("NYC", "New York", "NYC") == {"f1": 1, "exact": 1, "contains": 1, "abstained": 0}


def test_an_answer_within_a_sentence_is_contained_as_whole_words() -> None:
    assert scores("You have 30 days.", "30 days")["contains"] == 1
    assert scores("You have 130 days.", "30 days")["contains"] == 0


def test_answers_that_are_only_an_article_or_a_sign_are_told_apart() -> None:
    assert scores("The", "A")["exact"] == 0
    assert scores("+", "-")["f1"] == 0


def test_scripts_without_spaces_are_compared_by_character() -> None:
    assert scores("東京都です", "東京")["contains"] == 1
    assert 0 < scores("東京都", "東京")["f1"] < 1


def test_an_empty_answer_is_wrong_and_no_error() -> None:
    assert scores("", "30 days") == {"f1": 0, "exact": 0, "contains": 0, "abstained": 0}


@pytest.mark.parametrize("task", ["qa", "labels", "text"])
@pytest.mark.parametrize(("right", "abstained", "value"), [((), True, 1), ((), False, 0), (("x",), True, 0)])
def test_abstaining_is_right_where_there_is_no_answer_and_there_alone(
    task: Task, right: tuple[str, ...], abstained: bool, value: float
) -> None:
    got = scores("x", *right, task=task, abstained=abstained)
    assert {got[name] for name in METRICS[task]} == {value}


@settings(deadline=None)  # the first call of a text metric imports its library
@given(st.sampled_from(["qa", "labels", "text"]), st.text(max_size=30), st.lists(st.text(min_size=1), min_size=1))
def test_every_score_lies_between_0_and_1(task: Task, said: str, right: list[str]) -> None:
    assert all(0 <= value <= 1 + 1e-9 for value in scores(said, *right, task=task).values())


@settings(deadline=None)  # the first call of a text metric imports its library
@given(st.sampled_from(["qa", "labels", "text"]), st.from_regex(r"\w{2,8}( \w{2,8}){0,3}", fullmatch=True))
def test_the_right_answer_itself_scores_1_in_everything(task: Task, right: str) -> None:
    got = scores(right, "something else", right, task=task)
    assert [got[name] for name in METRICS[task]] == pytest.approx([1] * len(METRICS[task]))


def test_labels_are_equal_up_to_case_and_white_space() -> None:
    assert scores(" Refund  Request\n", "refund request", task="labels")["accuracy"] == 1
    assert scores("refund", "refund request", task="labels")["accuracy"] == 0


def test_macro_f1_weighs_a_rare_label_like_a_frequent_one() -> None:
    rows = [record("a", "a", task="labels") for _ in range(8)] + [record("a", "b", task="labels") for _ in range(2)]
    got = summary("labels", rows)
    assert got["accuracy"] == pytest.approx(0.8)
    assert got["macro_f1"] == pytest.approx((2 * 8 / (8 + 10) + 0) / 2)


def test_an_abstention_costs_a_label_its_recall() -> None:
    rows = [record("a", "a", task="labels"), record("a", "a", task="labels", abstained=True)]
    assert summary("labels", rows)["macro_f1"] == pytest.approx(2 / 3)


def test_rouge_l_sees_letters_beyond_ascii_and_the_order_of_words() -> None:
    assert scores("über öl", "über öl", task="text")["rouge_l"] == 1
    assert scores("öl über", "über öl", task="text")["rouge_l"] == pytest.approx(0.5)


def test_chrf_takes_the_best_right_text_in_the_corpus_too() -> None:
    rows = [record("hello there", "good day", "hello there", task="text"), record("yes sir", "yes sir", task="text")]
    got = summary("text", rows)
    assert got["chrf"] == pytest.approx(1)
    assert got["chrf_corpus"] == pytest.approx(1)


def test_an_abstention_is_an_empty_text_to_corpus_chrf() -> None:
    rows = [record("hello there", "hello there", task="text")]
    worse = [*rows, record("hello there", "hello there", task="text", abstained=True)]
    assert summary("text", worse)["chrf_corpus"] < summary("text", rows)["chrf_corpus"]


def test_the_summary_tells_abstentions_by_whether_there_was_an_answer() -> None:
    rows = [
        record("30 days", "30 days"),
        record("", "30 days", abstained=True),
        record("", abstained=True),
        record("made up"),
    ]
    got = summary("qa", rows)
    assert got["f1"] == pytest.approx(0.5)
    assert got["abstention_rate"] == 0.5
    assert got["answerable_answered"] == 0.5
    assert got["unanswerable_abstained"] == 0.5
    assert got["f1_when_answered"] == 1
    assert "abstained" not in got


@pytest.mark.parametrize("task", ["qa", "labels", "text"])
def test_the_summary_of_nothing_is_empty(task: Task) -> None:
    assert summary(task, []) == {}
    assert "f1_when_answered" not in summary("qa", [record("", abstained=True)])
