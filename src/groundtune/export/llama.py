"""Asks a GGUF file through llama.cpp, as Ollama will."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from groundtune.errors import WorkFailed
from groundtune.export._apart import apart
from groundtune.types import Limits


def complete(gguf: Path, texts: Sequence[str], limits: Limits, context: int, threads: int | None) -> list[str]:
    """What the model says after each text, decoded greedily. context: tokens of a text and its answer at the most.

    Raises WorkFailed where llama.cpp cannot run the file, or refuses a text.
    """
    try:
        return apart(_complete, gguf, texts, limits, context, threads or len(os.sched_getaffinity(0)))
    except (RuntimeError, ValueError) as error:
        raise WorkFailed(f"llama.cpp cannot run the GGUF ({error})", "export it merged: --format merged") from error


def _complete(gguf: Path, texts: Sequence[str], limits: Limits, context: int, threads: int) -> list[str]:
    llama = importlib.import_module("xllamacpp")
    settings = llama.CommonParams()
    settings.model.path = str(gguf)
    settings.n_ctx = context
    settings.n_parallel = 1
    settings.warmup = False
    settings.ui = False
    settings.api_keys = [token_hex()]  # it listens on this machine as well, and nobody is to ask it there
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    server = llama.Server(settings)
    ask = {"max_tokens": limits.max_tokens, "stop": list(limits.stop), "temperature": 0, "repeat_penalty": 1}
    said = []
    for text in texts:
        reply = server.handle_completions({"prompt": text, **ask})
        if "error" in reply:
            raise ValueError(reply["error"]["message"])
        said.append(str(reply["choices"][0]["text"]))
    return said
