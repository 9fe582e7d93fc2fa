"""Tuning tiny real models on a small project: what was forgotten is measured once, said, and answered by replay."""

import json
from pathlib import Path

import pytest

from groundtune import stages
from groundtune.config import load
from groundtune.models.hf.backend import HFBackend
from groundtune.project import Project
from groundtune.report import ReportContext, html, markdown
from groundtune.report.terminal import terminal
from groundtune.stages.forgetting import _general, forgetting_stage
from groundtune.types import Json
from tests import tiny as small
from tests.said import Said
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME


def tuned(folder: Path, tiny: Tiny, more: str) -> tuple[Project, Json]:
    """A project whose adapters are trained, with more keys in [tune]."""
    config = small.project(folder, tiny)
    config.write_text(config.read_text().replace("epochs = 1", f"epochs = 1\n{more}"))
    project = Project(load(config), Said())
    stages.prepare(project)
    made = stages.tune_stage(project)
    assert made is not None
    return project, made["adapters"]


def test_what_forgets_too_much_replays_general_text_and_all_reports_tell_of_it(tiny: Tiny, tmp_path: Path) -> None:
    project, adapters = tuned(tmp_path / "shop", tiny, "rate = 0.02\nforget_most = 0.01\nseeds = 2")

    verdict = stages.run(project)

    first, second = adapters["both"]
    (told,) = verdict["forgetting"]
    assert 0 < first["replaying"] < first["steps"]
    assert second["replaying"] is not None
    assert told["replayed_from"] == first["replaying"] / first["steps"]
    assert (told["adapter"], told["replay_share"]) == (first["adapter"], 0)
    assert "That is more than [tune] forget_most = 0.01: fewer [tune] epochs" in project.progress  # type: ignore[operator]
    assert json.loads(project.workspace.verdict.read_text())["forgetting"] == [told]
    for page in (html(verdict, {}, ReportContext()), markdown(verdict, ReportContext()), "\n".join(terminal(verdict))):
        assert "What tuning forgot" in page
        assert f"{told['ratio']:.2f} times as perplexing" in page
        assert "so general text was replayed from there" in page


def test_what_is_measured_is_not_measured_again(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, adapters = tuned(tmp_path / "shop", tiny, "forget_most = 1000")
    told = forgetting_stage(project)
    monkeypatch.setattr(HFBackend, "losses", lambda *_: pytest.fail("it was measured again"))
    again = Project(load(tmp_path / "shop" / "groundtune.toml"), Said())

    made = stages.tune_stage(again)

    assert made is not None
    assert made["adapters"] == json.loads(json.dumps(adapters))
    assert forgetting_stage(again) == told


def test_the_base_is_measured_again_where_another_engine_answers(tiny: Tiny, tmp_path: Path) -> None:
    config = load(small.project(tmp_path / "shop", tiny))
    project = Project(config)
    _general(project, None)
    mark = project.workspace.root / "done" / "general-base.json"
    before = json.loads(mark.read_text())["inputs"]
    other = Project(config.model_copy(update={"model": config.model.model_copy(update={"engine": "vllm"})}))
    other.__dict__["backend"] = project.backend  # in vLLM's place, which takes a GPU

    _general(other, None)

    assert json.loads(mark.read_text())["inputs"] != before


def test_a_share_that_the_user_chose_is_kept_to_whatever_is_forgotten(tiny: Tiny, tmp_path: Path) -> None:
    project, adapters = tuned(tmp_path / "shop", tiny, "rate = 0.02\nforget_most = 0.01\nreplay_share = 0")

    assert "replay" not in adapters["both"][0]["mix"]
    assert adapters["both"][0]["replaying"] is None
    assert "forget_most = 0.01: [tune] replay_share = 0.1 keeps more" in project.progress  # type: ignore[operator]
