"""The best prompt for a model is found by asking train questions, shots and asked ones apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.approach import Approach
from groundtune.errors import TooLongError
from groundtune.measure.prompting import SHOTS, candidate_templates, choose_template
from groundtune.prompts import ABSTENTION, Shot, Template, candidates, trained
from groundtune.types import Example, Passage, Prompt, Task
from tests.rigged import Rigged

PASSAGE = Passage(1, "a.md", "It says so.", 0, 11)


def example(number: int, answers: tuple[str, ...] = ("seven",), task: Task = "qa") -> Example:
    return Example(f"e{number}", task, f"question number {number}", answers)


def only_with_shots(prompt: Prompt) -> str:
    """A model that answers well where it is shown two or more examples as plain text."""
    return "seven" if prompt.plain and prompt.messages[0].content.count("A: ") >= 2 else "Sure! The answer is nine."


def test_the_template_under_which_the_model_answers_best_wins() -> None:
    templates, asked = candidate_templates("qa", [example(n) for n in range(30)], lambda one: PASSAGE, 5, seed=1)
    generator = Rigged(only_with_shots)

    choice = choose_template(Approach("base", generator, trained("qa")), templates, asked)

    assert choice.best.plain
    assert choice.best.shots
    assert choice.n == len(asked) == 5
    assert choice.scores.keys() == {template.name for template in templates}
    assert choice.scores[choice.best.name] == 1 > choice.scores["chat"]
    assert len(generator.asked) == 5 * len(templates)


def test_at_a_tie_the_first_one_wins() -> None:
    templates = candidates("qa", [])

    choice = choose_template(Approach("base", Rigged(lambda prompt: "seven"), trained("qa")), templates, [example(1)])

    assert choice.best is templates[0]


def test_a_template_that_is_too_long_for_the_model_is_left_out() -> None:
    templates, asked = candidate_templates("qa", [example(n) for n in range(30)], lambda one: PASSAGE, 5, seed=1)

    def small(prompt: Prompt) -> str:
        if sum(len(message.content) for message in prompt.messages) > most:
            raise TooLongError("too long")
        return "seven"

    most = 120
    choice = choose_template(Approach("base", Rigged(small), trained("qa")), templates, asked)
    assert choice.scores.keys() == {"chat", "plain"}
    assert choice.best.name == "chat"

    most = 0
    with pytest.raises(TooLongError):
        choose_template(Approach("base", Rigged(small), trained("qa")), templates, asked)


def shots_of(templates: list[Template]) -> list[str]:
    return [shot.question for shot in max(templates, key=lambda template: len(template.shots)).shots]


@given(n=st.integers(2, 40), unanswerable=st.integers(0, 40), most=st.integers(1, 30), seed=st.integers(0, 3))
def test_no_example_is_both_shown_and_asked_and_some_are_always_asked(
    n: int, unanswerable: int, most: int, seed: int
) -> None:
    train = [example(number, () if number < unanswerable else ("seven",)) for number in range(n)]

    templates, asked = candidate_templates("qa", train, lambda one: None, most, seed)

    assert 1 <= len(asked) <= most
    for template in templates:
        assert not {one.question for one in asked} & {shot.question for shot in template.shots}
    assert len(shots_of(templates)) <= SHOTS


def test_where_some_cannot_be_answered_abstaining_is_shown() -> None:
    train = [example(n, () if n % 2 else ("seven",)) for n in range(40)]

    templates, _ = candidate_templates("qa", train, lambda one: PASSAGE, 5, seed=1)

    for template in templates:
        if len(template.shots) >= 4:
            shown = [shot for shot in template.shots if shot.answer == ABSTENTION]
            assert len(shown) == len(template.shots) // 4
            assert all(shot.passages for shot in shown)


def test_every_label_is_shown_before_one_is_shown_twice() -> None:
    labels = ("north", "south", "east")
    train = [example(n, (labels[min(n // 10, 2)],), "labels") for n in range(40)]

    templates, _ = candidate_templates("labels", train, lambda one: None, 5, seed=1)

    for template in templates:
        shown = {shot.answer for shot in template.shots[:3]}
        assert shown == (set(labels) if template.shots else set())


@pytest.mark.parametrize("task", ["labels", "text"])
def test_other_tasks_are_compared_by_their_own_metric(task: Task) -> None:
    train = [example(n, ("seven",), task) for n in range(12)]
    templates, asked = candidate_templates(task, train, lambda one: None, 3, seed=1)

    choice = choose_template(Approach("base", Rigged(lambda prompt: "seven"), trained(task)), templates, asked)

    assert set(choice.scores.values()) == {1.0}


def test_the_metric_that_decides_chooses_the_prompt_and_one_of_the_corpus_alone_does_not() -> None:
    templates = candidates("qa", [Shot("q", "seven")])

    def says(prompt: Prompt) -> str:
        return "seven of eleven" if prompt.plain else "seven coins, or eight, or even nine of them"

    def scores(metric: str | None) -> dict[str, float]:
        return choose_template(
            Approach("base", Rigged(says), trained("qa")), templates, [example(1)], metric=metric
        ).scores

    assert scores("contains") == dict.fromkeys((template.name for template in templates), 1.0)
    assert scores("exact") == dict.fromkeys((template.name for template in templates), 0.0)
    assert scores("macro_f1") == scores(None) == scores("f1")
    assert scores("f1")["chat"] < scores("f1")["plain-shots"]


def test_examples_whose_passage_was_found_are_shown_before_others_and_none_with_a_wrong_passage() -> None:
    train = [example(n) for n in range(40)]

    def gold(one: Example) -> Passage | None:
        return PASSAGE if int(one.id[1:]) % 4 == 0 else None

    templates, _ = candidate_templates("qa", train, gold, 5, seed=1)
    shots = max(templates, key=lambda template: len(template.shots)).shots
    assert len(shots) == SHOTS
    assert all(shot.passages for shot in shots)

    few, _ = candidate_templates("qa", train, lambda one: PASSAGE if one.id == "e7" else None, 5, seed=1)
    shots = max(few, key=lambda template: len(template.shots)).shots
    assert (shots[0].question, shots[0].passages) == ("question number 7", (PASSAGE,))
    assert len(shots) == SHOTS
    assert not any(shot.passages for shot in shots[1:])


def test_a_repeated_question_is_left_to_ask_and_without_any_the_first_template_wins() -> None:
    train = [Example(f"e{n}", "qa", "the same question", ("seven",)) for n in range(12)]
    templates, asked = candidate_templates("qa", train, lambda one: None, 5, seed=1)
    assert len(asked) == 5

    choice = choose_template(Approach("base", Rigged(lambda prompt: "x"), trained("qa")), templates, [])

    assert (choice.best, choice.scores, choice.n) == (templates[0], {}, 0)


@pytest.mark.parametrize("n", [1, 3, 20])
def test_where_nothing_can_be_answered_abstaining_is_all_that_is_shown(n: int) -> None:
    templates, asked = candidate_templates("qa", [example(i, ()) for i in range(n)], lambda one: PASSAGE, 5, seed=1)

    assert asked
    assert {shot.answer for template in templates for shot in template.shots} <= {ABSTENTION}
    choice = choose_template(Approach("base", Rigged(lambda p: ABSTENTION), trained("qa")), templates, asked)
    assert set(choice.scores.values()) == {1.0}


def test_without_examples_there_are_templates_without_shots_and_nothing_to_ask() -> None:
    templates, asked = candidate_templates("qa", [], lambda one: PASSAGE, 5, seed=1)

    assert [(template.name, template.shots) for template in templates] == [("chat", ()), ("plain", ())]
    assert asked == []
