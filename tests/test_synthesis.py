"""Questions that a model makes of documents: what can be checked is kept, the rest is counted and thrown away."""

from collections.abc import Sequence

from groundtune.approach import Approach
from groundtune.prompts import Shot, Template, trained
from groundtune.synthesis import ALIKE, Made, examples_of, wordings
from groundtune.types import EVERYONE, Hit, Passage, Prompt, Reader
from tests.rigged import Rigged

LAMP = Passage(1, "lamp.md", "The red lamp costs seven coins.", 0, 31, "Lamps")
PUMP = Passage(2, "pump.md", "The green pump weighs nine kilos.", 0, 33, "Pumps")
SHOTS = [
    Shot("How tall is the shelf?", "two metres", (Passage(3, "shelf.md", "The shelf is two metres tall.", 0, 29),))
]


class Finds:
    """A retriever that finds the lamp for whatever speaks of it, and else the pump."""

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        return [[Hit(LAMP if "lamp" in query else PUMP, 1.0)] for query in queries]


def made(write: dict[int, str], say: str, each: int = 1) -> tuple[Made, Rigged]:
    """What is made of both passages where the writer writes that, by passage, and the second pass says that."""

    def writes(prompt: Prompt) -> str:
        text = prompt.messages[0].content
        return write[1 if text.endswith(f"{LAMP.text}\n\nQ:") else 2]

    writer = Rigged(writes)
    again = Approach("second pass", Rigged(lambda _: say), Template("plain", "qa", True), Finds(), k=1)
    return examples_of([LAMP, PUMP], writer, SHOTS, again, each, 1), writer


def test_a_question_is_kept_where_its_passage_answers_it_is_found_again_and_a_second_pass_agrees() -> None:
    write = {1: " What does the red lamp cost?\nA: seven coins", 2: " What does the pump weigh?\nA: five kilos"}

    found, writer = made(write, "The seven coins.")

    [example] = found.examples
    assert (example.question, example.answers) == ("What does the red lamp cost?", ("seven coins",))
    assert example.evidence[0].document == "lamp.md"
    assert example.evidence[0].quote in LAMP.text
    assert (found.written, found.not_in_passage, found.not_found_again, found.answered_otherwise) == (2, 1, 0, 0)
    assert ALIKE > 0.5
    shown = writer.asked[0].messages[0].content
    assert (
        shown.index("two metres tall") < shown.index("Q: How tall is the shelf?\nA: two metres") < shown.index("lamp")
    )


def test_a_question_whose_passage_is_not_found_again_is_thrown_away() -> None:
    found, _ = made({1: "What does the red thing cost?\nA: seven coins", 2: ""}, "seven coins")

    assert (found.examples, found.written, found.not_found_again) == ((), 1, 1)


def test_a_question_that_a_second_pass_answers_otherwise_is_thrown_away() -> None:
    found, _ = made({1: "What does the red lamp cost?\nA: seven coins", 2: ""}, "I don't know")

    assert (found.examples, found.written, found.answered_otherwise) == ((), 1, 1)


def test_what_is_no_question_with_an_answer_and_what_was_asked_before_counts_for_nothing() -> None:
    write = {1: " What does the red lamp cost?\nA: seven coins", 2: "nonsense without an end"}

    found, _ = made(write, "seven coins", each=3)

    assert len(found.examples) == found.written == 1
    again, _ = made({1: "How tall is the shelf?\nA: two metres", 2: "\nA: 5"}, "two metres")  # a shot's own question
    assert again.written == 0


def test_other_wordings_are_lines_without_their_numbers_and_never_the_question_itself() -> None:
    writer = Rigged(
        lambda _: "1. Price of the lamp?\n- What is the lamp's price?\n\nWhat does it cost?\nprice?\nfive?\nsix?"
    )

    assert wordings(["What does it cost?"], writer) == [
        ["Price of the lamp?", "What is the lamp's price?", "price?", "five?"]
    ]
    assert trained("qa").plain


def test_of_a_line_no_more_than_the_mark_of_its_list_is_taken_off() -> None:
    writer = Rigged(lambda _: "1. 2024 budget: who signed it?\n2) 3.5 mm jacks?\n- -5 degrees?\n19th-century lamps?")

    assert wordings(["What?"], writer) == [
        ["2024 budget: who signed it?", "3.5 mm jacks?", "-5 degrees?", "19th-century lamps?"]
    ]
