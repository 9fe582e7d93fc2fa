"""One question to a project that has run."""

import json
import shutil
from pathlib import Path

import pytest

from groundtune import stages
from groundtune.asking import Asked, ask
from groundtune.config import load
from groundtune.errors import UserError
from groundtune.project import Project
from groundtune.searching import place
from groundtune.types import Answer, Citation
from tests import tiny as small
from tests.tiny import Tiny

NEAREST = '[approaches.nearest]\ngenerator = "base"\nretriever = "examples"\n'


@pytest.fixture(scope="module")
def done(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on the model without weights, which says the question again."""
    more = "[decide]\nprice_per_hour = 36\n"
    config = small.project(tmp_path_factory.mktemp("asking") / "shop", tiny, "echo", more)
    stages.run(Project(load(config)))
    return config


def test_an_answer_comes_with_its_citations_and_what_it_cost(done: Path) -> None:
    asked = ask(Project(load(done)), "What does the red lamp cost?", "rag")

    told = asked.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["approach"] == "rag"
    assert told["answer"]
    assert told["seconds"] > 0
    assert told["cost"] == pytest.approx(told["seconds"] / 100)
    for citation in told["citations"]:
        text = (done.parent / "docs" / citation["document"]).read_text()
        assert text[citation["start"] : citation["end"]] == citation["text"]
        assert citation["heading"]
    assert told["citations"]


def test_without_a_name_the_recommended_approach_is_asked(done: Path, tmp_path: Path) -> None:
    config = shutil.copytree(done.parent, tmp_path / "shop") / "groundtune.toml"
    path = config.parent / ".groundtune" / "verdict.json"
    verdict = json.loads(path.read_text())
    for recommended in ("base", "rag"):
        path.write_text(json.dumps({**verdict, "recommended": recommended}))
        assert ask(Project(load(config)), "What is red?", None).approach == recommended

    path.write_text(json.dumps({**verdict, "recommended": None}))
    with pytest.raises(UserError, match="no approach is recommended") as caught:
        ask(Project(load(config)), "What is red?", None)
    assert caught.value.hint.startswith("name one of: base, rag, tuned, hybrid (--approach); ")
    with pytest.raises(UserError, match="no approach is recommended") as caught:
        stages.named_or_recommended(Project(load(config)), None, ["tuned", "hybrid"])
    assert "one of: tuned, hybrid (--approach)" in caught.value.hint

    path.unlink()
    with pytest.raises(UserError, match="there is no verdict yet"):
        ask(Project(load(config)), "What is red?", None)


@pytest.mark.parametrize(
    ("question", "approach", "message"),
    [
        (" \n", "rag", "the question is empty"),
        ("What?", "ragg", "'ragg' is unknown; one of: base, rag, tuned, hybrid"),
        ("What?", "hybrid", "hybrid"),
    ],
)
def test_what_cannot_be_asked_is_named(done: Path, question: str, approach: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ask(Project(load(done)), question, approach)


def test_a_project_that_has_not_run_says_so(tiny: Tiny, tmp_path: Path) -> None:
    project = Project(load(small.project(tmp_path / "shop", tiny, "echo")))

    with pytest.raises(UserError, match="rag is not built yet") as caught:
        ask(project, "What?", "rag")
    assert "groundtune run" in caught.value.hint


def test_what_was_measured_answers_though_the_examples_were_edited_since(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny, "echo", NEAREST)
    config.write_text(config.read_text().replace("max_tokens = 6\n", ""))  # so that the train answers say how many
    stages.run(Project(load(config)))
    project = Project(load(config))
    question = stages.data.train_examples(project)[0].question
    before, shown = files(project), stages.approach(project, "nearest").prompts([question], [None])
    examples = config.parent / "questions.jsonl"
    examples.write_text(examples.read_text().replace("coins", "crowns").replace("What does", "How much does"))

    later = Project(load(config))
    answer = ask(later, question, "nearest").answer

    assert files(later) == before
    assert answer.text
    assert stages.approach(later, "nearest").prompts([question], [None]) == shown


def test_cases_that_were_never_indexed_are_not_made_by_asking(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny, "echo", NEAREST)
    stages.run(Project(load(config)))
    Project(load(config)).workspace.begin("cases")  # as a run that is killed while it makes them

    with pytest.raises(UserError, match="train examples are not indexed") as caught:
        ask(Project(load(config)), "What is red?", "nearest")
    assert "groundtune run" in caught.value.hint


def files(project: Project) -> dict[str, bytes]:
    """What the train examples, the split's mark and the case index hold."""
    root = project.workspace.root
    paths = [project.workspace.train, root / "done" / "split.json", root / "done" / "cases.json"]
    paths += [path for path in project.workspace.cases.rglob("*") if path.is_file() and path.stat().st_size]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths) if not path.name.endswith("-shm")}


def test_text_for_a_terminal_shows_places_and_no_control_characters() -> None:
    citation = Citation("a\x1b[2J.md", 3, 9, "It costs\nseven.", "Prices", 2, "a1b2c3d4e5f6", "2026-11-22")
    answer = Answer("seven\x07", citations=(citation,), prompt_tokens=12, completion_tokens=2, seconds=0.5)

    text = Asked("rag", "What?", answer, 0.25).to_text()

    assert text.splitlines() == [
        "seven?",
        "",
        "[1] a?[2J.md, Prices, page 2, characters 3 to 9, version a1b2c3d4 of 2026-11-22",
        "    It costs",
        "    seven.",
        "rag: 0.50 s, 12 tokens read, 2 written, 0.250000 at the prices of [decide]",
    ]
    assert place(Citation("a.md", 0, 5, "x")) == "a.md, characters 0 to 5"


def test_a_long_passage_is_shown_cut_between_words() -> None:
    citation = Citation("a.md", 0, 5, "word " * 200)

    text = Asked("rag", "What?", Answer("word", citations=(citation,)), 0.0).to_text()

    assert "word …" in text
    assert len(text) < 600
