"""Retrieval, citations: is what was found, and cited, the evidence?"""

from __future__ import annotations

import random

import ir_measures
import pytest
from ir_measures import RR, R, nDCG

from groundtune.metrics import prompt_scores, retrieval_scores, score, summary
from groundtune.metrics.evidence import holds
from groundtune.types import Answer, Citation, Evidence, Example, Hit, Passage, Record

QUOTE = "Any unused item may be sent back free of charge within thirty days of its delivery"


def example(*evidence: Evidence, answers: tuple[str, ...] = ("thirty days",)) -> Example:
    return Example("1", "qa", "?", answers, evidence)


def hit(document: str, text: str = "words") -> Hit:
    return Hit(Passage(1, document, text, 0, len(text)), 1.0)


def citation(document: str, text: str) -> Citation:
    return Citation(document, 0, len(text), text)


def test_without_known_evidence_retrieval_has_no_scores() -> None:
    assert retrieval_scores(example(), [hit("a")]) == {}


def test_nothing_found_scores_0() -> None:
    assert set(retrieval_scores(example(Evidence("a")), []).values()) == {0}


def test_a_second_passage_of_a_found_document_gains_nothing_and_takes_a_rank() -> None:
    got = retrieval_scores(example(Evidence("a"), Evidence("b")), [hit("a"), hit("a"), hit("b")])
    assert (got["recall@1"], got["recall@3"], got["mrr"]) == (0.5, 1, 1)
    assert got["ndcg@10"] == pytest.approx((1 + 1 / 2) / (1 + 0.6309), abs=1e-4)


def test_one_passage_may_hold_all_the_evidence() -> None:
    pieces = Evidence("a", "thirty days"), Evidence("a", "free of charge")
    got = retrieval_scores(example(*pieces), [hit("a", QUOTE)])
    assert got["recall@1"] == got["ndcg@10"] == 1


def test_of_whole_documents_the_measures_are_those_of_trec_eval() -> None:
    chance = random.Random(1)
    for _ in range(30):
        found = chance.sample("abcdefghijklmnop", 12)
        right = chance.sample("abcdefghijklmnop", chance.randint(1, 5))
        run = {"1": {document: 1.0 - rank / 100 for rank, document in enumerate(found)}}
        theirs = ir_measures.calc_aggregate([R @ 1, R @ 5, nDCG @ 10, RR], {"1": dict.fromkeys(right, 1)}, run)
        ours = retrieval_scores(example(*map(Evidence, right)), list(map(hit, found)))
        assert [ours["recall@1"], ours["recall@5"], ours["ndcg@10"], ours["mrr"]] == pytest.approx(
            [theirs[R @ 1], theirs[R @ 5], theirs[nDCG @ 10], theirs[RR]]
        )


@pytest.mark.parametrize(
    ("document", "text", "held"),
    [
        ("a", f"Returns. {QUOTE}.", True),
        ("a", QUOTE.upper().replace(" ", "\n"), True),
        ("a", "... Any unused item may be sent back free of charge", True),  # the passage ends in the quote
        ("a", "free of charge within thirty days of its delivery. Refunds", True),  # it begins in the quote
        ("a", "may be sent back free of charge within", True),  # it lies within the quote
        ("a", "free of charge", False),
        ("a", "Delivery takes thirty days", False),
        ("b", QUOTE, False),
    ],
)
def test_a_passage_holds_a_quote_or_most_of_it(document: str, text: str, held: bool) -> None:
    assert holds(document, text, Evidence("a", QUOTE)) is held


def test_a_quote_of_no_named_document_may_stand_in_any() -> None:
    assert holds("a", f"Returns. {QUOTE}.", Evidence("", QUOTE))
    assert holds("b", f"Returns. {QUOTE}.", Evidence("", QUOTE))
    assert not holds("a", "Something else.", Evidence("", QUOTE))
    assert not holds("a", QUOTE, Evidence("", " "))
    assert not holds("", QUOTE, Evidence(""))


def test_a_short_quote_must_stand_there_whole() -> None:
    assert not holds("a", "thirty chairs", Evidence("a", "thirty days"))


def test_an_answer_from_passages_has_the_recall_of_its_prompt() -> None:
    assert prompt_scores(example(Evidence("a")), Answer("x", hits=(hit("b"), hit("a")))) == {
        "recall@1": 0,
        "recall@k": 1,
    }


def test_where_nothing_was_found_the_recall_of_the_prompt_is_0() -> None:
    assert prompt_scores(example(Evidence("a")), Answer("x", abstained=True)) == {"recall@1": 0, "recall@k": 0}
    assert prompt_scores(example(), Answer("x", abstained=True)) == {}


def test_an_approach_without_passages_has_no_recall_and_no_citation_scores() -> None:
    assert set(score(example(Evidence("a")), Answer("x"))) == {"f1", "exact", "contains", "abstained"}


def test_an_answer_is_cited_if_its_words_stand_in_one_cited_passage() -> None:
    citations = citation("b", "Something else."), citation("a", f"{QUOTE}.")
    assert score(example(Evidence("a")), Answer("Thirty days!", citations=citations))["cited"] == 1
    assert score(example(Evidence("a")), Answer("sixty days", citations=citations))["cited"] == 0


def test_an_answer_from_passages_that_cites_none_is_not_cited() -> None:
    got = score(example(Evidence("a")), Answer("thirty days", hits=(hit("a"),)))
    assert got["cited"] == got["evidence_cited"] == 0


def test_the_right_answer_may_be_cited_from_the_wrong_document() -> None:
    got = score(example(Evidence("a", QUOTE)), Answer("thirty days", citations=(citation("b", QUOTE),)))
    assert (got["cited"], got["evidence_cited"]) == (1, 0)


def test_an_abstention_has_no_citation_scores() -> None:
    got = score(example(Evidence("a")), Answer("Nothing was found.", abstained=True, hits=(hit("b"),)))
    assert "cited" not in got
    assert got["abstained"] == 1


def test_means_are_over_the_records_that_have_the_score() -> None:
    asked = example(Evidence("a"))
    answers = [Answer("thirty days", citations=(citation("a", QUOTE),)), Answer("", abstained=True)]
    got = summary("qa", [Record("rag", asked, answer, score(asked, answer)) for answer in answers])
    assert got["cited"] == 1
    assert got["f1"] == 0.5
