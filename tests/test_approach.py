"""One way to answer: retrieval, prompt, abstention, citations."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune import plug
from groundtune.approach import NOTHING_FOUND, Approach, cite, is_abstention
from groundtune.index.sqlite import SqliteIndex
from groundtune.prompts import trained
from groundtune.types import EVERYONE, Hit, Passage, Reader, Task
from tests.corpus import document, sync
from tests.rigged import Rigged

RED = Passage(1, "red.md", "The red lamp costs seven coins (plus post).", 10, 53, "Lamps", "Prices", 2, "2026")
GREEN = Passage(2, "green.md", "The green pump costs nine coins. Order no. 7-B.", 0, 47)
OFFICE = Reader(frozenset({"office"}))


class Finds:
    """A retriever that finds the same for everybody, however often it is asked."""

    def __init__(self, *passages: Passage) -> None:
        self.hits = [Hit(passage, 1.0) for passage in passages]

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        return [[] if "nothing" in query else self.hits[:k] for query in queries]


def approach(say: str, *found: Passage) -> tuple[Approach, Rigged]:
    generator = Rigged(lambda prompt: say)
    return Approach("rag", generator, trained("qa"), Finds(*found), k=2), generator


def cited(say: str, *found: Passage) -> list[str]:
    return [citation.document for citation in approach(say, *found)[0].answer(["What?"])[0].citations]


def test_where_nothing_is_found_the_answer_is_an_abstention_and_the_model_is_not_asked() -> None:
    built, generator = approach("seven", RED)

    first, second, third = built.answer(["nothing like it", "What?", "nothing"])

    assert (first.text, first.abstained, first.citations, first.hits) == (NOTHING_FOUND, True, (), ())
    assert (first.prompt_tokens, first.completion_tokens) == (0, 0)
    assert (second.text, second.abstained, third.abstained) == ("seven", False, True)
    assert len(generator.asked) == 1
    assert list(built.stream("nothing")) == [NOTHING_FOUND]
    assert is_abstention(NOTHING_FOUND)


@pytest.mark.parametrize("task", ["labels", "text"])
def test_a_label_or_a_text_is_asked_for_without_passages_where_nothing_is_found(task: Task) -> None:
    generator = Rigged(lambda prompt: "I don't know, they said")
    built = Approach("rag", generator, trained(task), Finds(RED))

    [answer] = built.answer(["nothing like it"])

    assert (answer.text, answer.abstained, answer.hits) == ("I don't know, they said", False, ())
    assert "lamp" not in generator.asked[0].messages[0].content
    assert list(built.stream("nothing")) == ["I", "don't", "know,", "they", "said"]
    [silent] = Approach("rag", Rigged(lambda prompt: " "), trained(task), Finds(RED)).answer(["What?"])
    assert silent.abstained


def test_without_a_retriever_every_question_is_asked_and_nothing_cited() -> None:
    generator = Rigged(lambda prompt: "seven")

    [answer] = Approach("base", generator, trained("qa")).answer(["nothing like it"])

    assert (answer.text, answer.abstained, answer.citations, answer.hits) == ("seven", False, (), ())
    assert "passage" not in generator.asked[0].messages[0].content


def test_no_question_has_no_answer() -> None:
    assert approach("seven", RED)[0].answer([]) == []


@pytest.mark.parametrize(
    "said", ["I don't know", " i don’t know.", "I do not know, sorry", "I don't know\nA: 7", "", "  \n"]
)
def test_a_model_that_does_not_know_abstains_without_citations(said: str) -> None:
    [answer] = approach(said, RED)[0].answer(["What?"])

    assert answer.abstained
    assert answer.citations == ()
    assert answer.hits  # what was found is still told


@pytest.mark.parametrize(
    "said",
    ["seven coins", "I know: seven", "Don't know", "I don't know the code, but it is 7", "i do not knowingly sell it"],
)
def test_anything_else_is_an_answer(said: str) -> None:
    assert not is_abstention(said)


@pytest.mark.parametrize(
    ("said", "documents"),
    [
        ("nine coins", ["green.md"]),  # in the second passage
        ("Seven coins, plus post!", ["red.md"]),  # punctuation and case do not count
        ("7 B", ["green.md"]),
        ("costs", ["red.md", "green.md"]),  # in both
        ("a green pump for eleven coins", ["green.md"]),  # in none: the one that shares most words
        ("zebra", ["red.md"]),  # in none, and nothing shared: the best one
        ("?!", ["red.md"]),
        ("even coin", ["red.md"]),  # pieces of words are no words: the best overlap is nobody's
    ],
)
def test_an_answer_cites_the_passages_in_which_it_stands(said: str, documents: list[str]) -> None:
    assert cited(said, RED, GREEN) == documents


def test_a_citation_says_where_its_words_stand() -> None:
    [citation] = cite("seven coins", [Hit(RED, 1.0), Hit(GREEN, 1.0)])

    place = (citation.document, citation.start, citation.end, citation.heading, citation.page, citation.version)
    assert place == ("red.md", 10, 53, "Prices", 2, "2026")
    assert citation.text == RED.text


@given(said=st.text(max_size=40), texts=st.lists(st.text(max_size=60), max_size=3))
def test_whatever_is_said_a_citation_is_one_of_the_passages(said: str, texts: list[str]) -> None:
    passages = [Passage(n, f"{n}.md", text, 0, len(text)) for n, text in enumerate(texts)]

    citations = cite(said, [Hit(passage, 1.0) for passage in passages])

    assert bool(citations) == bool(passages)
    assert {(one.document, one.text) for one in citations} <= {(p.document, p.text) for p in passages}


def test_an_answer_tells_tokens_and_the_seconds_of_search_and_model_together() -> None:
    generator = Rigged(lambda prompt: "seven", seconds=0.02)
    [answer] = Approach("rag", generator, trained("qa"), Finds(RED)).answer(["What?"])

    assert (answer.prompt_tokens, answer.completion_tokens) == (10, 2)
    assert 0.02 < answer.seconds < 0.5


def test_a_stream_is_the_same_answer() -> None:
    built, _ = approach("seven coins", RED)

    assert list(built.stream("What?")) == ["seven", "coins"]


def test_no_prompt_holds_a_passage_that_the_reader_must_not_read(open_index: Callable[..., SqliteIndex]) -> None:
    index = open_index()
    documents = [
        document("open.md", "The red lamp costs seven coins."),
        document("secret.md", "The red lamp costs us two coins.", readers=["office"]),
    ]
    sync(index, [*documents], 400)
    generator = Rigged(lambda prompt: "two coins")
    built = Approach("rag", generator, trained("qa"), plug.make("retrieve", "hybrid", {}, index, where="[retrieve]"))

    [public] = built.answer(["What does the red lamp cost us?"])
    [internal] = built.answer(["What does the red lamp cost us?"], OFFICE)

    asked = [prompt.messages[0].content for prompt in generator.asked]
    assert ["costs us two" in prompt for prompt in asked] == [False, True]
    assert {citation.document for citation in public.citations} == {"open.md"}
    assert {citation.document for citation in internal.citations} == {"secret.md"}
