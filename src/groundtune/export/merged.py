"""The model with its adapter merged into it, as a Hugging Face folder: the very weights that were measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.models.hf.backend import HFBackend

SENTENCEPIECE = "tokenizer.model"  # of older models; transformers does not save it again, llama.cpp reads it


def write_merged(backend: HFBackend, adapter: Path, target: Path) -> None:
    """Writes the model with an adapter, in the number format that it was measured in, with its tokenizer."""
    target.mkdir()
    with backend.using(adapter) as model:
        model.save_pretrained(target)
    backend.tokenizer.save_pretrained(target)
    if sentencepiece := _sentencepiece(backend.tokenizer.name_or_path):
        shutil.copyfile(sentencepiece, target / SENTENCEPIECE)
    for name in ("config.json", "tokenizer_config.json"):
        _forget_code(target / name)


def _sentencepiece(weights: str) -> str | None:
    """Where the base model has its SentencePiece file, if it has one. weights: a folder, or a name on the hub."""
    from transformers.utils.hub import cached_file

    found: str | None = cached_file(
        weights,
        SENTENCEPIECE,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return found


def _forget_code(path: Path) -> None:
    """Takes out the names of a model's own code: it was measured without it, and nobody who loads this shall run it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.pop("auto_map", None) is not None:
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
