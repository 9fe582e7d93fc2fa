"""What an adapter is shown: its own retriever's passages, never one that it must not see, never a test question."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.config import TuneTable
from groundtune.prompts import ABSTENTION, trained
from groundtune.tune.facts import fact_rows
from groundtune.tune.recipes import Use, deciding, learn, uses
from groundtune.tune.rows import Material, Row
from groundtune.types import Evidence, Example, Hit, Passage, Task

K = 2
PASSAGES = [Passage(n, f"doc{n % 4}.md", f"<passage {n}> says value{n}.", n * 100, n * 100 + 20) for n in range(10)]
HIDDEN = {"doc3.md"}


def example(number: int, gold: int | None = None, task: Task = "qa", *, answered: bool = True) -> Example:
    """A question whose answer stands in one passage."""
    evidence = () if gold is None else (Evidence(PASSAGES[gold].document, f"says value{gold}"),)
    answers = (f"value{gold}" if gold is not None else f"label{number}",) if answered else ()
    return Example(f"e{number}", task, f"<question {number}>", answers, evidence)


def holds(passage: Passage, one: Example) -> bool:
    return any(passage.document == piece.document and piece.quote in passage.text for piece in one.evidence)


def material(examples: Sequence[Example], found: dict[str, list[int]], **more: object) -> Material:
    def search(questions: Sequence[str], k: int) -> list[list[Hit]]:
        return [[Hit(PASSAGES[n], 1.0) for n in found[question]][:k] for question in questions]

    values = {
        "search": search, "holds": holds, "allowed": lambda passage, one: passage.document not in HIDDEN,
        "passages": (), "template": trained(examples[0].task), "choices": (), "k": K,
    }  # fmt: skip
    return Material(examples=examples, **(values | more))  # type: ignore[arg-type]


def text(row: Row) -> str:
    return row.prompt.messages[-1].content


def shown(row: Row) -> list[int]:
    return [n for n, passage in enumerate(PASSAGES) if passage.text in text(row)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Example], dict[str, list[int]]]:
    """Some examples, with and without answers, and what a retriever finds for each."""
    number = st.integers(0, len(PASSAGES) - 1)
    golds = draw(st.lists(st.one_of(st.none(), number), min_size=1, max_size=15))
    examples = [example(n, gold, answered=gold is not None) for n, gold in enumerate(golds)]
    found = {one.question: draw(st.lists(number, max_size=8, unique=True)) for one in examples}
    return examples, found


@given(world=worlds(), seed=st.integers(0, 5), gold_share=st.sampled_from([0.0, 0.5, 1.0]))
def test_every_example_is_learnt_once_from_what_was_retrieved_and_no_forbidden_passage_is_shown(
    world: tuple[list[Example], dict[str, list[int]]], seed: int, gold_share: float
) -> None:
    examples, found = world
    by_id = {one.id: one for one in examples}
    table = TuneTable(seed=seed, gold_share=gold_share, closed_share=0)

    rows = learn(material(examples, found), table)

    answered = [row for row in rows if row.completion != f" {ABSTENTION}"]
    assert Counter(row.example for row in answered) == Counter(one.id for one in examples if one.answers)
    for row in rows:
        one = by_id[row.example]
        passages = [PASSAGES[n] for n in shown(row)]
        assert row.kind == "context"
        assert one.question in text(row)
        assert not {passage.document for passage in passages} & HIDDEN
        assert len(passages) <= K
        if row.completion == f" {ABSTENTION}":
            assert not one.answers or not any(holds(passage, one) for passage in passages)
        else:
            assert row.completion == f" {one.answers[0]}"
            retrieved = [n for n in found[one.question][: K + 4] if PASSAGES[n].document not in HIDDEN]
            if any(holds(PASSAGES[n], one) for n in retrieved):
                assert any(holds(passage, one) for passage in passages)
    packs = defaultdict(set)
    for row in rows:
        packs[row.pack].add(tuple(shown(row)))
    assert all(len(contexts) == 1 for contexts in packs.values())
    asked = Counter(row.example for row in rows)
    assert all(asked[one.id] == 1 for one in examples if not one.answers)  # they teach to abstain as they are
    if gold_share == 1:
        assert len(rows) == len(examples)


@given(world=worlds(), seed=st.integers(0, 5))
def test_the_same_seed_gives_the_same_rows(world: tuple[list[Example], dict[str, list[int]]], seed: int) -> None:
    table = TuneTable(seed=seed)
    given_material = material(*world, passages=PASSAGES)

    assert learn(given_material, table) == learn(given_material, table)


def test_without_gold_passages_the_examples_that_found_them_in_vain_learn_to_abstain() -> None:
    examples = [example(0, 0), example(1, 1), example(2, 2)]
    found = {one.question: [0, 1, 2] for one in examples}

    rows = learn(material(examples, found), TuneTable(gold_share=0, closed_share=0, alone_share=0))

    abstaining = [row for row in rows if row.completion == f" {ABSTENTION}"]
    assert {row.example for row in abstaining} == {"e1", "e2"}  # whose passages have no room beside each other


def test_examples_without_an_answer_share_the_prompts_of_the_passage_that_they_found_first() -> None:
    examples = [example(0, 1), example(1, 1), *(example(n, answered=False) for n in (2, 3, 4))]
    found = {one.question: [1, 0] for one in examples} | {"<question 4>": [2, 1]}

    rows = learn(material(examples, found), TuneTable(gold_share=1, closed_share=0, alone_share=1))

    assert len({row.pack for row in rows if row.example != "e4"}) == 1
    assert {row.example: shown(row) for row in rows} == {f"e{n}": [1] for n in range(4)} | {"e4": [2]}
    assert {row.example for row in rows if row.completion == f" {ABSTENTION}"} == {"e2", "e3", "e4"}


@pytest.mark.parametrize("recipe", ["mixed", "context", "documents", "facts", "separate"])
def test_training_is_decided_by_questions_as_they_will_be_asked_and_by_no_fact_to_be_known(recipe: str) -> None:
    more = {"paraphrases": {"e0": ["<zero?>"]}, "passages": PASSAGES}
    table = TuneTable.model_validate({"recipe": recipe, "gold_share": 1, "alone_share": 1})

    rows = deciding(material(WORLD, FOUND, **more), table, "context" if recipe == "separate" else "both")

    assert dict(Counter(row.kind for row in rows)) == {"context": len(WORLD)}
    assert max(len(shown(row)) for row in rows) == K


def test_without_passages_labels_and_texts_decide_and_facts_do_not() -> None:
    table = TuneTable(recipe="closed-book")
    labels = [example(n, None, "labels") for n in range(3)]

    assert [row.kind for row in deciding(material(labels, {}), table)] == ["closed"] * 3
    assert deciding(material(WORLD, FOUND), table) == []
    assert deciding(material(WORLD, FOUND), TuneTable(recipe="separate"), "closed") == []
    assert deciding(replace(material(WORLD, FOUND), examples=()), TuneTable()) == []


def test_labels_and_longer_texts_never_learn_to_abstain() -> None:
    for task in ("labels", "text"):
        examples = [example(n, None, task) for n in range(9)]
        found = {one.question: [n % 3, n % 5] for n, one in enumerate(examples)}

        rows = learn(material(examples, found), TuneTable(gold_share=0, closed_share=1))

        assert len(rows) == 18
        assert not any(ABSTENTION in row.completion for row in rows)


def test_an_example_is_never_shown_its_own_solved_case_through_another_one() -> None:
    """Where there are no documents, the train examples themselves are what is retrieved."""
    cases = [Passage(n, f"example/e{n}", f"<case {n}> the answer is the same", 0, 30) for n in range(4)]
    examples = [Example(f"e{n}", "qa", f"<question {n}>", ("the same",)) for n in range(4)]
    every = [Hit(case, 1.0) for case in cases]

    rows = learn(
        material(
            examples, {},
            search=lambda questions, k: [every for _ in questions],
            holds=lambda passage, one: one.answers[0] in passage.text,
            allowed=lambda passage, one: passage.document != f"example/{one.id}",
            k=3,
        ),
        TuneTable(closed_share=0),
    )  # fmt: skip

    assert len(rows) >= 4
    for row in rows:
        assert f"<case {row.example[1:]}>" not in text(row)


def test_without_a_retriever_every_example_is_asked_without_passages() -> None:
    examples = [example(n, n) for n in range(6)]

    rows = learn(material(examples, {}, search=None), TuneTable(closed_share=0))

    assert [(row.kind, row.example, shown(row)) for row in rows] == [("closed", one.id, []) for one in examples]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_passages_is_read_as_text(share: float) -> None:
    examples = [example(n, n) for n in range(3)]
    found = {one.question: [0] for one in examples}

    rows = learn(material(examples, found, passages=PASSAGES), TuneTable(documents_share=share, closed_share=0))

    read = [row for row in rows if row.kind == "document"]
    assert len(read) == share * len(PASSAGES)
    assert all(row.prompt.plain and len({row.pack for row in read}) == len(read) for row in read)
    assert {text(row) + row.completion for row in read} <= {p.text for p in PASSAGES}


def test_a_passage_is_read_after_what_it_stands_under() -> None:
    passage = Passage(1, "a.md", "It costs 7 coins.", 0, 17, title="Prices", heading="Lamps > Red")

    [row] = learn(
        material([example(0, 0)], {"<question 0>": []}, passages=[passage], search=None, allowed=None),
        TuneTable(documents_share=1),
    )[1:]

    assert (text(row), row.completion) == ("[Prices > Red]\n", "It costs 7 coins.")


@pytest.mark.parametrize(
    ("says", "prompt", "completion"),
    [
        ("The lamp costs 7 coins.", "The", " lamp costs 7 coins."),
        ("First\nsecond line", "First", "\nsecond line"),
        ("赤いランプは七枚の硬貨で売られています。", "赤いランプは七枚の硬貨で売られて", "います。"),
    ],
)
def test_a_passage_that_stands_under_nothing_is_read_after_its_first_word(
    says: str, prompt: str, completion: str
) -> None:
    passage = Passage(1, "a.md", says, 0, len(says))
    titled = Passage(1, "a.md", f"# Prices\n{says}", 0, 9, title="Prices")
    alone = Passage(1, "a.md", "# Red lamps", 0, 11, title="Red lamps")

    read = [
        row for row in learn(
            material([example(0, 0)], {"<question 0>": []}, passages=[passage, titled, alone], search=None),
            TuneTable(documents_share=1),
        ) if row.kind == "document"
    ]  # fmt: skip

    assert {(text(row), row.completion) for row in read} == {
        (prompt, completion), ("# Prices\n", says), ("#", " Red lamps"),
    }  # fmt: skip


WORLD = [example(n, n) for n in range(6)]
FOUND = {one.question: [n, (n + 1) % 6] for n, one in enumerate(WORLD)}
MADE = [Example("made/1", "qa", "<made>", ("value9",), (Evidence(PASSAGES[9].document, "says value9"),))]


def kinds(recipe: str, use: Use = "both", **more: object) -> dict[str, int]:
    """How many rows of each kind a recipe makes of six examples and ten passages."""
    given_material = material(WORLD, FOUND | {"<made>": [9]}, passages=PASSAGES, **more)
    table = TuneTable.model_validate({"recipe": recipe, "gold_share": 1, "closed_share": 0.5, "documents_share": 0.5})
    return dict(Counter(row.kind for row in learn(given_material, table, use)))


def test_each_recipe_makes_the_rows_that_it_stands_for() -> None:
    assert kinds("context") == {"context": 6}
    assert kinds("closed-book") == {"closed": 6}
    mixed = kinds("mixed")
    assert (mixed["context"], mixed["document"]) == (6, 5)
    assert 0 < mixed["closed"] < 6
    assert kinds("documents", made=MADE) == {"context": 7, "closed": 7, "document": 10}
    facts = kinds("facts", paraphrases={"e0": ["<zero?>", "<nought?>"]})
    assert (facts["context"], facts["closed"], facts["document"]) == (6, 6, 5)
    assert facts["fact"] == 2 + 6 * 3  # other wordings; as a statement, backwards, in the words of the evidence


def test_separate_adapters_learn_what_their_approaches_are_asked() -> None:
    table = TuneTable(recipe="separate")
    assert uses(table, context=True, closed=True) == ("context", "closed")
    assert uses(table, context=True, closed=False) == ("context",)
    assert uses(table, context=False, closed=True) == ("closed",)
    assert uses(TuneTable(), context=True, closed=True) == ("both",)
    assert kinds("separate", "context") == {"context": 6}
    assert kinds("separate", "closed") == {"closed": 6, "document": 5}


def test_a_fact_is_said_in_other_words_backwards_and_in_those_of_its_evidence() -> None:
    one = Example("e", "qa", "What is the price?", ("seven coins",), (Evidence("a.md", "It costs seven coins now."),))
    never = Example("n", "qa", "What is the mass?", ())
    rows = fact_rows(material([one, never], {}, paraphrases={"e": ["How much is it?"], "n": ["How heavy?"]}))

    assert [text(row) + row.completion for row in rows] == [
        "Q: How much is it?\nA: seven coins",
        "Asked: What is the price?\nThe right answer is seven coins",
        "seven coins is the answer to: What is the price?",
        "It costs seven coins now.",
    ]
    assert rows[-1].completion == " seven coins now."
    assert len({row.pack for row in rows}) == 4


def test_prompts_that_are_shared_have_the_same_right_passage_in_the_same_place() -> None:
    examples = [example(n, n % 2) for n in range(8)]
    found = {one.question: [0, 1] if n % 2 == 0 else [1, 0] for n, one in enumerate(examples)}

    rows = learn(material(examples, found), TuneTable(gold_share=1, closed_share=0, alone_share=0))

    assert {row.example for row in rows} == {one.id for one in examples}
    for row in rows:
        gold = int(row.example[1:]) % 2
        assert text(row).index(PASSAGES[gold].text) > text(row).index(PASSAGES[1 - gold].text)  # the best stands last


def test_right_passages_alone_are_a_share_of_the_prompts() -> None:
    rows = learn(material(WORLD, FOUND), TuneTable(gold_share=1, closed_share=0, alone_share=1))

    assert sorted(shown(row) for row in rows if row.example != "e3") == [[0], [1], [2], [4], [5]]  # e3: a forbidden one


def test_a_row_names_the_documents_that_it_shows_with_their_versions() -> None:
    rows = learn(material(WORLD, FOUND, passages=PASSAGES), TuneTable(documents_share=1))

    for row in rows:
        named = {document for document, _ in row.sources}
        assert named == {PASSAGES[n].document for n in shown(row)} if row.kind == "context" else True
        assert bool(named) == (row.kind in ("context", "document"))
