"""What examples are to retrieval: solved cases where there are no documents, and what holds their evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.cases import (
    CASE_CHARS,
    LeaveOneOut,
    case_chars,
    holds_evidence,
    same_question,
    solved_case,
    solved_cases,
)
from groundtune.index.chunk import chunk
from groundtune.types import EVERYONE, Evidence, Example, Hit, Passage, Reader


def example(number: int, *answers: str, evidence: tuple[Evidence, ...] = ()) -> Example:
    return Example(f"e{number}", "qa", f"What is {number}?", answers, evidence)


def passage(text: str, document: str = "a.md") -> Passage:
    return Passage(1, document, text, 0, len(text))


def test_a_solved_case_is_a_document_with_question_and_answer() -> None:
    cases = solved_cases([example(1, "seven", "7"), example(2)])

    assert [case.text for case in cases] == ["Q: What is 1?\nA: seven", "Q: What is 2?\nA: "]
    assert [case.id for case in cases] == [solved_case(example(1)), solved_case(example(2))]
    assert cases[0].stamp != cases[1].stamp


@pytest.mark.parametrize(("k", "least", "chars"), [(1, 800, 2000), (3, 800, 1333), (20, 800, 800), (3, 1600, 1600)])
def test_cases_are_as_long_as_a_prompt_has_room_for_k_of_them_and_no_shorter_than_passages(
    k: int, least: int, chars: int
) -> None:
    assert case_chars(k, least) == chars


LINES = st.lists(
    st.sampled_from(["the lamp is red", "# Order", "| a | b |", "|---|---|", "", "```", "seven"]), max_size=9
)


@given(question=LINES, answer=LINES, times=st.integers(1, 90), again=st.integers(1, 90))
def test_a_long_case_is_one_passage_that_shows_its_answer(
    question: list[str], answer: list[str], times: int, again: int
) -> None:
    asked, said = "\n".join(["Hello.", *question * times]), "\n".join(["Yes.", *answer * again])
    [case] = solved_cases([Example("e", "text", asked, (said,))])

    [passage] = chunk(case, CASE_CHARS)

    begin, shown = passage.text.split("\nOutput: ")
    room = CASE_CHARS - len("Input: \nOutput: ")
    assert begin.startswith("Input: Hello.")
    assert shown == said.rstrip() if len(said) <= room // 2 else said.startswith(shown.rstrip("…"))
    if len(asked) + len(said) <= room:
        assert passage.text == f"Input: {asked}\nOutput: {said}".rstrip()
    else:
        assert len(case.text) == CASE_CHARS


def test_a_train_question_never_finds_its_own_solved_case_and_still_finds_k() -> None:
    examples = [example(n, "seven") for n in range(4)]

    class Finds:
        def search(self, queries: list[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
            return [[Hit(passage("x", solved_case(one)), 1.0) for one in examples][:k] for _ in queries]

    own, other = LeaveOneOut(Finds(), examples).search([examples[0].question, "What else?"], 2)  # type: ignore[arg-type]

    assert [hit.passage.document for hit in own] == ["example/e1", "example/e2"]
    assert [hit.passage.document for hit in other] == ["example/e0", "example/e1"]


def test_evidence_is_held_where_it_stands_and_without_known_evidence_where_an_answer_does() -> None:
    known = example(1, "seven", evidence=(Evidence("a.md", "costs seven coins"),))

    assert holds_evidence(passage("It costs seven coins."), known)
    assert not holds_evidence(passage("It costs seven coins.", "b.md"), known)
    assert holds_evidence(passage("Just SEVEN of them."), example(1, "seven"))
    assert not holds_evidence(passage("Just eight."), example(1, "seven"))
    assert not holds_evidence(passage("x"), Example("l", "labels", "x", ("x",)))


def test_a_repeated_question_does_not_find_its_twins_answer_and_still_finds_k() -> None:
    examples = [example(n, "seven") for n in range(6)]
    twins = [Example(f"twin{n}", "qa", examples[0].question, ("seven",)) for n in range(2)]

    class Finds:
        def search(self, queries: list[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
            found = [*twins, *examples]
            return [[Hit(passage("x", solved_case(one)), 1.0) for one in found][:k] for _ in queries]

    [own] = LeaveOneOut(Finds(), [*examples, *twins]).search([examples[0].question], 3)  # type: ignore[arg-type]

    assert [hit.passage.document for hit in own] == ["example/e1", "example/e2", "example/e3"]
    assert same_question(twins) == {examples[0].question: {"example/twin0", "example/twin1"}}


def test_without_known_evidence_an_answer_must_stand_there_as_whole_words() -> None:
    assert not holds_evidence(passage("Note the notice."), example(1, "no"))
    assert holds_evidence(passage("Is it covered? No."), example(1, "no"))
    assert holds_evidence(passage("It takes thirty (30) days"), example(1, "the thirty 30 days"))
    assert not holds_evidence(passage("It takes days"), example(1))
