"""Labels, short answers and longer texts through the whole line, with a model whose confidence is known."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from groundtune import stages
from groundtune.approach import Approach
from groundtune.calibration import Calibration
from groundtune.cases import CASES_CHARS, NearestCases
from groundtune.config import ModelTable, load, parse
from groundtune.errors import UserError
from groundtune.measure.records import measure, read_records
from groundtune.models import load_backend
from groundtune.project import Project
from groundtune.prompts import Template, trained
from groundtune.stages.deciding import tuning_split
from groundtune.types import EVERYONE, Answer, Example, Generator, Hit, Json, Passage, Prompt, Reader
from groundtune.workspace import read_json, read_jsonl
from tests import tiny as small
from tests.rigged import Rigged
from tests.said import Said
from tests.tiny import Tiny

LABELS = [f"intent {number}" for number in range(77)]
UNSURE = "unclear"


@dataclass(frozen=True)
class RiggedBackend:
    """A model that cannot be tuned and says what a test tells it to."""

    say: Callable[[Prompt], str]
    sure: Callable[[Prompt], float | None]
    name: str = "rigged"

    def generator(self, adapter: Path | None = None) -> Generator:
        return Rigged(self.say, sure=self.sure)


def asked(prompt: Prompt) -> str:
    """The question's own line of a prompt, without what stands before it."""
    lines = [line for line in prompt.messages[-1].content.splitlines() if re.match("Text: |Q: |Input: ", line)]
    return lines[-1].partition(": ")[2]


def labels(prompt: Prompt) -> str:
    """Right, but where the text is unclear."""
    wanted = "intent 0" if UNSURE in asked(prompt) else f"intent {asked(prompt).split()[1]}"
    return next(choice for choice in prompt.choices if choice.strip() == wanted)


def sure(prompt: Prompt) -> float:
    """Too sure of everything, and a little less where it is wrong."""
    return 0.9 if UNSURE in asked(prompt) else 0.97


def label_rows(each: int = 8) -> list[Json]:
    """77 labels with texts that tell them and have little else in common; one in four is unclear."""
    rng = random.Random(1)

    def talk() -> str:
        return " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(6))

    return [
        {"text": f"request {n} {UNSURE if i % 4 == 0 else 'surely'} {talk()}", "label": label}
        for n, label in enumerate(LABELS)
        for i in range(each)
    ]


def opened(folder: Path, tiny: Tiny, rows: list[Json], more: str = "", **say: Any) -> Project:
    """A project over these examples with a rigged model, and the retriever over the train examples."""
    folder.mkdir(exist_ok=True)
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "groundtune.toml").write_text(
        f'[model]\nname = "echo"\n[embedder]\nname = "{tiny.bert}"\n[examples]\npath = "questions.jsonl"\n'
        f"allow_leaks = true\n[measure]\nlatency_on = 2\n{more}"
    )
    project = Project(load(folder / "groundtune.toml"), Said())
    project.__dict__["backend"] = RiggedBackend(**say)
    return project


BASE = '[approaches.base]\ngenerator = "base"\n'


def test_with_77_choices_one_of_them_is_always_said_and_unsure_ones_are_withheld(tiny: Tiny, tmp_path: Path) -> None:
    project = opened(tmp_path, tiny, label_rows(), BASE, say=labels, sure=sure)
    before = stages.run(project)["approaches"]["base"]["metrics"]
    records = read_records(project.workspace.records("base"))
    assert {record.answer.text for record in records} <= set(LABELS)
    wrong = [record for record in records if not record.scores["accuracy"]]
    assert all(UNSURE in record.example.question for record in wrong)
    # Calibrated: what is unclear is known to be wrong, although the model was 0.9 sure of it.
    assert all((record.answer.confidence or 0) < 0.5 for record in wrong)
    assert before["ece"] < 0.2
    assert "withheld_rate" not in before

    withholding = opened(tmp_path, tiny, label_rows(), f"{BASE}[prompt]\nabstain_below = 0.5\n", say=labels, sure=sure)
    verdict = stages.run(withholding)

    after = verdict["approaches"]["base"]["metrics"]
    now = read_records(project.workspace.records("base"))
    silent = {record.example.id for record in now if record.answer.withheld}
    assert silent == {record.example.id for record in records if UNSURE in record.example.question}
    assert all(record.answer.abstained and record.answer.unsaid in LABELS for record in now if record.answer.withheld)
    assert after["withheld_rate"] == after["abstention_rate"] == len(silent) / len(now)
    assert after["never_withhold"] == before["accuracy"]
    assert (after["aurc"], after["ece"]) == (before["aurc"], before["ece"])
    assert "never withholding" in project.workspace.report("html").read_text()


def test_what_calibrates_is_neither_learnt_nor_tested_and_is_asked_once(tiny: Tiny, tmp_path: Path) -> None:
    project = opened(tmp_path, tiny, label_rows(), BASE, say=labels, sure=sure)
    stages.run(project)
    mark = project.workspace.root / "done" / "calibration-base.json"
    written, result = mark.stat().st_mtime_ns, read_json(mark)["result"]

    stages.run(opened(tmp_path, tiny, label_rows(), BASE, say=labels, sure=sure))

    assert mark.stat().st_mtime_ns == written
    assert 16 <= result["n"] <= 96
    _, deciding = tuning_split(project, stages.data.train_examples(project))
    tested = {row["question"] for row in read_jsonl(project.workspace.test)}
    assert not tested & {example.question for example in deciding}


def test_what_calibrates_changes_with_whom_tuning_reads_as(tiny: Tiny, tmp_path: Path) -> None:
    """For what tuning may read is split into what it learns from and what calibrates."""
    stages.run(opened(tmp_path, tiny, label_rows(), BASE, say=labels, sure=sure))
    project = opened(tmp_path, tiny, label_rows(), f'{BASE}[tune]\nreaders = ["office"]\n', say=labels, sure=sure)
    stages.prepare(project)
    mark = project.workspace.root / "done" / "calibration-base.json"
    before = read_json(mark)["inputs"]

    stages.calibration.calibration_stage(project, "base")

    assert read_json(mark)["inputs"] != before


def test_a_real_model_too_says_one_of_77_labels_and_nothing_else(tiny: Tiny) -> None:
    generator = load_backend(ModelTable(name=str(tiny.llama), threads=1)).generator()

    for template in (trained("labels"), Template("chat", "labels", plain=False)):
        built = Approach("base", generator, template, max_tokens=2, choices=tuple(LABELS))
        assert {answer.text for answer in built.answer([f"What does the lamp {n} cost?" for n in range(6)])} <= set(
            LABELS
        )


@pytest.mark.parametrize(
    ("rows", "tells", "reason"),
    [
        (label_rows(2)[:100], True, "too few train examples"),
        ([*label_rows(1)[:30], label_rows(2)[59]], True, "too few train examples"),  # in train each label occurs once
        (label_rows(), False, "does not tell how sure it is"),
    ],
)
def test_without_a_calibration_nothing_is_withheld_and_the_run_says_why(
    tiny: Tiny, tmp_path: Path, rows: list[Json], tells: bool, reason: str
) -> None:
    more = f"{BASE}[prompt]\nabstain_below = 0.99\n"
    project = opened(tmp_path, tiny, rows, more, say=labels, sure=sure if tells else lambda prompt: None)

    stages.run(project)

    assert isinstance(project.progress, Said)
    assert reason in project.progress
    assert "so none of its answers is withheld" in project.progress
    assert not any(record.answer.withheld for record in read_records(project.workspace.records("base")))


def test_a_longer_text_is_answered_and_never_withheld(tiny: Tiny, tmp_path: Path) -> None:
    rows = [
        {
            "input": f"Please reverse these words for customer number {n}",
            "output": f"number {n} customer for words these " * 3,
        }
        for n in range(30)
    ]
    more = f"{BASE}[prompt]\nabstain_below = 0.99\n"
    project = opened(tmp_path, tiny, rows, more, say=lambda prompt: f"customer {asked(prompt)}", sure=lambda p: 0.1)

    metrics = stages.run(project)["approaches"]["base"]["metrics"]

    assert metrics["chrf"] > 0.2
    assert metrics["abstention_rate"] == 0
    assert 0 < metrics["aurc"] < 1
    assert "ece" not in metrics


@pytest.mark.parametrize(("given", "kept"), [(100, 0), (110, 16), (200, 20), (309, 20), (1000, 50), (3000, 96)])
def test_a_twentieth_of_train_decides_and_of_few_examples_more(
    tiny: Tiny, tmp_path: Path, given: int, kept: int
) -> None:
    project = opened(tmp_path, tiny, label_rows(2), BASE, say=labels, sure=sure)
    stages.split_stage(project)

    learnt, deciding = tuning_split(project, questions(given))

    assert len(deciding) == kept
    assert len(learnt) == given - kept


@pytest.mark.parametrize(("groups", "kept"), [(2, 0), (3, 0), (5, 60)])
def test_large_groups_decide_where_enough_is_left_to_learn_from(
    tiny: Tiny, tmp_path: Path, groups: int, kept: int
) -> None:
    project = opened(tmp_path, tiny, label_rows(2), BASE, say=labels, sure=sure)
    stages.split_stage(project)
    examples = [replace(one, group=f"group {n % groups}") for n, one in enumerate(questions(60 * groups))]

    learnt, deciding = tuning_split(project, examples)

    assert len(deciding) == kept
    assert len(learnt) == len(examples) - kept


def questions(number: int) -> list[Example]:
    rng = random.Random(1)
    return [Example(f"e{n}", "qa", f"What is {rng.random()}?", ("seven",), group=f"e{n}") for n in range(number)]


@pytest.mark.parametrize(("more", "kept"), [("", 0), ("[prompt]\nabstain_below = 0.5\n", 20)])
def test_short_answers_without_passages_keep_nothing_from_tuning_but_for_withholding(
    tiny: Tiny, tmp_path: Path, more: str, kept: int
) -> None:
    rows = [{"question": example.question, "answers": ["seven"]} for example in questions(40)]
    project = opened(tmp_path, tiny, rows, BASE + more, say=labels, sure=sure)
    stages.split_stage(project)

    assert len(tuning_split(project, questions(200))[1]) == kept


@pytest.mark.parametrize(
    ("long", "more", "said"), [(3, "", True), (3, "[prompt]\nmax_tokens = 900\n", False), (0, "", False)]
)
def test_answers_that_may_be_cut_are_said_before_they_are(
    tiny: Tiny, tmp_path: Path, long: int, more: str, said: bool
) -> None:
    rows = [{"input": f"{n} {chr(97 + n) * 9}", "output": "word " * (300 if n < long else 30)} for n in range(20)]
    project = opened(tmp_path, tiny, rows, BASE + more, say=asked, sure=sure)

    stages.split_stage(project)

    assert isinstance(project.progress, Said)
    assert ("train answers may be longer than 512 tokens" in project.progress) == said


def answers(say: str, task: Any = "qa", confidence: float | None = 0.3, **more: Any) -> Approach:
    return Approach("base", Rigged(lambda p: say, sure=lambda p: confidence), trained(task), **more)


def test_a_reply_is_withheld_below_the_threshold_alone_and_streamed_as_it_is_answered() -> None:
    same = Calibration(1, 0)

    [held] = answers("seven", calibration=same, abstain_below=0.31).answer(["What?"])
    assert (held.text, held.abstained, held.withheld, held.unsaid) == ("I don't know.", True, True, "seven")
    assert held.confidence == pytest.approx(0.3)
    assert list(answers("seven", calibration=same, abstain_below=0.31).stream("What?")) == ["I don't know."]

    for kept in (
        answers("seven", calibration=same, abstain_below=0.29),
        answers("seven", calibration=same),
        answers("seven", abstain_below=0.31),
        answers("seven", calibration=same, abstain_below=0.31, confidence=None),
        answers("seven", "text", calibration=same, abstain_below=0.31),
    ):
        assert [(a.text, a.withheld) for a in kept.answer(["What?"])] == [("seven", False)]
    # What the model does not know by itself is no reply that could be withheld.
    [unknown] = answers("I don't know", calibration=same, abstain_below=0.31).answer(["What?"])
    assert (unknown.abstained, unknown.withheld) == (True, False)


def test_records_keep_what_was_withheld_and_older_ones_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    silent = answers("seven", calibration=Calibration(1, 0), abstain_below=0.5)
    [record] = measure(silent, [Example("e", "qa", "What?", ("seven",))], path, "run")
    assert read_records(path) == [record]
    assert record.answer.unsaid == "seven"

    row = read_jsonl(path)[0]
    for name in ("confidence", "withheld", "unsaid"):
        del row["answer"][name]
    path.write_text(json.dumps(row) + "\n")

    assert read_records(path)[0].answer == Answer("I don't know.", True, (), (), 10, 2, record.answer.seconds)


def nearest(texts: list[str], train: list[Example]) -> NearestCases:
    """Cases whose retriever finds these, by id, for whatever is asked."""

    class Finds:
        def search(self, queries: list[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
            hits = [Hit(Passage(n, f"example/{id}", "", 0, 0), 1.0) for n, id in enumerate(texts)]
            return [hits[:k] for _ in queries]

    return NearestCases(Finds(), train, 3)  # type: ignore[arg-type]


def test_the_nearest_cases_stand_in_the_prompt_the_best_one_last_and_long_ones_do_not_crowd_it() -> None:
    train = [Example(f"e{n}", "labels", f"text {n}", (f"label {n}",)) for n in range(5)]
    long = Example("long", "labels", "x" * CASES_CHARS, ("label 9",))
    generator = Rigged(lambda prompt: "label 1")

    def prompt(*ids: str) -> str:
        built = Approach("rag", generator, trained("labels"), cases=nearest(list(ids), [*train, long]))
        [answer] = built.answer(["new text"])
        assert (answer.citations, answer.hits) == ((), ())
        return generator.asked[-1].messages[0].content

    assert (
        prompt("e1", "e0") == "Text: text 0\nLabel: label 0\n\nText: text 1\nLabel: label 1\n\nText: new text\nLabel:"
    )
    assert prompt("e2", "long", "e0") == "Text: text 2\nLabel: label 2\n\nText: new text\nLabel:"
    assert prompt("gone") == "Text: new text\nLabel:"


def copies(prompt: Prompt) -> str:
    """A model that says what the nearest solved case says."""
    said = re.findall("(?:Label|A): (.+)", prompt.messages[0].content)
    turns = [message.content for message in prompt.messages if message.role == "assistant"]
    answer = [*said, *turns, "nothing"][len([*said, *turns]) - 1]
    return next((choice for choice in prompt.choices if choice.strip() == answer), answer)


CASES = '[approaches.nearest]\ngenerator = "base"\nretriever = "examples"\n'


def test_train_questions_are_asked_without_their_own_case_and_test_questions_with_the_nearest(
    tiny: Tiny, tmp_path: Path
) -> None:
    rows = label_rows()
    rows += [{"text": row["text"], "label": "intent 0"} for row in rows[:60]]  # the same text once more
    seen: list[Prompt] = []

    def keeps(prompt: Prompt) -> str:
        seen.append(prompt)
        return copies(prompt)

    project = opened(tmp_path, tiny, rows, f"[retrieve]\ncases = 4\n{CASES}", say=keeps, sure=lambda p: 0.5)
    stages.prepare(project)
    stages.prompts_stage(project)
    stages.calibration.calibration_stage(project, "nearest")
    assert seen
    for prompt in seen:
        text = "\n".join(message.content for message in prompt.messages)
        assert text.count(asked(prompt)) == 1
        assert text.count("Text: ") == 5

    built = stages.approach(project, "nearest")
    example = stages.data.train_examples(project)[0]
    built.answer([example.question])
    text = "\n".join(message.content for message in seen[-1].messages)
    assert text.count(example.question) >= 2  # it may be found now


def test_with_documents_the_cases_have_an_index_of_their_own_that_is_made_once(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny, "echo", CASES)
    project = Project(load(config), Said())
    verdict = stages.run(project)
    metrics = verdict["approaches"]["nearest"]
    assert not any(name.startswith(("recall", "cited")) for name in metrics["metrics"])
    assert metrics["update_seconds"] is None  # a changed document changes nothing here
    made = (project.workspace.root / "done" / "cases.json").stat().st_mtime_ns
    train = stages.data.train_examples(project)

    again = Project(load(config), Said())
    stages.run(again)
    [shots] = stages.approach(again, "nearest").cases.shots([train[0].question])  # type: ignore[union-attr]

    assert (project.workspace.root / "done" / "cases.json").stat().st_mtime_ns == made
    assert shots[-1].question == train[0].question
    assert len(shots) == 8
    assert {shot.question for shot in shots} <= {example.question for example in train}


def test_a_tuned_model_is_not_asked_with_cases() -> None:
    with pytest.raises(UserError, match=r'\[approaches.x\] retriever = "examples" is for generator = "base"'):
        parse({"approaches": {"x": {"generator": "tuned", "retriever": "examples"}}}, Path("groundtune.toml"))
