"""What a model is asked, word for word."""

import pytest

from groundtune.prompts import ABSTENTION, Shot, Template, candidates, show, trained
from groundtune.types import Passage, Prompt, Task


def passage(number: int, title: str = "", heading: str = "") -> Passage:
    return Passage(number, "a.md", f"It costs {number} coins.", 0, 9, title, heading)


def turns(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt.messages]


SHOT = Shot("How much is a lamp?", "9 coins", (passage(9),))


def test_the_best_passage_stands_next_to_the_question() -> None:
    prompt = trained("qa").prompt("What does it cost?", [passage(1), passage(2)])

    assert turns(prompt) == [("user", "It costs 2 coins.\n\nIt costs 1 coins.\n\nQ: What does it cost?\nA:")]
    assert prompt.plain


def test_without_a_retriever_there_are_no_passages_in_shots_either() -> None:
    template = Template("x", "qa", plain=True, shots=(SHOT,))

    assert turns(template.prompt("Why?")) == [("user", "Q: How much is a lamp?\nA: 9 coins\n\nQ: Why?\nA:")]
    assert "It costs 9 coins." in template.prompt("Why?", [passage(1)]).messages[0].content


def test_a_chat_has_an_instruction_and_its_shots_as_turns() -> None:
    template = Template("chat", "qa", plain=False, shots=(SHOT,))

    closed, context = template.prompt("Why?"), template.prompt("Why?", [passage(1)])

    assert [role for role, _ in turns(closed)] == ["system", "user", "assistant", "user"]
    assert turns(closed)[1:] == [("user", "Q: How much is a lamp?"), ("assistant", "9 coins"), ("user", "Q: Why?")]
    assert turns(context)[1:] == [
        ("user", "It costs 9 coins.\n\nQ: How much is a lamp?"),
        ("assistant", "9 coins"),
        ("user", "It costs 1 coins.\n\nQ: Why?"),
    ]
    assert all(ABSTENTION in turns(prompt)[0][1] for prompt in (closed, context))
    assert not closed.plain


@pytest.mark.parametrize("task", ["qa", "labels", "text"])
def test_what_is_trained_is_what_follows_the_prompt(task: Task) -> None:
    template = trained(task)
    solved = Template("x", task, plain=True, shots=(Shot("first", "answer"),))

    learnt = template.prompt("first").messages[0].content + template.completion("answer")

    assert solved.prompt("second").messages[0].content.startswith(learnt)
    # A choice is offered as it is trained: with the space that follows the cue.
    assert template.prompt("first", None, ("answer", "other")).choices == (" answer", " other")
    assert Template("chat", task, plain=False).prompt("first", None, ("answer",)).choices == ("answer",)


@pytest.mark.parametrize(("task", "stop"), [("qa", "\n"), ("labels", "\n"), ("text", "\nInput:")])
def test_an_answer_ends_where_a_new_example_would_begin(task: Task, stop: str) -> None:
    template = Template("x", task, plain=True, shots=(Shot("a", "b"), Shot("c", "d")))

    assert template.limits(7).max_tokens == 7
    assert template.limits(7).stop == (stop,)
    assert template.prompt("e").messages[0].content.count(stop) >= 2


def test_a_passage_shows_what_it_stands_under_once() -> None:
    assert show(passage(1)) == "It costs 1 coins."
    assert show(passage(1, title="Lamps", heading="Prices > Red")) == "[Lamps > Red]\nIt costs 1 coins."
    assert show(passage(1, title="Lamps", heading="Lamps")) == "[Lamps]\nIt costs 1 coins."
    headed = Passage(1, "a.md", "# Lamps\n\nThey glow.", 0, 9, title="Lamps", heading="Lamps")
    assert show(headed) == "# Lamps\n\nThey glow."


def test_candidates_are_chats_and_plain_text_with_examples_and_without() -> None:
    templates = candidates("qa", [SHOT] * 8)

    assert len({template.name for template in templates}) == len(templates)
    assert {template.plain for template in templates} == {True, False}
    assert min(len(template.shots) for template in templates) == 0
    assert max(len(template.shots) for template in templates) == 8


@pytest.mark.parametrize("task", ["qa", "labels", "text"])
def test_one_candidate_is_the_question_alone_as_plain_text(task: Task) -> None:
    [plain] = [template for template in candidates(task, [SHOT] * 8) if template.name == "plain"]

    assert plain.prompt("Why?", [passage(1)], ("a", "b")) == trained(task).prompt("Why?", [passage(1)], ("a", "b"))
