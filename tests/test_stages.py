"""The whole line on a small folder and tiny real models: what it makes, what it does again, what a kill costs."""

import json
import os
import shutil
import signal
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundtune import cli, stages
from groundtune.config import load
from groundtune.errors import UserError
from groundtune.models.hf.backend import HFBackend
from groundtune.project import Project
from groundtune.stages.data import test_examples as held_out
from groundtune.stages.data import train_examples
from groundtune.stages.synthesis import made_examples
from groundtune.stages.tuning import _material, tune_inputs, tuning_reader
from groundtune.tune.recipes import learn
from groundtune.types import Json
from groundtune.workspace import read_jsonl
from tests import tiny as small
from tests.processes import send, start, wait
from tests.rigged import Rigged
from tests.said import Said
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

BASE = '[approaches.base]\ngenerator = "base"\n[approaches.rag]\ngenerator = "base"\nretriever = true\n'
FOUR = ["base", "rag", "tuned", "hybrid"]


def opened(config: Path) -> Project:
    return Project(load(config), Said(), config.read_text())


def run(config: Path) -> Json:
    return stages.run(opened(config))


def said(project: Project) -> Said:
    assert isinstance(project.progress, Said)
    return project.progress


def snapshot(config: Path) -> dict[str, int]:
    root = config.parent / ".groundtune"
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in files}


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture(scope="module")
def done(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run. Tests copy it, or leave it as it is."""
    config = small.project(tmp_path_factory.mktemp("done") / "shop", tiny)
    run(config)
    return config


@pytest.fixture
def mine(done: Path, tmp_path: Path) -> Path:
    """A project of the test's own that has run."""
    config = shutil.copytree(done.parent, tmp_path / "shop") / "groundtune.toml"
    run(config)  # the examples lie in another place now, which is looked at once
    return config


def test_four_approaches_answer_the_same_held_out_questions_and_end_in_a_verdict(done: Path) -> None:
    root = done.parent / ".groundtune"
    verdict = json.loads((root / "verdict.json").read_text())

    assert set(verdict) == {
        "question", "task", "approaches", "comparisons", "recommended", "probability_best", "undecided",
        "examples_needed", "reasons", "flips", "run", "confidence", "leader", "unsettled", "forgetting",
        "unsettled_by_tuning",
    }  # fmt: skip
    assert verdict["question"] == "knowledge"
    assert list(verdict["approaches"]) == FOUR
    for name, one in verdict["approaches"].items():
        assert set(one) == {
            "quality", "metrics", "latency_ms", "cost_per_1000", "train_seconds", "update_seconds", "peak_memory_mb",
            "tokens_per_question", "trainings", "training_means", "training_spread",
        }  # fmt: skip
        assert one["trainings"] == (name in ("tuned", "hybrid"))
        assert set(one["quality"]) == {"metric", "mean", "low", "high", "n"}
        assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p95"]
        assert (one["train_seconds"] > 0) == (name in ("tuned", "hybrid"))
        assert one["peak_memory_mb"] > 50
    assert {frozenset((row["a"], row["b"])) for row in verdict["comparisons"]} >= {frozenset(("rag", "hybrid"))}
    asked = [[row["example"]["id"] for row in read_jsonl(root / "records" / f"{name}.jsonl")] for name in FOUR]
    assert (
        asked[0] == asked[1] == asked[2] == asked[3] == [row["id"] for row in read_jsonl(root / "examples/test.jsonl")]
    )
    assert verdict["approaches"]["rag"]["metrics"]["recall@5"] > 0.5
    assert "shop" in (root / "report.html").read_text()
    assert (root / "report.md").read_text()


def test_running_again_changes_nothing_and_asks_nobody(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(mine)
    verdict = json.loads((mine.parent / ".groundtune" / "verdict.json").read_text())
    monkeypatch.setattr(HFBackend, "using", lambda *_: pytest.fail("the model was needed"))
    monkeypatch.setattr(HFBackend, "fresh", lambda *_: pytest.fail("the model was needed"))

    again = run(mine)

    assert again == verdict
    # The index says up to when it is in step; its words are as they were.
    assert changed(before, snapshot(mine)) <= {
        "verdict.json", "report.md", "report.html", "done/sync.json", "index/index.sqlite",
    }  # fmt: skip


def test_a_changed_document_makes_anew_what_rests_on_it_and_nothing_else(mine: Path) -> None:
    before = snapshot(mine)
    (mine.parent / "docs" / "red-lamp.md").write_text("# The red lamp\n\nThe red lamp costs 11 coins, or 12.\n")

    project = opened(mine)
    stages.run(project)

    assert "0 added, 1 changed, 0 removed" in said(project)
    after = changed(before, snapshot(mine))
    assert after >= {*(f"records/{name}.jsonl" for name in FOUR), "done/tune.json", "done/prompts.json"}
    assert not after & {"examples/train.jsonl", "examples/test.jsonl", "done/split.json"}


def test_another_budget_trains_again_and_leaves_the_base_alone(mine: Path) -> None:
    before = snapshot(mine)
    mine.write_text(mine.read_text().replace("epochs = 1", "epochs = 2"))

    run(mine)

    after = changed(before, snapshot(mine))
    assert after >= {"done/tune.json", "records/tuned.jsonl", "records/hybrid.jsonl"}
    assert not after & {"done/prompts.json", "records/base.jsonl", "records/rag.jsonl"}
    assert not [name for name in after if name.startswith("index/words")]


def test_an_adapter_that_was_removed_is_trained_anew(mine: Path) -> None:
    adapters = mine.parent / ".groundtune" / "adapters"
    before = {path.name for path in adapters.iterdir()}
    shutil.rmtree(adapters)

    run(mine)

    assert {path.name for path in adapters.iterdir()} == before


def test_what_decides_is_never_learnt_by_an_adapter_that_is_kept(done: Path) -> None:
    config = load(done)
    seeded = config.model_copy(update={"examples": config.examples.model_copy(update={"seed": 7})})

    assert tune_inputs(Project(seeded)) != tune_inputs(Project(config))


def test_the_model_that_was_trained_is_gone_before_another_one_is_loaded_to_see_what_it_forgot(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.write_text(mine.read_text().replace("epochs = 1", "epochs = 0.5"))
    trained: list[weakref.ref[Any]] = []
    fresh, losses = HFBackend.fresh, HFBackend.losses

    def noted(backend: HFBackend) -> tuple[Any, Any]:
        tokenizer, model = fresh(backend)
        trained.append(weakref.ref(model))
        return tokenizer, model

    def alone(backend: HFBackend, *arguments: Any) -> list[list[float]]:
        found = losses(backend, *arguments)
        assert [model() for model in trained] == [None]
        return found

    monkeypatch.setattr(HFBackend, "fresh", noted)
    monkeypatch.setattr(HFBackend, "losses", alone)

    run(mine)

    assert len(trained) == 1


def test_another_language_of_the_words_makes_anew_all_that_rests_on_what_is_found(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny, "echo")
    run(config)
    before = snapshot(config)
    config.write_text(config.read_text() + '[index]\nlanguage = "german"\n')

    run(config)

    assert changed(before, snapshot(config)) >= {"done/retrieval.json", "done/prompts.json", "records/rag.jsonl"}


def test_another_limit_decides_anew_without_measuring(mine: Path) -> None:
    before = snapshot(mine)
    mine.write_text(mine.read_text() + "[decide]\nmax_p95_ms = 1e-3\n")

    verdict = run(mine)

    assert verdict["recommended"] is None
    assert not {name for name in changed(before, snapshot(mine)) if name.startswith(("records", "adapters"))}


def test_more_examples_are_split_and_measured_anew(mine: Path) -> None:
    before = snapshot(mine)
    more = {"question": "Is there a purple zebra?", "answers": []}
    with (mine.parent / "questions.jsonl").open("a") as file:
        file.write(json.dumps(more) + "\n")

    run(mine)

    assert changed(before, snapshot(mine)) >= {"done/split.json", "examples/train.jsonl"}


@pytest.mark.parametrize("question", ["knowledge", "skill"])
def test_no_test_question_is_trained_on_and_in_skill_no_document_of_one_either(
    tiny: Tiny, tmp_path: Path, question: str
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    text = config.read_text().replace("[examples]", f'[examples]\nquestion = "{question}"')
    config.write_text(text.replace("epochs = 1", "epochs = 1\ndocuments_share = 1"))
    project = opened(config)
    stages.split_stage(project)
    stages.sync_stage(project)
    test = held_out(project)
    documents = {piece.document for one in test for piece in one.evidence}
    texts = [passage.text for passage in project.index.all_passages() if passage.document in documents]

    rows = learn(_material(project, train_examples(project)), project.config.tune)

    shown = [row.prompt.messages[0].content + row.completion for row in rows]
    assert test
    assert texts
    assert not [one.question for one in test if any(one.question in text for text in shown)]
    # The second paragraph names the thing and its price: it stands in no other document.
    seen = [text for text in texts if any(text.split("\n\n")[1] in everything for everything in shown)]
    assert seen == (texts if question == "knowledge" else [])
    assert {row.kind for row in rows} == (
        {"context", "closed", "document"} if question == "knowledge" else {"context", "closed"}
    )


def test_passages_that_not_everyone_may_read_are_never_trained_on_nor_shown(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    secret = "---\nreaders: [office]\n---\n# Margins\n\nThe red lamp costs us only zweiundvierzig coins.\n"
    (tmp_path / "shop" / "docs" / "margins.md").write_text(secret)
    config.write_text(config.read_text().replace("epochs = 1", "epochs = 1\ndocuments_share = 1"))

    run(config)
    project = opened(config)

    rows = learn(_material(project, train_examples(project)), project.config.tune)
    assert not [row for row in rows if "zweiundvierzig" in row.prompt.messages[0].content + row.completion]
    root = config.parent / ".groundtune"
    made = [*root.glob("records/*"), *root.glob("done/*"), *root.glob("report.*"), root / "verdict.json"]
    assert len(made) > 8
    assert not [path for path in made if "zweiundvierzig" in path.read_text()]


def test_separate_recipes_train_an_adapter_for_each_use_and_several_seeds_one_for_each_of_them(
    tiny: Tiny, tmp_path: Path
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(config.read_text().replace("epochs = 1", 'epochs = 0.2\nrecipe = "separate"\nseeds = 2'))
    project = opened(config)
    stages.prepare(project)

    done = stages.tune_stage(project)

    assert done is not None
    adapters = {use: [one["adapter"] for one in trainings] for use, trainings in done["adapters"].items()}
    assert {use: len(names) for use, names in adapters.items()} == {"context": 2, "closed": 2}
    assert len({name for names in adapters.values() for name in names}) == 4
    for use, name in (("context", "hybrid"), ("closed", "tuned")):
        for training in (0, 1):
            built = stages.approach(project, name, training)
            assert built.generator.name.endswith(adapters[use][training])
    assert "for questions with passages" in said(project)


def test_questions_made_of_the_documents_are_counted_and_kept_for_the_next_time(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(config.read_text().replace("epochs = 1", 'epochs = 0.2\nrecipe = "documents"\nmade_from = 4'))
    project = opened(config)
    stages.prepare(project)

    done = stages.tune_stage(project)

    assert done is not None
    assert "questions made from 4 passages, of" in said(project)
    [row] = read_jsonl(project.workspace.written("made"))
    assert set(row["result"]) == {"examples", "written", "not_in_passage", "not_found_again", "answered_otherwise"}
    assert done["adapters"]["both"][0]["mix"]["document"] == len(project.index.all_passages())


def test_questions_made_of_documents_that_tuning_may_no_longer_read_are_not_learnt(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    secret = "---\nreaders: [office]\n---\n# Margins\n\nThe red lamp costs us only zweiundvierzig coins.\n"
    (tmp_path / "shop" / "docs" / "margins.md").write_text(secret)
    text = config.read_text().replace("epochs = 1", 'epochs = 0.2\nrecipe = "documents"\nmade_from = 4')
    config.write_text(text.replace("epochs = 0.2", 'epochs = 0.2\nreaders = ["office"]'))
    project = opened(config)
    stages.prepare(project)
    made_examples(project, project.index.all_passages(tuning_reader(project)), tuning_reader(project))
    [before] = read_jsonl(project.workspace.written("made"))

    config.write_text(text)
    project = opened(config)
    made_examples(project, project.index.all_passages(tuning_reader(project)), tuning_reader(project))

    [now] = read_jsonl(project.workspace.written("made"))
    assert now["inputs"] != before["inputs"]


class Writes:
    """A model for [writer] that asks for the secret price, or words any question anew; it counts what it is asked."""

    name = "writes"

    def __init__(self) -> None:
        self.model = Rigged(
            lambda prompt: " What does the lamp cost us?\nA: 42 coins" if prompt.plain else "1. Anew?\n2. Otherwise?"
        )

    def generator(self, adapter: Path | None = None) -> Rigged:
        return self.model


def test_questions_about_documents_that_tuning_may_read_are_looked_up_as_it_reads(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    secret = "---\nreaders: [office]\n---\n# Margins\n\nThe red lamp costs us only 42 coins.\n"
    (tmp_path / "shop" / "docs" / "margins.md").write_text(secret)
    config.write_text(config.read_text() + 'recipe = "documents"\nreaders = ["office"]\n[retrieve]\nk = 20\n')
    project = opened(config)
    project.__dict__["writer"] = Writes()
    stages.prepare(project)
    passages = project.index.all_passages(tuning_reader(project))

    made_examples(project, [one for one in passages if one.document == "margins.md"], tuning_reader(project))

    [row] = read_jsonl(project.workspace.written("made"))
    assert (row["result"]["written"], row["result"]["not_found_again"]) == (1, 0)


@pytest.mark.parametrize(
    ("recipe", "left"),
    [
        ("documents", "12 of 12 passages are still to be written from by writes"),
        ("facts", "24 of 24 questions are still to be reworded by writes"),
    ],
)
def test_a_plan_asks_no_writer_and_says_what_is_still_to_be_written(
    tiny: Tiny, tmp_path: Path, recipe: str, left: str
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(config.read_text() + f'recipe = "{recipe}"\n[writer]\nname = "writes"\n')
    project, writes = opened(config), Writes()
    project.__dict__["writer"] = writes
    stages.prepare(project)

    planned = stages.tune_stage(project, plan_only=True)

    assert planned is not None
    assert not writes.model.asked
    assert f"{left}, which this plan does not count" in said(project)
    assert not project.workspace.written({"documents": "made", "facts": "wordings"}[recipe]).exists()

    _material(project, train_examples(project))
    assert writes.model.asked
    again = opened(config)
    again.__dict__["writer"] = Writes()
    stages.tune_stage(again, plan_only=True)
    assert "still to be" not in said(again)


def test_with_no_train_example_that_everyone_may_read_tuning_is_refused_and_the_rest_runs(
    tiny: Tiny, tmp_path: Path
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    for page in (config.parent / "docs").iterdir():
        page.write_text(f"---\nreaders: [office]\n---\n{page.read_text()}")

    with pytest.raises(UserError, match="none of 24 train examples is about documents that tuning may read") as raised:
        run(config)
    assert "[tune] readers" in raised.value.hint

    text = config.read_text()
    config.write_text(text + BASE + '[approaches.cases]\ngenerator = "base"\nretriever = "examples"\n')
    with pytest.raises(UserError, match='retriever = "examples" has nothing to show'):
        run(config)

    config.write_text(text + BASE)
    assert list(run(config)["approaches"]) == ["base", "rag"]


def test_documents_are_no_recipe_where_tuning_may_not_read_those_of_the_test(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    text = config.read_text().replace("[examples]", '[examples]\nquestion = "skill"')
    config.write_text(text.replace("epochs = 1", 'epochs = 1\nrecipe = "documents"'))

    with pytest.raises(UserError, match=r"it needs the task qa, \[\[sources\]\], and \[examples\] question"):
        run(config)


def test_a_skill_is_refused_where_quotes_do_not_say_which_document_they_stand_in(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(config.read_text().replace("[examples]", '[examples]\nquestion = "skill"'))
    questions = load(config).examples.path
    assert questions is not None
    rows = [
        {"user_input": f"Lamp {n}?", "reference": f"{n} coins", "reference_contexts": [f"It costs {n} coins."]}
        for n in range(20)
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))

    with pytest.raises(UserError, match=r"but 20 examples in .* have evidence that does not say in which document"):
        run(config)


@pytest.mark.parametrize("row", [{"text": "lamp {}", "label": "a"}, {"input": "lamp {}", "output": "the {}th"}])
def test_facts_are_no_recipe_for_anything_but_short_answers(tiny: Tiny, tmp_path: Path, row: dict[str, str]) -> None:
    rows = [{key: value.format(n) for key, value in row.items()} for n in range(24)]
    config = alone(tmp_path / "shop", tiny, rows)
    config.write_text(config.read_text() + 'recipe = "facts"\n')

    with pytest.raises(UserError, match='"facts" says short answers in several wordings: it needs the task qa'):
        run(config)


def alone(folder: Path, tiny: Tiny, rows: list[dict[str, Any]], more: str = "", model: str = "") -> Path:
    """A project of examples without documents."""
    folder.mkdir()
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = folder / "groundtune.toml"
    config.write_text(small.settings(tiny, model or None, sources=False) + more)
    return config


def test_labels_without_documents_are_classified_with_solved_cases_to_look_up(tiny: Tiny, tmp_path: Path) -> None:
    labels = ("delivery", "price", "return")
    rows = [
        {"text": f"message {n} about the {labels[n % 3]} of lamp number {n * 7}", "label": labels[n % 3]}
        for n in range(36)
    ]
    config = alone(tmp_path / "shop", tiny, rows)
    project = opened(config)

    verdict = stages.run(project)

    assert (verdict["task"], verdict["question"]) == ("labels", "skill")
    assert list(verdict["approaches"]) == FOUR
    for name in FOUR:
        records = read_jsonl(config.parent / ".groundtune" / "records" / f"{name}.jsonl")
        assert {row["answer"]["text"] for row in records} <= set(labels)
    assert (
        "too few train examples, or groups of them, to keep 16 from tuning: it trains through its whole plan. "
        "With more, some would decide when it ends"
    ) in said(project).sentences


def test_longer_texts_without_documents_run_too(tiny: Tiny, tmp_path: Path) -> None:
    rows = [
        {"input": f"the red lamp number {n}", "output": f"lamp {n} the red one it is, the {n}th"} for n in range(24)
    ]
    config = alone(tmp_path / "shop", tiny, rows, '[approaches.tuned]\ngenerator = "tuned"\n')

    verdict = run(config)

    assert verdict["task"] == "text"
    assert verdict["approaches"]["tuned"]["quality"]["metric"] in ("chrf", "rouge_l")


def test_the_plan_says_how_many_rows_are_too_long_to_be_learnt_whole(tiny: Tiny, tmp_path: Path) -> None:
    rows = [{"input": f"lamp {n} " + "red " * (20 if n % 2 else 1200), "output": f"lamp {n}"} for n in range(24)]
    project = opened(alone(tmp_path / "shop", tiny, rows))
    stages.prepare(project)

    plan = stages.tune_stage(project, plan_only=True)

    assert plan is not None
    assert 0 < plan["cut"] < 24
    assert f"rows longer than 1,024 tokens: {plan['cut']} of " in said(project)


def test_ten_examples_are_enough_to_run(tiny: Tiny, tmp_path: Path) -> None:
    rows = [{"question": f"What is the {n}th colour of {n * 3} lamps?", "answers": [f"colour {n}"]} for n in range(10)]

    verdict = run(alone(tmp_path / "shop", tiny, rows))

    assert [one["quality"]["n"] for one in verdict["approaches"].values()] == [3] * 4


def test_a_model_that_cannot_be_tuned_runs_without_the_tuned_approaches_and_says_so(tiny: Tiny, tmp_path: Path) -> None:
    project = opened(small.project(tmp_path / "shop", tiny, "echo"))

    verdict = stages.run(project)

    assert list(verdict["approaches"]) == ["base", "rag"]
    assert [one for one in said(project).sentences if "cannot be tuned" in one] == [
        "echo cannot be tuned here; left out: hybrid, tuned"
    ]
    assert "left out: hybrid, tuned" in project.workspace.report("html").read_text()


def test_a_model_that_cannot_be_tuned_with_nothing_but_tuned_approaches_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny, "echo", '[approaches.mine]\ngenerator = "tuned"\n')

    with pytest.raises(UserError, match=r"echo cannot be tuned here; left out: mine"):
        run(config)


def test_a_prompt_can_be_named_and_an_unknown_one_lists_them(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny, "echo")
    text = config.read_text()
    config.write_text(text.replace("[prompt]", '[prompt]\nname = "plain-more-shots"'))
    assert list(run(config)["approaches"]) == ["base", "rag"]

    config.write_text(text.replace("[prompt]", '[prompt]\nname = "nicest"'))
    with pytest.raises(UserError, match=r'\[prompt\] name = "nicest" is unknown; one of: auto, chat'):
        run(config)


def test_deciding_before_measuring_is_refused_and_does_no_work(tiny: Tiny, tmp_path: Path) -> None:
    project = opened(small.project(tmp_path / "shop", tiny))

    with pytest.raises(UserError, match="base is not measured yet"):
        stages.decide_stage(project)
    assert not (tmp_path / "shop" / ".groundtune" / "done" / "prompts.json").exists()


# ---------------------------------------------------------------- kills


def command(folder: Path, out: Path, *arguments: str) -> None:
    """The command line in a process of its own; what it prints goes to files."""
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(out / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    sys.argv = ["groundtune", *arguments]
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    cli.main()


def whole_file(name: str) -> Callable[[Path], bool]:
    return lambda root: (root / name).exists()


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "splitting": whole_file("examples/test.jsonl"),
    "indexing": whole_file("index/index.sqlite"),
    "choosing prompts": whole_file("done/leaks.json"),
    "training": lambda root: any(root.glob("adapters/*-checkpoints/step-*")),
    "measuring": whole_file("records/rag.jsonl"),
    "timing": whole_file("done/measure-hybrid.json"),
    "reporting": whole_file("verdict.json"),
}


def long(config: Path) -> Path:
    """Trains for longer, with a checkpoint after every step."""
    config.write_text(config.read_text().replace("epochs = 1", "epochs = 6\ncheckpoint_minutes = 1e-9"))
    return config


def qualities(verdict: Json) -> Json:
    return {name: (one["quality"], one["metrics"]) for name, one in verdict["approaches"].items()}


@pytest.mark.slow
def test_a_run_that_is_killed_at_every_stage_goes_on_and_ends_in_the_same_verdict(tiny: Tiny, tmp_path: Path) -> None:
    config = long(small.project(tmp_path / "shop", tiny))
    expected = run(long(small.project(tmp_path / "whole" / "shop", tiny)))
    root = config.parent / ".groundtune"
    killed = []
    for moment, reached in MOMENTS.items():
        process = start(command, config.parent, tmp_path, "run")
        if wait(process, lambda reached=reached: reached(root)):  # type: ignore[misc]
            send(process, signal.SIGKILL)
            killed.append(moment)
        process.join()
    assert len(killed) >= 5

    verdict = run(config)

    assert qualities(verdict) == qualities(expected)
    assert not [path for path in root.rglob("*") if path.name.endswith("-checkpoints")]
    for name in FOUR:
        ids = [row["example"]["id"] for row in read_jsonl(root / "records" / f"{name}.jsonl")]
        assert len(ids) == len(set(ids)) == 12


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["indexing", "choosing prompts", "training", "measuring"])
def test_ctrl_c_ends_with_one_sentence_and_the_run_goes_on_later(tiny: Tiny, tmp_path: Path, moment: str) -> None:
    config = long(small.project(tmp_path / "shop", tiny))
    process = start(command, config.parent, tmp_path, "run")
    assert wait(process, lambda: MOMENTS[moment](config.parent / ".groundtune"))

    code = send(process, signal.SIGINT)

    stderr = (tmp_path / "stderr").read_text()
    assert code == 130, stderr
    last = stderr.splitlines()[-1]
    assert last == "groundtune: interrupted; run the same command again and it goes on where it stopped"
    assert "Traceback" not in stderr
    assert list(run(config)["approaches"]) == FOUR


# ---------------------------------------------------------------- a full disk


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_stage_is_said_and_the_run_goes_on_with_more_room(
    tiny: Tiny, tmp_path: Path, small_disk: Path
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(f'[workspace]\npath = "{small_disk}/work"\n' + config.read_text())
    filler = small_disk / "filler"
    messages = set()
    for free in range(0, 600_000, 40_000):
        filler.write_bytes(b"")
        room = os.statvfs(small_disk)
        filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - free)))
        try:
            run(config)
        except UserError as error:
            assert error.exit_code == 1
            assert "disk is full" in error.message + error.hint
            messages.add(error.message.split(":")[0])
        else:
            break
    filler.unlink(missing_ok=True)

    assert list(run(config)["approaches"]) == FOUR
    assert len(messages) >= 3, messages


def test_a_test_set_of_ones_own_is_asked_and_nothing_else_is_held_out(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    lines = (config.parent / "questions.jsonl").read_text().splitlines()
    (config.parent / "own.jsonl").write_text("".join(line + "\n" for line in lines[-12:]))
    config.write_text(config.read_text().replace("[examples]\n", '[examples]\ntest_path = "own.jsonl"\n'))
    project = opened(config)
    stages.sync_stage(project)  # its gates find no leak
    assert {example.id for example in held_out(project)} == {f"test/{e.id}" for e in project.loaded.examples[-12:]}
    assert train_examples(project) == list(project.loaded.examples[:-12])
    assert "12 train examples left out: nearly identical" in said(project)
