"""The gates: duplicates, questions in documents, missing evidence."""

from __future__ import annotations

import pytest

from groundtune.errors import UserError
from groundtune.examples.leaks import Duplicate, InDocument, find_leaks, find_missing_evidence, gate
from groundtune.examples.store import from_row, to_row
from groundtune.types import Evidence, Example

DOCUMENTS = {
    "returns.md": "# Returns\n\nYou have **30 days**\nto send a thing back. May I send a used mattress back, too? No.",
    "prices.md": "The kettle costs 25 euros.",
}


def asks(name: str, question: str, *answers: str, evidence: tuple[Evidence, ...] = ()) -> Example:
    return Example(name, "qa", question, answers, evidence)


def test_a_test_question_that_train_repeats_is_found_with_its_similarity() -> None:
    train = [
        asks("t1", "What does the large kettle cost in your shop?", "25 euros"),
        asks("t2", "Where are you?", "Ulm"),
    ]
    test = [
        asks("x1", "what does the large kettle cost in your shop", "24 euros"),
        asks("x2", "What does the large kettle cost in your shops?", "25 Euros."),
    ]
    first, second = find_leaks(train, test, {}).duplicates
    assert first == Duplicate("t1", "x1", 1.0)  # the same words are a leak whatever the answer
    assert (second.train, second.test) == ("t1", "x2")
    assert 0.85 <= second.similarity < 1


def test_nearly_the_same_question_with_another_answer_gives_nothing_away() -> None:
    train = [asks("t", "Which town is the capital of the republic of Iran?", "Tehran")]
    test = [asks("x", "Which town is the capital of the republic of Iraq?", "Baghdad")]
    assert find_leaks(train, test, {}).duplicates == ()
    same = [asks("x", "Which town is the capital of the republic of Iraq?", "Tehran")]
    assert len(find_leaks(train, same, {}).duplicates) == 1


def test_the_instruction_before_every_input_makes_no_duplicates() -> None:
    start = "You are a careful clerk. Sort the following message of a customer into one of our folders, please: " * 2
    inputs = (
        "card lost, where is money, raise limit, who are you, new account, add wife, no dog, rob bank, pay up, thanks"
    )
    said = [Example(f"e{n}", "text", start + words, ("folder",)) for n, words in enumerate(inputs.split(", "))]
    assert find_leaks(said[:5], said[5:], {}).duplicates == ()


def test_duplicates_are_refused_with_their_ids_unless_allowed() -> None:
    pairs = range(7)
    train = [asks(f"t{n}", f"What is the answer to riddle number {n * 1111}?", str(n)) for n in pairs]
    test = [asks(f"x{n}", f"what is the answer to riddle number {n * 1111}", str(n)) for n in pairs]
    leaks = find_leaks(train, test, {})
    with pytest.raises(UserError) as caught:
        gate(leaks, allow=False)
    assert caught.value.message.startswith("train questions nearly repeated in the test (7): x0 ~ t0 (1.00), x1 ~ t1")
    assert "x4 ~ t4" in caught.value.message
    assert "x5 ~ t5" not in caught.value.message
    assert "allow_leaks = true" in caught.value.hint
    assert gate(leaks, allow=True) == (caught.value.message,)


def test_the_examples_lying_among_the_documents_are_refused_but_one_frequent_question_is_not() -> None:
    mattress = asks("m", "May I send a used mattress back, too?", "No")
    others = [asks(f"o{n}", f"Is there anything in {n * 1111} that nobody has ever asked?", "no") for n in range(19)]
    few = find_leaks([], [mattress, *others], DOCUMENTS)
    assert few.in_documents == (InDocument("m", "returns.md"),)
    assert gate(few, allow=False) == ("1 of 20 test questions stand word for word in documents: m in returns.md",)
    copy = {"questions.jsonl": "\n".join(f'{{"question": "{one.question}"}}' for one in others)}
    with pytest.raises(UserError, match="19 of 20 test questions stand word for word in documents: o0 in questions"):
        gate(find_leaks([], [mattress, *others], copy), allow=False)


def test_evidence_is_looked_for_by_its_words() -> None:
    examples = [
        asks("good", "?", "30 days", evidence=(Evidence("returns.md", "You have 30 days to send"),)),
        asks("whole", "?", "25", evidence=(Evidence("prices.md"),)),
        asks("gone", "?", "x", evidence=(Evidence("old.md", "You have 30 days"),)),
        asks("changed", "?", "x", evidence=(Evidence("prices.md", "costs 19 euros"),)),
        asks("anywhere", "?", "x", evidence=(Evidence("", "the kettle costs"), Evidence("", "the pan costs"))),
    ]
    missing = find_missing_evidence(examples, DOCUMENTS)
    assert [(one.example, one.document) for one in missing] == [
        ("gone", "old.md"),
        ("changed", "prices.md"),
        ("anywhere", ""),
    ]
    assert missing[1].reason == "it does not say 'costs 19 euros'"
    notes = gate(find_leaks(examples, [], DOCUMENTS), allow=False)
    assert notes == ("3 pieces of evidence missing in the documents; first, of gone: old.md: no such document",)


def test_evidence_that_is_all_unknown_is_refused_naming_both_sides() -> None:
    examples = [asks("a", "?", "x", evidence=(Evidence("docs/returns.md"), Evidence("docs/prices.md")))]
    with pytest.raises(UserError) as caught:
        find_leaks(examples, [], DOCUMENTS)
    assert caught.value.message == (
        "no evidence is among the documents: examples name 'docs/returns.md', 'docs/prices.md'; "
        "the documents are 'returns.md', 'prices.md'"
    )


def test_without_sources_evidence_is_not_looked_for() -> None:
    assert find_leaks([asks("a", "?", "x", evidence=(Evidence("returns.md"),))], [], {}).missing_evidence == ()


def test_a_row_gives_its_example_back() -> None:
    example = Example("q1", "qa", "Why?", ("a", "b"), (Evidence("x.md", "so"), Evidence("y.md")), "g")
    assert from_row(to_row(example)) == example
