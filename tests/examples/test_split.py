"""The split: nothing on both sides, the same again, and every label in train."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.examples.leaks import find_leaks
from groundtune.examples.split import keep_back, split, split_as_given
from groundtune.types import Evidence, Example, Question, Task

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "ivory", "jolly", "karst", "lemon")


def words(number: int) -> str:
    """Words that no other number has, so that no two questions are nearly the same by accident."""
    return " ".join(WORDS[number // 12**place % 12] * 2 + str(number * 7919) for place in range(3))


def example(number: int, group: str = "", *answers: str, task: Task = "qa", documents: tuple[str, ...] = ()) -> Example:
    evidence = tuple(Evidence(document) for document in documents)
    return Example(f"e{number}", task, words(number), answers or (f"a{number}",), evidence, group or f"e{number}")


def unanswerable(number: int, group: str) -> Example:
    return Example(f"e{number}", "qa", words(number), (), (), group)


def documents(examples: tuple[Example, ...]) -> set[str]:
    return {piece.document for example in examples for piece in example.evidence}


@st.composite
def many_examples(draw: st.DrawFn) -> list[Example]:
    number = draw(st.integers(min_value=10, max_value=40))
    groups = st.sampled_from([f"g{n}" for n in range(draw(st.integers(min_value=2, max_value=20)))])
    named = st.lists(st.sampled_from([f"d{n}" for n in range(60)]), max_size=2, unique=True)
    return [example(n, draw(groups), documents=tuple(draw(named))) for n in range(number)]


@settings(max_examples=60, deadline=None)
@given(
    many_examples(), st.sampled_from(["knowledge", "skill"]), st.floats(0.05, 0.9), st.integers(1, 30), st.integers()
)
def test_no_group_and_in_skill_no_evidence_document_is_on_both_sides(
    examples: list[Example], question: Question, share: float, most: int, seed: int
) -> None:
    try:
        made = split(examples, question=question, test_share=share, test_most=most, seed=seed)
    except UserError as error:  # everything hangs together
        assert "none can be held out" in error.message
        return
    again = split(examples[::-1], question=question, test_share=share, test_most=most, seed=seed)
    assert made.train
    assert made.test
    assert len(made.test) <= most
    assert {one.group for one in made.train}.isdisjoint(one.group for one in made.test)
    assert question == "knowledge" or documents(made.train).isdisjoint(documents(made.test))
    assert again.test == made.test
    assert set(again.train) == set(made.train)
    assert set(made.train) | set(made.test) <= set(examples)


def test_the_test_has_its_share_and_train_all_the_rest() -> None:
    examples = [example(n, f"g{n // 4}") for n in range(200)]
    made = split(examples, question="knowledge", test_share=0.3, test_most=150, seed=1)
    assert (len(made.test), len(made.train)) == (60, 140)
    assert made.notes == ("train: 140 examples in 35 groups; test: 60 examples in 15 groups",)


def test_another_seed_makes_another_split() -> None:
    examples = [example(n) for n in range(100)]
    one, two = (split(examples, question="skill", test_share=0.3, test_most=150, seed=seed).test for seed in (1, 2))
    assert len(set(one) & set(two)) < 20


def test_more_examples_move_few_of_those_that_were_there() -> None:
    before = split([example(n) for n in range(200)], question="skill", test_share=0.3, test_most=150, seed=1)
    after = split([example(n) for n in range(220)], question="skill", test_share=0.3, test_most=150, seed=1)
    assert len(set(before.test) - set(after.test)) <= 6


def test_a_capped_test_takes_from_every_held_out_group_and_gives_none_of_them_to_train() -> None:
    examples = [example(n, f"g{n // 20}") for n in range(200)]
    made = split(examples, question="knowledge", test_share=0.6, test_most=7, seed=1)
    assert sorted(Counter(one.group for one in made.test).values()) == [1, 1, 1, 1, 1, 2]
    held_out = {one.group for one in examples} - {one.group for one in made.train}
    assert {one.group for one in made.test} == held_out
    assert "113 examples of test groups on neither side: test_most caps the test" in made.notes


def test_no_more_groups_are_held_out_than_the_capped_test_can_ask_about() -> None:
    made = split([example(n) for n in range(500)], question="skill", test_share=0.3, test_most=50, seed=1)
    assert (len(made.test), len(made.train)) == (50, 450)


def test_every_label_is_trained_and_the_test_has_each_in_proportion() -> None:
    labels = ["often"] * 60 + ["seldom"] * 30 + ["twice"] * 2 + ["once"]
    examples = [example(n, "", label, task="labels") for n, label in enumerate(labels)]
    made = split(examples, question="skill", test_share=0.3, test_most=150, seed=3)
    assert Counter(one.answers[0] for one in made.train).keys() == set(labels)
    tested = Counter(one.answers[0] for one in made.test)
    assert (tested["often"], tested["seldom"], tested["twice"], tested["once"]) == (18, 9, 1, 0)


def test_a_small_capped_test_still_spreads_over_labels() -> None:
    examples = [example(n, "", f"label {n % 40}", task="labels") for n in range(400)]
    made = split(examples, question="skill", test_share=0.3, test_most=20, seed=1)
    assert len(made.test) == 20
    assert set(Counter(one.answers[0] for one in made.test).values()) == {1}


def test_both_sides_get_their_share_of_unanswerable_questions() -> None:
    asked = [unanswerable(n, f"g{n // 5}") if n % 10 == 0 else example(n, f"g{n // 5}") for n in range(200)]
    made = split(asked, question="knowledge", test_share=0.3, test_most=150, seed=1)
    assert 5 <= sum(not one.answers for one in made.test) <= 7
    assert 53 <= sum(bool(one.answers) for one in made.test) <= 55


def test_near_identical_questions_stand_on_one_side_and_the_gate_finds_nothing() -> None:
    asked = "How many days do I have to send {} back to the shop?"
    twins = [
        Example(f"t{n}", "qa", asked.format("the " + WORDS[n // 2]) + " !"[n % 2], ("30 days",), (), f"g{n}")
        for n in range(20)
    ]
    examples = [*twins, *(example(n) for n in range(20))]
    for seed in range(8):
        made = split(examples, question="knowledge", test_share=0.4, test_most=150, seed=seed)
        assert "10 pairs of near-identical questions were kept on one side" in made.notes
        assert find_leaks(made.train, made.test, {}).duplicates == ()


def test_examples_that_all_hang_together_are_refused() -> None:
    with pytest.raises(UserError, match="20 examples make 1 group; none can be held out for the test"):
        split([example(n, "all") for n in range(20)], question="skill", test_share=0.3, test_most=9, seed=1)


@pytest.mark.parametrize(
    "train",
    [
        [example(n, documents=("manual.pdf",)) for n in range(200)],
        [example(n, "", f"label {n}", task="labels") for n in range(60)],
        [],
    ],
)
def test_of_train_examples_that_cannot_be_told_apart_nothing_is_kept_back(train: list[Example]) -> None:
    assert keep_back(train, question="skill", share=0.05, most=96, seed=2) == (train, [])


def test_two_groups_larger_than_the_share_still_make_a_test() -> None:
    examples = [example(n, "large" if n < 60 else "small") for n in range(100)]
    made = split(examples, question="skill", test_share=0.1, test_most=150, seed=1)
    assert {one.group for one in made.test} == {"small"}


def test_train_splits_again_into_a_part_held_out_of_it() -> None:
    examples = [example(n, f"g{n // 3}") for n in range(150)]
    made = split(examples, question="skill", test_share=0.3, test_most=150, seed=1)
    learnt, deciding = keep_back(made.train, question="skill", share=0.2, most=24, seed=2)
    assert set(learnt) < set(made.train)
    assert set(deciding) < set(made.train)
    assert 0 < len(deciding) <= 24


@settings(max_examples=60, deadline=None)
@given(
    many_examples(), many_examples(), st.sampled_from(["knowledge", "skill"]), st.integers(1, 30), st.integers()
)  # fmt: skip
def test_a_test_set_of_ones_own_takes_from_train_what_would_give_it_away(
    train: list[Example], test: list[Example], question: Question, most: int, seed: int
) -> None:
    asked = [replace(one, question=words(int(one.id[1:]) + 60)) for one in test]  # no question is on both sides yet
    asked[0] = replace(asked[0], question=train[0].question.upper())
    try:
        made = split_as_given(train, asked, question=question, test_most=most, seed=seed)
    except UserError as error:
        assert "is left" in error.message
        return
    groups = {one.group for one in asked if one.group != one.id}
    assert train[0] not in made.train
    assert {one.id for one in made.test} <= {f"test/{one.id}" for one in asked}
    assert len(made.test) == min(most, len(asked))
    assert groups.isdisjoint(one.group for one in made.train)
    assert question == "knowledge" or documents(made.train).isdisjoint(documents(tuple(asked)))
    assert {one.id for one in made.train} <= {one.id for one in train}
    assert "left out" in made.notes[-1]


def test_a_test_set_with_the_same_numbers_as_ids_costs_train_nothing() -> None:
    train, test = (
        [example(n) for n in range(20)],
        [replace(example(n + 50), id=f"e{n}", group=f"e{n}") for n in range(20)],
    )
    made = split_as_given(train, test, question="skill", test_most=5, seed=1)
    assert made.train == tuple(train)
    assert len(made.test) == 5
    assert made.notes == (
        "train: 20 examples; test: 5 examples of the file for it",
        "15 test examples not asked: test_most caps the test",
    )
