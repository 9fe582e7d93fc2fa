"""Answers by vLLM (Kwon et al. 2023); training and likelihoods go through transformers as ever.

The engine is chosen in the config and nowhere else: its sums are added in another order, so a text may differ from
transformers', and what is measured is what is served.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundtune.errors import UserError
from groundtune.models.hf.backend import BATCH, HFBackend, dtype
from groundtune.models.hf.text import text_of
from groundtune.tokens import ids_of_words
from groundtune.types import Completion, Generator, Limits, Prompt
from groundtune.workspace import read_json

RANKS = (8, 16, 32, 64, 128, 256, 512)  # that vLLM makes room for
ROOM_ON_PROCESSOR = "2"  # gigabytes for keys and values; vLLM would take half of the memory


@dataclass(frozen=True, slots=True)
class Engine:
    """A running vLLM, the adapter that it has, and what that is asked by."""

    adapter: Path | None
    llm: Any
    request: Any


class VLLMBackend(HFBackend):
    """One engine at a time, of the bare model or with one adapter, so that no kept prefix serves another adapter. It is
    let go before transformers loads the weights, for it fills the memory of a GPU."""

    def __init__(self, weights: str, name: str, *, threads: int | None = None, batch: int = BATCH) -> None:
        """Raises UserError where vLLM is not installed."""
        if importlib.util.find_spec("vllm") is None:
            raise UserError(
                '[model] engine = "vllm": vLLM is not installed',
                'install it as its makers say for your machine, or set engine = "transformers"',
            )
        super().__init__(weights, name, threads=threads, batch=batch)
        self._engine: Engine | None = None

    def generator(self, adapter: Path | None = None) -> Generator:
        """The bare model, or the model with the adapter in a folder. Raises UserError where that is none of it."""
        if adapter is not None:
            self._rank(adapter)
        return VLLMGenerator(self, adapter)

    def let_go(self) -> None:
        """Frees the memory of what is kept, the engine or transformers' model; before the other comes, it goes."""
        with self.lock:
            self._stop()
            super().let_go()

    @contextmanager
    def running(self, adapter: Path | None) -> Iterator[Engine]:
        """The engine with this adapter (None: the bare model), for as long as the block runs."""
        with self.lock:
            if self._engine is None or self._engine.adapter != adapter:
                self.let_go()
                self._engine = self._start(adapter)
            yield self._engine

    def _start(self, adapter: Path | None) -> Engine:
        for key, value in (("VLLM_LOGGING_LEVEL", "ERROR"), ("VLLM_NO_USAGE_STATS", "1")):
            os.environ.setdefault(key, value)  # it reports to its makers otherwise
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", ROOM_ON_PROCESSOR)
        import torch
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        options: dict[str, Any] = {"dtype": dtype(torch), "max_model_len": -1, "max_num_seqs": self.batch}
        options["enforce_eager"] = not torch.cuda.is_available()  # compiling takes minutes, and pays on a GPU
        if adapter is not None:
            options |= {"enable_lora": True, "max_lora_rank": self._rank(adapter)}
        try:
            request = None if adapter is None else LoRARequest(adapter.name, 1, str(adapter))
            return Engine(adapter, LLM(self._weights, **options), request)
        except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
            raise UserError(
                f"[model] name = {self.name!r}: vLLM cannot run it ({error})", 'set [model] engine = "transformers"'
            ) from error

    def _rank(self, adapter: Path) -> int:
        """Room for the adapter's rank. Raises UserError where it is no adapter."""
        try:
            rank = int(read_json(adapter / "adapter_config.json")["r"])
            return next(room for room in RANKS if room >= rank)
        except (OSError, KeyError, ValueError, StopIteration) as error:
            problem = f"{adapter}: not an adapter that vLLM can run ({error!r})"
            raise UserError(problem, 'run "groundtune tune"') from error

    def _stop(self) -> None:
        if self._engine is not None:
            self._engine.llm.llm_engine.engine_core.shutdown()
            self._engine = None


class VLLMGenerator:
    """Greedy decoding. A prompt with choices is answered with one of them, followed token by token."""

    def __init__(self, backend: VLLMBackend, adapter: Path | None) -> None:
        self.name = backend.name if adapter is None else f"{backend.name}+{adapter.name}"
        self._backend = backend
        self._adapter = adapter

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt, in order. vLLM batches by itself, so all of a call take equally long."""
        ids = [self._backend.ids(prompt, limits) for prompt in prompts]
        if not ids:
            return []
        with self._backend.running(self._adapter) as engine:
            began = time.perf_counter()
            free = [row for row, prompt in enumerate(prompts) if not prompt.choices]
            said = dict(zip(free, self._say(engine, [ids[row] for row in free], limits), strict=True))
            choosing = {row: prompt.choices for row, prompt in enumerate(prompts) if prompt.choices}
            said |= self._choose(engine, {row: ids[row] for row in choosing}, choosing)
            each = (time.perf_counter() - began) / len(prompts)
        texts = [text_of(self._backend.tokenizer, said[row], frozenset(), limits) for row in range(len(prompts))]
        return [Completion(one.text, len(row), one.tokens, each) for one, row in zip(texts, ids, strict=True)]

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The completion in one piece: vLLM in this process gives no pieces."""
        yield self.generate([prompt], limits)[0].text

    def _say(self, engine: Engine, ids: Sequence[list[int]], limits: Limits) -> list[list[int]]:
        return _asked(engine, ids, [{"max_tokens": limits.max_tokens, "stop": list(limits.stop)}] * len(ids))

    def _choose(
        self, engine: Engine, ids: dict[int, list[int]], choices: dict[int, tuple[str, ...]]
    ) -> dict[int, list[int]]:
        """For each row the tokens of one of its choices: step by step the most probable of those that may follow."""
        tokenizer = self._backend.tokenizer
        nodes = {row: _trie(some, tokenizer) for row, some in choices.items()}
        said: dict[int, list[int]] = {row: [] for row in ids}
        while going := [row for row, node in nodes.items() if node]:
            steps = [{"max_tokens": 1, "allowed_token_ids": list(nodes[row])} for row in going]
            found = _asked(engine, [ids[row] + said[row] for row in going], steps)
            for row, [token] in zip(going, found, strict=True):
                said[row].append(token)
                nodes[row] = nodes[row][token]
        return said


def _trie(choices: tuple[str, ...], tokenizer: Any) -> dict[int, Any]:
    """The tokens that may follow each other so that one of the choices comes of it, then an end."""
    root: dict[int, Any] = {}
    for choice in choices:
        node = root
        for token in [*ids_of_words(tokenizer, choice), tokenizer.eos_token_id]:
            node = node.setdefault(token, {})
    return root


def _asked(engine: Engine, ids: Sequence[list[int]], options: Sequence[dict[str, Any]]) -> list[list[int]]:
    """The tokens that the engine says to each row of ids, the most probable one at each step."""
    from vllm import SamplingParams

    if not ids:
        return []
    prompts = [{"prompt_token_ids": row} for row in ids]
    parameters = [SamplingParams(temperature=0, **some) for some in options]
    outputs = engine.llm.generate(prompts, parameters, lora_request=engine.request, use_tqdm=False)
    return [list(output.outputs[0].token_ids) for output in outputs]
