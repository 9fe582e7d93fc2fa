"""Hugging Face causal language models on this machine: one set of weights, adapters over it."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from groundtune import four_bits
from groundtune.attention import window
from groundtune.config import ModelTable
from groundtune.errors import TooLongError, UserError
from groundtune.heap import give_back
from groundtune.models.hf.generation import greedy_config
from groundtune.models.hf.packed import Packed
from groundtune.models.hf.padded import Padded
from groundtune.models.hf.text import until_stop
from groundtune.types import Completion, Generator, Limits, Prompt

BATCH = ModelTable().batch  # prompts that are answered together, at the most
KEPT = 2**30  # bytes of keys and values that a batch may hold


class HFBackend:
    """Loads a model at first use and keeps one at a time: the bare one, or one with an adapter merged into it.

    Merged, a tuned model answers as fast as a bare one, which is how anybody would serve it, and no answer can come
    from another adapter than its generator's (docs/decisions/006-merged-adapters.md). In 4 bits the adapter stays
    beside the weights (docs/decisions/018-bigger-models.md).
    """

    def __init__(
        self, weights: str, name: str, *, bits: int | None = None, threads: int | None = None, batch: int = BATCH
    ) -> None:
        """bits: 4, or None for the number format that the machine computes in."""
        self.name = name
        self.batch = batch
        self._weights = weights
        self._bits = bits
        self._threads = threads or len(os.sched_getaffinity(0))
        self._loaded: tuple[Path | None, Any] | None = None
        self._packs: bool | None = None  # not tried yet
        self._ends: dict[tuple[str, ...], frozenset[int]] = {}
        self.lock = threading.RLock()

    def generator(self, adapter: Path | None = None) -> Generator:
        """The bare model, or the model with the adapter in a folder. Raises UserError where that is none of it."""
        if adapter is not None:
            with self.using(adapter):
                pass
        return HFGenerator(self, adapter)

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, padding on the left. Raises UserError where it cannot be loaded."""
        from transformers import AutoTokenizer

        with self._loading():
            tokenizer = AutoTokenizer.from_pretrained(self._weights, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def room(self) -> int | None:
        """How many tokens the model can read; None where its config does not say."""
        room: int | None = getattr(self._config, "max_position_embeddings", None)
        return room

    @cached_property
    def batch_tokens(self) -> int:
        """How many tokens a batch may hold, so that their keys and values take at most KEPT bytes where all layers keep
        them as the config says."""
        import torch

        config = self._config
        heads = getattr(config, "num_attention_heads", None) or 1  # without heads nothing is kept for a token
        few = getattr(config, "num_key_value_heads", None) or heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        return int(KEPT / (2 * config.num_hidden_layers * few * size * dtype(torch).itemsize))

    @cached_property
    def _config(self) -> Any:
        from transformers import AutoConfig

        with self._loading():
            return AutoConfig.from_pretrained(self._weights).get_text_config()

    def ends(self, stops: tuple[str, ...]) -> frozenset[int]:
        """The ids that end a completion: the model's own ends of text, and each token that holds a one-letter stop.

        transformers' own stop_strings cost a quarter of the decoding time (benchmarks/LOG.md), so only longer stops
        are left to them.
        """
        if stops not in self._ends:
            with self.using(self._loaded[0] if self._loaded else None) as model:
                own = model.generation_config.eos_token_id
            short = [stop for stop in stops if len(stop) == 1]
            pieces = self.tokenizer.batch_decode([[id] for id in range(len(self.tokenizer))]) if short else []
            holding = {id for id, piece in enumerate(pieces) if any(stop in piece for stop in short)}
            self._ends[stops] = frozenset({*own, *holding})
        return self._ends[stops]

    def packs(self, model: Any, longest: int) -> bool:
        """Whether prompts and answers of at most so many tokens can be read packed (packed.py)."""
        from groundtune.models.hf.decoding import works_with

        with self.lock:
            if self._packs is None:
                self._packs = works_with(model)
        return self._packs and longest <= window(model)

    def fresh(self) -> tuple[Any, Any]:
        """The tokenizer and the bare model, for training; the model kept so far is let go."""
        with self.lock:
            self.let_go()
            return self.tokenizer, self._read_weights()

    def let_go(self) -> None:
        """Frees the memory of the model that is kept; it is read again when it is next needed."""
        with self.lock:
            self._loaded = None
            _clear()

    def render(self, prompt: Prompt) -> str:
        """The text that the model reads for a prompt: in its chat template, or plain where there is none.

        Raises UserError where the template fails.
        """
        tokenizer = self.tokenizer
        messages = [{"role": m.role, "content": self._harmless(m.content)} for m in prompt.messages]
        if prompt.plain or not tokenizer.chat_template:
            begins = tokenizer("")["input_ids"] == [tokenizer.bos_token_id]  # as this model was trained
            start = tokenizer.bos_token if begins else ""
            return start + "\n\n".join(message["content"] for message in messages)
        try:
            return self._in_template(messages)
        except UserError:  # some refuse a system message
            if messages[0]["role"] != "system":
                raise
        first, second, *rest = messages
        merged = {"role": "user", "content": f"{first['content']}\n\n{second['content']}"}
        return self._in_template([merged, *rest])

    def _in_template(self, messages: list[dict[str, str]]) -> str:
        try:
            text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's own
            raise UserError(f"{self.name}: its chat template fails ({error})") from error
        return text

    def ids(self, prompt: Prompt, limits: Limits) -> list[int]:
        """The prompt's ids. Raises TooLongError where they and the answer are more than the model can read."""
        ids: list[int] = self.tokenizer(self.render(prompt), add_special_tokens=False)["input_ids"]
        if self.room is not None and len(ids) + limits.max_tokens > self.room:
            raise TooLongError(
                f"a prompt of {len(ids):,} tokens with {limits.max_tokens:,} for the answer is too long: "
                f"{self.name} reads {self.room:,} tokens at the most",
                "choose a smaller [retrieve] k, [index] passage_chars or [prompt] max_tokens",
            )
        return ids

    def losses(self, texts: Sequence[str], adapter: Path | None = None) -> list[list[float]]:
        """For each text the negative log likelihood of its tokens, in nats (see likelihood.py)."""
        from groundtune.models.hf.likelihood import token_losses

        with self.using(adapter) as model:
            return token_losses(model, self.tokenizer, texts)

    def _harmless(self, text: str) -> str:
        """The text with the model's control tokens broken up: words of a document must not end the user's turn."""
        while (broken := self._control.sub(_in_two, text)) != text:
            text = broken  # and again, for a piece can be another token, or a part of one
        return text

    @cached_property
    def _control(self) -> re.Pattern[str]:
        """Finds the tokens that begin and end turns or call tools: most have no name in the tokenizer, and are only
        marked as special. Blanks and single letters are left: they are words as well, and cannot be broken."""
        marked = {one.content for one in self.tokenizer.added_tokens_decoder.values() if one.special}
        tokens = [one for one in marked.union(self.tokenizer.all_special_tokens) if len(one.strip()) > 1]
        return re.compile("|".join(map(re.escape, sorted(tokens, key=lambda one: (-len(one), one)))) or "(?!)")

    @contextmanager
    def using(self, adapter: Path | None) -> Iterator[Any]:
        """The model with this adapter (None: the bare one), for as long as the block runs; one block at a time."""
        with self.lock:
            if self._loaded is None or self._loaded[0] != adapter:
                self.let_go()  # before this one comes
                model = self._read_weights()
                self._loaded = (adapter, model if adapter is None else self._tuned(model, adapter))
            yield self._loaded[1]

    def _read_weights(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(self._threads)
        options: dict[str, Any] = {"dtype": dtype(torch), "use_safetensors": True}
        if self._bits == 4:
            options["quantization_config"] = four_bits.settings(options["dtype"])
        with self._loading():
            model: Any = AutoModelForCausalLM.from_pretrained(self._weights, **options)
        if torch.cuda.is_available() and model.device.type != "cuda":
            model = model.to("cuda")
        four_bits.prepare(model)
        model.generation_config = greedy_config(model.generation_config, self.tokenizer)
        return model.eval()

    def _tuned(self, model: Any, folder: Path) -> Any:
        """The model with an adapter, merged into its weights unless these are rounded: the sum would be rounded anew,
        to other weights than those that the adapter was trained on."""
        from peft import PeftModel
        from safetensors import SafetensorError

        try:
            tuned: Any = PeftModel.from_pretrained(model, folder)
            rounded = getattr(model, "is_quantized", False)
            return (tuned.get_base_model() if rounded else tuned.merge_and_unload()).eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            problem = f"{folder}: not an adapter of {self.name} ({error})"
            raise UserError(problem, 'run "groundtune tune"') from error

    @contextmanager
    def _loading(self) -> Iterator[None]:
        from safetensors import SafetensorError
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            yield
        except (OSError, ValueError, ImportError, SafetensorError) as error:  # (a package that its format needs)
            raise UserError(f"[model] name = {self.name!r}: cannot be loaded ({error})") from error


class HFGenerator:
    """Greedy decoding, many prompts together: packed (packed.py) where the model can be read so, else padded.

    What all prompts of a call, or a lone one and the one before it, begin with (instructions, solved examples) is read
    once and its keys and values kept, for this generator alone: they belong to its adapter.
    """

    def __init__(self, backend: HFBackend, adapter: Path | None) -> None:
        self.name = backend.name if adapter is None else f"{backend.name}+{adapter.name}"
        self._backend = backend
        self._adapter = adapter
        self._packed = Packed(backend)
        self._padded = Padded(backend)

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt, in order. A prompt with choices is answered with one of them."""
        ids = [self._backend.ids(prompt, limits) for prompt in prompts]
        with self._backend.using(self._adapter) as model:
            way = self._way(model, ids, limits)
            prefix = way.prefix(model, ids, limits)  # and the model is loaded before any time is taken
        done: dict[int, Completion] = {}
        for rows in way.batches(ids, prefix, limits):
            began = time.perf_counter()
            with self._backend.using(self._adapter) as model:
                choices = [prompts[row].choices for row in rows]
                said = way.complete(model, [ids[row] for row in rows], choices, limits, prefix)
            each = (time.perf_counter() - began) / len(rows)
            for row, one in zip(rows, said, strict=True):
                done[row] = Completion(one.text, len(ids[row]), one.tokens, each, one.confidence)
        return [done[row] for row in range(len(prompts))]

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The completion in pieces, as the model makes them; what may be the beginning of a stop is held back."""
        from transformers import TextIteratorStreamer

        ids = [self._backend.ids(prompt, limits)]
        streamer: Any = TextIteratorStreamer(self._backend.tokenizer, skip_prompt=True, skip_special_tokens=True)

        def work() -> None:
            with self._backend.using(self._adapter) as model:
                way = self._way(model, ids, limits)
                way.complete(model, ids, [prompt.choices], limits, way.prefix(model, ids, limits), streamer)

        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            working.add_done_callback(lambda _: streamer.end())  # after an error too, or nobody would stop waiting
            yield from until_stop(streamer, limits.stop)
            working.result()

    def _way(self, model: Any, ids: list[list[int]], limits: Limits) -> Packed | Padded:
        longest = max(map(len, ids), default=0) + limits.max_tokens
        return self._packed if self._backend.packs(model, longest) else self._padded


def _in_two(found: re.Match[str]) -> str:
    """A blank behind the first letter."""
    first = len(found[0]) - len(found[0].lstrip()) + 1
    return f"{found[0][:first]} {found[0][first:]}"


def _clear() -> None:
    """Gives back what models that are let go have held: on a GPU PyTorch would keep it, out of vLLM's reach."""
    import torch

    give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def dtype(torch: Any) -> Any:
    """The number format that this machine answers in."""
    # CPUs without AMX multiply faster in fp32 (276 against 148 GFLOP/s on two cores); GPUs are made for bf16.
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32
