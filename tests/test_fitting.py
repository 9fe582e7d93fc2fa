"""Retrieval is fitted to the train questions: the fusion weight and, where it is better, the embedder."""

import json
from pathlib import Path

import numpy as np
import pytest

from groundtune import stages
from groundtune.config import load
from groundtune.models import load_embedder, trainable_embedder
from groundtune.project import Project
from groundtune.workspace import read_json
from tests import tiny as small
from tests.said import Said
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "ledge"]


def opened(config: Path) -> tuple[Project, Said]:
    said = Said()
    return Project(load(config), said), said


def shop(folder: Path, tiny: Tiny, more: str = "") -> Path:
    """A hundred documents with a question about each."""
    config = small.project(folder, tiny, "echo", more)
    rows = []
    for number in range(100):
        name = f"{WORDS[number % 12]} {WORDS[number // 12]}"
        (folder / "docs" / f"{number}.md").write_text(f"The {name} costs {number} coins.\n")
        evidence = [{"document": f"{number}.md", "quote": f"costs {number} coins"}]
        rows.append({"question": f"What is the price of {name}?", "answers": [f"{number} coins"], "evidence": evidence})
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return config


def test_the_fusion_weight_is_chosen_on_train_questions_and_used(tiny: Tiny, tmp_path: Path) -> None:
    config = shop(tmp_path / "shop", tiny)
    project, said = opened(config)
    assert project.retriever.search(["amber birch"], 1) is not None  # made before anything is fitted
    stages.prepare(project)
    weight = read_json(config.parent / ".groundtune" / "done" / "retrieval.json")["result"]["weight"]
    assert 0 <= weight <= 1
    assert f"fusion weight: {weight:g} for vectors" in said.sentences
    again, said = opened(config)
    stages.prepare(again)
    assert not [sentence for sentence in said.sentences if "weight" in sentence]


def test_the_chosen_weight_is_the_retrievers(tiny: Tiny, tmp_path: Path) -> None:
    config = shop(tmp_path / "shop", tiny)
    project, _ = opened(config)
    stages.prepare(project)
    for weight, part in ((0.0, "words"), (1.0, "vectors")):
        project.workspace.finish("retrieval", "by hand", {"weight": weight})
        project.forget_retriever()
        (hits,) = project.retriever.search(["What is the price of amber birch?"], 9)
        order = [hit.parts[part] for hit in hits]
        assert order == sorted(order, reverse=True)
        assert len(set(order)) > 1


def test_a_weight_in_the_config_is_not_chosen(tiny: Tiny, tmp_path: Path) -> None:
    config = shop(tmp_path / "shop", tiny, '[retrieve]\nkind = "hybrid"\nweight = 0.25\n')
    project, said = opened(config)
    stages.prepare(project)
    assert not [sentence for sentence in said.sentences if "fusion" in sentence]


def test_few_questions_leave_the_default(tiny: Tiny, tmp_path: Path) -> None:
    config = shop(tmp_path / "shop", tiny)
    file = config.parent / "questions.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:12]))
    project, _ = opened(config)
    stages.prepare(project)
    assert project.workspace.last("retrieval") == {}


@pytest.mark.slow
def test_tuning_the_embedder_says_what_it_came_to_and_keeps_it_only_where_it_is_better(
    tiny: Tiny, tmp_path: Path
) -> None:
    config = shop(tmp_path / "shop", tiny)
    config.write_text(config.read_text().replace("[embedder]\n", "[embedder]\ntune = true\nminutes = 0.2\n"))
    project, said = opened(config)
    stages.prepare(project)
    (sentence,) = [sentence for sentence in said.sentences if sentence.startswith("embedder tuned in")]
    assert "held-out train questions" in sentence
    result = project.workspace.last("retrieval")
    folders = list((config.parent / ".groundtune" / "embedders").glob("*"))
    assert (sentence.endswith("it is kept"), [folder.name for folder in folders]) == (
        ("queries" in result), [result["queries"]] if "queries" in result else []
    )  # fmt: skip


def test_a_tuned_embedder_changes_the_side_of_the_queries_alone(tiny: Tiny, tmp_path: Path) -> None:
    config = shop(tmp_path / "shop", tiny)
    config.write_text(config.read_text().replace("[embedder]\n", "[embedder]\ntune = true\n"))
    project, _ = opened(config)
    plain = load_embedder(project.config.embedder)
    tuned = trainable_embedder(project.config.embedder)
    for parameter in tuned.module.parameters():
        parameter.data += 0.05
    tuned.save(project.workspace.embedder("tuned"))
    project.workspace.finish("retrieval", "whatever", {"queries": "tuned"})

    embedder = project.index.embedder

    assert embedder.name == plain.name
    texts = ["What is the price?", "The amber birch costs 3 coins."]
    np.testing.assert_array_equal(embedder.embed(texts), plain.embed(texts))
    assert np.abs(embedder.embed_queries(texts) - plain.embed_queries(texts)).max() > 0.01
    assert np.linalg.norm(embedder.embed_queries(texts), axis=1) == pytest.approx([1, 1])
    ids, mask = (
        tuned.tokenizer(texts, padding=True, return_tensors="pt")[name] for name in ("input_ids", "attention_mask")
    )
    np.testing.assert_allclose(embedder.embed_queries(texts), tuned.module(ids, mask).detach().numpy(), atol=1e-4)


def test_what_tuning_does_not_read_is_said_before_it_begins(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    page = config.parent / "docs" / "red-lamp.md"
    page.write_text("---\nreaders: [staff]\n---\n" + page.read_text())
    project, said = opened(config)
    stages.prepare(project)
    stages.tune_stage(project, plan_only=True)
    (sentence,) = [sentence for sentence in said.sentences if sentence.startswith("kept out of tuning")]
    trained = [json.loads(line) for line in project.workspace.train.read_text().splitlines()]
    about = sum(row["evidence"][0]["document"] == "red-lamp.md" for row in trained)
    assert f"1 documents that not everyone may read and {about} examples about them" in sentence
    config.write_text(config.read_text().replace("[tune]\n", '[tune]\nreaders = ["staff"]\n'))
    project, said = opened(config)
    stages.tune_stage(project, plan_only=True)
    assert not [sentence for sentence in said.sentences if sentence.startswith("kept out of tuning")]


def test_learning_rates_that_nothing_can_choose_between_are_said_and_the_usual_one_trains(
    tiny: Tiny, tmp_path: Path
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    config.write_text(config.read_text() + "try_rates = [1e-4, 2e-4]\n")
    project, said = opened(config)
    stages.prepare(project)

    stages.tune_stage(project, plan_only=True)

    assert (
        "[tune] try_rates: too few train examples, or groups of them, to keep 16 from tuning; rate = 0.001 is used"
        in said
    )
