"""Tuning tiny real models on a small project: what was forgotten is measured once, said, and answered by replay."""

import json
from pathlib import Path

import pytest

from groundtune import stages
from groundtune.config import load
from groundtune.models.hf import HFBackend
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


def test_what_forgets_too_much_is_trained_again_with_replay_and_all_reports_tell_of_both(
    tiny: Tiny, tmp_path: Path
) -> None:
    project, adapters = tuned(tmp_path / "shop", tiny, "rate = 0.02\nforget_most = 0.01\nseeds = 2")

    verdict = stages.run(project)

    first, second = adapters["both"]
    (told,) = verdict["forgetting"]
    at_first = told["without_replay"]
    assert first["mix"]["replay"] == second["mix"]["replay"] > 0
    assert "replay" not in first["without_replay"]["mix"]
    assert first["seconds"] > first["without_replay"]["seconds"]
    assert second["settings"]["minutes"] == first["settings"]["minutes"] < project.config.tune.minutes
    assert told["ratio"] < at_first["ratio"]
    assert told["adapter"] == first["adapter"] != first["without_replay"]["adapter"]
    assert at_first["perplexity_before"] == told["perplexity_before"]
    assert at_first["perplexity_after"] != told["perplexity_after"]
    assert "training again with general text replayed" in project.progress  # type: ignore[operator]
    assert json.loads(project.workspace.verdict.read_text())["forgetting"] == [told]
    for page in (html(verdict, {}, ReportContext()), markdown(verdict, ReportContext()), "\n".join(terminal(verdict))):
        assert "What tuning forgot" in page
        assert f"{told['ratio']:.2f} times as perplexing" in page
        assert f"it was {at_first['ratio']:.2f} times at first" in page


def test_replay_that_keeps_no_more_is_told_and_the_first_adapter_stays(tiny: Tiny, tmp_path: Path) -> None:
    # At such a rate no weight moves: with replay and without, exactly as much is forgotten.
    project, adapters = tuned(tmp_path / "shop", tiny, "rate = 1e-30\nforget_most = 0.5\nseeds = 2")

    first, second = adapters["both"]
    (told,) = forgetting_stage(project)
    in_vain = first["replay_in_vain"]
    assert "replay" not in first["mix"] | second["mix"]
    assert in_vain["mix"]["replay"] > 0
    assert first["seconds"] > in_vain["seconds"]
    assert first["settings"]["minutes"] == second["settings"]["minutes"] == project.config.tune.minutes
    assert (told["adapter"], told["replay_share"], told["without_replay"]) == (first["adapter"], 0, None)
    assert told["replay_in_vain"]["ratio"] == told["ratio"]
    assert "with replay: 1.00 times as perplexing, no less than without: the first adapter stays" in project.progress  # type: ignore[operator]


def test_what_is_measured_is_not_measured_again_and_another_limit_trains_nothing_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, adapters = tuned(tmp_path / "shop", tiny, "forget_most = 1000")
    told = forgetting_stage(project)
    config = tmp_path / "shop" / "groundtune.toml"
    config.write_text(config.read_text().replace("forget_most = 1000", "forget_most = 2000"))
    monkeypatch.setattr(HFBackend, "losses", lambda *_: pytest.fail("it was measured again"))
    again = Project(load(config), Said())

    made = stages.tune_stage(again)

    assert made is not None
    assert made["adapters"] == adapters
    assert forgetting_stage(again) == [one | {"most": 2000} for one in told]


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
    assert adapters["both"][0]["without_replay"] is None
    assert "although replay_share = 0" in project.progress  # type: ignore[operator]
