"""Which examples are shown, and what is said about each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.report.case import make_case
from groundtune.report.cases import groups, tally
from groundtune.report.quoting import EXCERPT, Piece, cut, excerpt, marked
from groundtune.report.standing import Standing
from groundtune.types import Answer, Citation, Example, Hit, Json, Passage, Record


def plain(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


def marks(pieces: tuple[Piece, ...]) -> list[tuple[str, str]]:
    return [(piece.text, piece.mark) for piece in pieces if piece.mark]


def test_no_example_is_shown_twice(verdict: Json, records: dict[str, list[Record]]) -> None:
    shown = [case.question.full or case.question.short for g in groups(Standing(verdict), records) for case in g.cases]
    assert len(shown) == len(set(shown)) > 20


def test_won_examples_were_won_and_lost_ones_lost(verdict: Json, records: dict[str, list[Record]]) -> None:
    checked = 0
    for group in groups(Standing(verdict), records):
        for case in group.cases:
            scores = {said.approach: said.score or 0.0 for said in case.said}
            if group.title == "hybrid did better than rag":
                assert scores["hybrid"] > scores["rag"]
            elif group.title == "hybrid did worse than base":
                assert scores["hybrid"] < scores["base"]
            elif group.title.startswith("Neither"):
                assert max(scores["hybrid"], scores["rag"]) < 0.5
            elif group.title.startswith("Questions that"):
                assert not case.right
            else:
                continue
            checked += 1
    assert checked > 15


def test_the_tally_counts_every_answerable_question_once(verdict: Json, records: dict[str, list[Record]]) -> None:
    sentence = tally(Standing(verdict), records)
    counts = [int(word) for word in sentence.replace(",", " ").replace(".", " ").split() if word.isdigit()]
    assert counts[0] == sum(counts[1:]) == sum(bool(record.example.answers) for record in records["rag"])


def test_a_retrieval_miss_is_named_with_the_number_of_passages() -> None:
    hits = tuple(Hit(Passage(i, "d", "text", 0, 4), 0.5) for i in range(3))
    record = Record("rag", Example("a", "qa", "?", ("x",)), Answer("y", hits=hits), {"f1": 0.0, "recall@k": 0.0})
    remarks = make_case("f1", [record]).said[0].remarks
    assert remarks[0] == "Retrieval miss: the gold passage was not among the 3 retrieved."
    assert "It cites nothing." in remarks


def test_an_answer_with_its_evidence_found_gets_no_remark() -> None:
    hit, citation = Hit(Passage(1, "d", "x", 0, 1), 0.5), Citation("d", 0, 1, "x", "Heading", 3)
    answer = Answer("x", citations=(citation,), hits=(hit,))
    record = Record("rag", Example("a", "qa", "?", ("x",)), answer, {"f1": 1.0, "recall@k": 1.0, "cited": 1.0})
    said = make_case("f1", [record]).said[0]
    assert said.remarks == ()
    assert (said.citations[0].document, said.citations[0].place, said.citations[0].open) == ("d", "Heading, p. 3", True)


def test_the_right_answer_and_the_given_one_are_marked_apart() -> None:
    pieces = marked("It is red on Monday,\nblue on Sunday.", said="Blue.", right=["RED  on"])
    assert marks(pieces) == [("red on", "right"), ("blue", "said")]


def test_an_answer_inside_a_longer_word_is_not_marked() -> None:
    assert marks(marked("The red cat scattered 450 things.", said="cat", right=["45"])) == [("cat", "said")]


@pytest.mark.parametrize("said", ["", "   ", "...", "x" * 5000, "(a+)+$", "[", "\\"])
def test_odd_answers_mark_nothing_or_themselves(said: str) -> None:
    assert plain(marked("some (a+)+$ text [ here", said=said, right=[])) == "some (a+)+$ text [ here"


@given(st.text(max_size=400), st.text(max_size=12), st.lists(st.text(max_size=12), max_size=3))
def test_marking_never_changes_a_text(text: str, said: str, right: list[str]) -> None:
    pieces = marked(text, said=said, right=right)
    assert plain(pieces) == text
    assert len(plain(excerpt(pieces))) <= EXCERPT + 4


def test_an_excerpt_shows_the_marked_answer_wherever_it_stands() -> None:
    text = "filler " * 100 + "the answer is 42 days" + " filler" * 100
    short = excerpt(marked(text, said="42 days", right=[]))
    assert marks(short) == [("42 days", "said")]
    assert plain(short).startswith("… ")
    assert plain(short).endswith(" …")


def test_a_short_text_is_not_cut() -> None:
    assert cut("short").full == ""
    assert cut("word " * 100).short.endswith("word …")
    assert cut("x" * 1000).short == "x" * 280 + " …"
