"""`--seeds`: several trainings on a small folder and a tiny real model; each is asked, and all are in the verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundtune import cli, stages
from groundtune.config import load
from groundtune.errors import UserError
from groundtune.models.hf.backend import HFBackend
from groundtune.project import Project
from groundtune.types import Json
from groundtune.workspace import read_jsonl
from tests import tiny as small
from tests.said import Said
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME


def groundtune(*arguments: object) -> Json:
    """What a verb prints with --json."""
    done = CliRunner().invoke(cli.app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    told: Json = json.loads(done.stdout)
    return told


def times(root: Path, names: Sequence[str]) -> list[int]:
    return [(root / name).stat().st_mtime_ns for name in names]


@pytest.fixture(scope="module")
def done(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json, Json, list[int]]:
    """A project that ran with one training, then with two: its config, both verdicts, when the first's files were."""
    config = small.project(tmp_path_factory.mktemp("seeds") / "shop", tiny)
    once = groundtune("run", "-c", config)
    before = times(config.parent / ".groundtune", first_files(config))
    return config, once, groundtune("run", "-c", config, "--seeds", 2), before


def first_files(config: Path) -> list[str]:
    """What belongs to the first training alone."""
    root = config.parent / ".groundtune"
    adapters = sorted(path for path in root.glob("adapters/*/adapter_model.safetensors"))
    oldest = min(adapters, key=lambda path: path.stat().st_mtime_ns)
    names = ("records/tuned.jsonl", "records/hybrid.jsonl", "done/measure-tuned.json", "done/calibration-tuned.json")
    return [oldest.relative_to(root).as_posix(), *names]


def test_each_training_is_asked_and_kept_and_the_verdict_tells_of_all(done: tuple[Path, Json, Json, list[int]]) -> None:
    config, once, twice, _ = done
    root = config.parent / ".groundtune"
    first, second = (
        [row["answer"]["text"] for row in read_jsonl(root / f"records/tuned{end}.jsonl")] for end in ("", ".seed-2")
    )
    assert len(first) == len(second) == 12
    assert first != second
    assert not (root / "records" / "rag.seed-2.jsonl").exists()
    for stage in ("measure", "calibration"):
        assert (root / "done" / f"{stage}-hybrid.seed-2.json").exists()
    for name in ("tuned", "hybrid"):
        one = twice["approaches"][name]
        assert (one["trainings"], len(one["training_means"])) == (2, 2)
        assert one["quality"]["mean"] == pytest.approx(sum(one["training_means"]) / 2)
        assert one["training_spread"] is not None
        assert one["training_means"][0] == once["approaches"][name]["quality"]["mean"]
        for key in ("latency_ms", "peak_memory_mb", "tokens_per_question", "train_seconds"):
            assert one[key] == once["approaches"][name][key]  # of the first training, which was not asked again
    assert twice["approaches"]["rag"] == once["approaches"]["rag"]
    assert twice["run"] != once["run"]


def test_more_seeds_leave_the_first_training_and_its_answers_as_they_are(
    done: tuple[Path, Json, Json, list[int]],
) -> None:
    config, _, _, before = done
    assert times(config.parent / ".groundtune", first_files(config)) == before


def test_the_reports_tell_every_training_and_which_number_of_seeds_it_was(
    done: tuple[Path, Json, Json, list[int]],
) -> None:
    config, _, _, _ = done
    root = config.parent / ".groundtune"
    for page in ("report.html", "report.md"):
        assert "tuned and hybrid were trained 2 times, each time from another seed" in (root / page).read_text()
    assert "# --seeds 2 took the place of [tune] seeds" in (root / "report.html").read_text()


def test_fewer_seeds_decide_on_the_first_training_again_and_do_no_work(
    done: tuple[Path, Json, Json, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, once, _, _ = done
    monkeypatch.setattr(HFBackend, "using", lambda *_: pytest.fail("the model was needed"))
    monkeypatch.setattr(HFBackend, "fresh", lambda *_: pytest.fail("the model was needed"))

    again = groundtune("run", "-c", config)

    assert again["run"] == once["run"]
    assert again["approaches"] == once["approaches"]
    assert groundtune("report", "-c", config, "--seeds", 2)["approaches"]["tuned"]["trainings"] == 2
    assert groundtune("plan", "-c", config, "--seeds", 2)["training"]["trainings"] == 0


def test_what_is_asked_for_but_not_trained_is_not_decided_on(done: tuple[Path, Json, Json, list[int]]) -> None:
    config = load(done[0])
    more = config.model_copy(update={"tune": config.tune.model_copy(update={"seeds": 3})})
    with pytest.raises(UserError, match="tuned, training 3, is not measured yet"):
        stages.decide_stage(Project(more, Said()))
    with pytest.raises(UserError, match="tuned has 2 of 3 trainings"):
        stages.approach(Project(config, Said()), "tuned", 2)


def test_a_training_whose_measuring_was_killed_goes_on_where_it_stopped(
    done: tuple[Path, Json, Json, list[int]], tmp_path: Path
) -> None:
    config = shutil.copytree(done[0].parent, tmp_path / "shop") / "groundtune.toml"
    groundtune("run", "-c", config, "--seeds", 2)  # the examples lie in another place now, which is looked at once
    root = config.parent / ".groundtune"
    records = root / "records" / "tuned.seed-2.jsonl"
    lines = records.read_text().splitlines(keepends=True)
    records.write_text("".join(lines[:5]) + lines[5][:40])
    (root / "done" / "measure-tuned.seed-2.json").unlink()

    groundtune("run", "-c", config, "--seeds", 2)

    after = records.read_text().splitlines(keepends=True)
    assert len(after) == 12
    assert after[:5] == lines[:5]  # the seconds, too: they were not asked again
    assert [json.loads(line)["answer"]["text"] for line in after] == [
        json.loads(line)["answer"]["text"] for line in lines
    ]


def test_the_plan_says_how_many_trainings_there_are_to_do(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)

    assert groundtune("plan", "-c", config, "--seeds", 3)["training"]["trainings"] == 3
    assert not list((config.parent / ".groundtune").glob("adapters/*"))


@pytest.mark.parametrize("seeds", ["0", "21", "two"])
def test_a_number_of_seeds_that_cannot_be_is_refused(seeds: str) -> None:
    done = CliRunner().invoke(cli.app, ["run", "--seeds", seeds])
    assert done.exit_code == 2
    assert "--seeds" in done.output
