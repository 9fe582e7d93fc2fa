"""Where an adapter comes from: every row that was learnt from is named, and no text of it."""

from pathlib import Path

import pytest

from groundtune import stages
from groundtune.config import load
from groundtune.models.hf.backend import HFBackend
from groundtune.project import Project
from groundtune.prompts import trained
from groundtune.stages.data import train_examples
from groundtune.tune.lineage import LINEAGE, documents_of, keep_lineage
from groundtune.tune.rows import Row
from groundtune.tune.trainer import Trainer
from groundtune.types import Evidence, Example
from groundtune.workspace import read_jsonl
from tests import tiny as small
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME


def test_a_line_names_what_its_row_was_made_of(tmp_path: Path) -> None:
    prompt = trained("qa").prompt("What does it cost?")
    example = Example("q1", "qa", "What does it cost?", ("2 coins",), (Evidence("a.md", "costs 2 coins"),))
    rows = [Row(prompt, " 2 coins", "context", "p", "q1", (("b.md", "v1"),)), Row(prompt, " x", "document", "d")]

    keep_lineage(rows, {"q1": example}, tmp_path / LINEAGE)

    lines = read_jsonl(tmp_path / LINEAGE)
    assert lines == [
        {"kind": "context", "example": "q1", "shown": {"b.md": "v1"}, "evidence": ["a.md"]},
        {"kind": "document", "example": "", "shown": {}, "evidence": []},
    ]
    assert documents_of(lines) == {"a.md", "b.md"}
    assert "coins" not in (tmp_path / LINEAGE).read_text()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_only_rows_of_steps_that_were_done_are_named(tiny: Tiny, tmp_path: Path, steps: int) -> None:
    rows = [Row(trained("qa").prompt(f"How long {n}?"), f" {n}", "closed", f"{n // 2}", f"{n}") for n in range(12)]
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    table = load(small.project(tmp_path / "shop", tiny)).tune.model_copy(update={"batch": 4})
    trainer = Trainer(*backend.fresh(), backend.render, rows, table, tmp_path / "adapter")

    learnt = trainer.learnt(steps)

    assert len(learnt) == 4 * steps
    assert [row for row in rows if row in learnt] == learnt
    assert all((row in learnt) == (rows[int(row.example) ^ 1] in learnt) for row in rows)  # those of a pack together


def test_tuning_leaves_the_lineage_beside_the_adapter(tiny: Tiny, tmp_path: Path) -> None:
    project = Project(load(small.project(tmp_path / "shop", tiny)))
    stages.prepare(project)
    made = stages.tune_stage(project)

    assert made is not None
    (training,) = made["adapters"]["both"]
    lines = read_jsonl(project.workspace.adapter(training["adapter"]) / LINEAGE)
    assert len(lines) == training["plan"]["rows"]
    versions = project.index.versions()
    assert all(versions[name] == version for line in lines for name, version in line["shown"].items())
    assert {line["example"] for line in lines} <= {"", *(example.id for example in train_examples(project))}
    assert all(line["evidence"] for line in lines if line["example"])
