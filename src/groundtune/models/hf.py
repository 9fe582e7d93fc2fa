"""Hugging Face causal language models on this machine: one set of weights, adapters over it."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundtune.errors import UserError
from groundtune.tokens import common_prefix
from groundtune.types import Completion, Generator, Limits, Prompt

SHORTEST_PREFIX = 16  # tokens; less is not worth keeping
WASTE = 1.25  # a batch may hold so much more tokens than real ones


class HFBackend:
    """Loads the weights at first use. Its generators share them; an adapter is on for its own calls only."""

    def __init__(self, weights: str, name: str, *, threads: int | None = None, batch: int = 16) -> None:
        self.name = name
        self.batch = batch
        self._weights = weights
        self._threads = threads or len(os.sched_getaffinity(0))
        self._loaded: tuple[Any, Any] | None = None
        self._adapters: dict[str, str] = {}  # folder -> PEFT's name of it
        self.lock = threading.RLock()

    def generator(self, adapter: Path | None = None) -> Generator:
        """The bare model, or the model with the adapter in a folder. Raises UserError where that is none of it."""
        if adapter is not None:
            self._load_adapter(adapter)
        return HFGenerator(self, adapter)

    def load(self) -> tuple[Any, Any]:
        """The tokenizer and the model (transformers', or PEFT's once an adapter is there), loaded once."""
        with self.lock:
            if self._loaded is None:
                self._loaded = self._read_weights()
            return self._loaded

    def fresh(self) -> tuple[Any, Any]:
        """The tokenizer and a copy of the bare model of its own, for training."""
        return self._read_weights()

    def render(self, prompt: Prompt) -> str:
        """The text that the model reads for a prompt: in its chat template, or plain where there is none."""
        tokenizer, _ = self.load()
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        if prompt.plain or not tokenizer.chat_template:
            return "\n\n".join(message["content"] for message in messages)
        try:
            text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's own; some refuse a system message
            if messages[0]["role"] != "system":
                raise UserError(f"{self.name}: its chat template fails ({error})") from error
            first, second, *rest = messages
            merged = {"role": "user", "content": f"{first['content']}\n\n{second['content']}"}
            text = tokenizer.apply_chat_template([merged, *rest], tokenize=False, add_generation_prompt=True)
        return text

    @contextmanager
    def using(self, adapter: Path | None) -> Iterator[Any]:
        """The model with this adapter (None: without any), for as long as the block runs; one block at a time."""
        with self.lock:
            _, model = self.load()
            if not self._adapters:
                yield model
            elif adapter is None:
                with model.disable_adapter():
                    yield model
            else:
                model.set_adapter(self._adapters[str(adapter)])
                yield model

    def _read_weights(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(self._threads)
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._weights, padding_side="left")
            model: Any = AutoModelForCausalLM.from_pretrained(self._weights, dtype=_dtype(torch))
        except (OSError, ValueError) as error:
            raise UserError(f"[model] name = {self.name!r}: cannot be loaded ({error})") from error
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if torch.cuda.is_available():
            model = model.to("cuda")
        return tokenizer, model.eval()

    def _load_adapter(self, folder: Path) -> None:
        from peft import PeftModel

        with self.lock:
            if str(folder) in self._adapters:
                return
            tokenizer, model = self.load()
            name = f"adapter{len(self._adapters)}"
            try:
                if self._adapters:
                    model.load_adapter(folder, adapter_name=name)
                else:
                    model = PeftModel.from_pretrained(model, folder, adapter_name=name).eval()
            except (OSError, ValueError, RuntimeError) as error:
                raise UserError(
                    f"{folder}: not an adapter of {self.name} ({error})", 'run "groundtune tune"'
                ) from error
            self._adapters[str(folder)] = name
            self._loaded = (tokenizer, model)


class HFGenerator:
    """Greedy decoding by transformers' `generate`, prompts of like length batched together.

    What all prompts of a call begin with (instructions, solved examples) is read once and its keys and values kept, for
    this generator alone: they belong to its adapter.
    """

    def __init__(self, backend: HFBackend, adapter: Path | None) -> None:
        self.name = backend.name if adapter is None else f"{backend.name}+{adapter.name}"
        self._backend = backend
        self._adapter = adapter
        self._prefix = Prefix([], None)

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt, in order. A prompt with choices is answered with one of them, token by token."""
        ids = [self._tokens(prompt) for prompt in prompts]
        prefix = self._read_prefix(ids)
        done: dict[int, Completion] = {}
        for rows in _batches([len(row) - len(prefix.ids) for row in ids], self._backend.batch):
            began = time.perf_counter()
            texts = self._generate_batch([ids[i] for i in rows], [prompts[i].choices for i in rows], limits, prefix)
            each = (time.perf_counter() - began) / len(rows)
            for i, (text, tokens) in zip(rows, texts, strict=True):
                done[i] = Completion(text, len(ids[i]), tokens, each)
        return [done[i] for i in range(len(prompts))]

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The completion in pieces, as the model makes them."""
        from transformers import TextIteratorStreamer

        tokenizer, _ = self._backend.load()
        ids = [self._tokens(prompt)]
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        arguments = (ids, [prompt.choices], limits, self._read_prefix(ids), streamer)
        worker = threading.Thread(target=self._generate_batch, args=arguments)
        worker.start()
        yield from streamer
        worker.join()

    def _tokens(self, prompt: Prompt) -> list[int]:
        tokenizer, _ = self._backend.load()
        ids: list[int] = tokenizer(self._backend.render(prompt), add_special_tokens=False)["input_ids"]
        return ids

    def _read_prefix(self, ids: list[list[int]]) -> Prefix:
        """The kept prefix if all prompts begin with it, else their own common one, read now and kept from now on."""
        import torch
        from transformers import DynamicCache

        if self._prefix.ids and all(row[: len(self._prefix.ids)] == self._prefix.ids for row in ids):
            return self._prefix
        common = common_prefix(ids) if len(ids) > 1 else []
        common = common[: min(len(row) for row in ids) - 1] if ids else []
        if len(common) < SHORTEST_PREFIX:
            return Prefix([], None)
        with self._backend.using(self._adapter) as model, torch.inference_mode():
            cache = DynamicCache(config=model.config)
            model(torch.tensor([common], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._prefix = Prefix(common, cache)
        return self._prefix

    def _generate_batch(
        self, ids: list[list[int]], choices: list[tuple[str, ...]], limits: Limits, prefix: Prefix, streamer: Any = None
    ) -> list[tuple[str, int]]:
        """Completions of one batch: their texts and numbers of tokens."""
        import torch

        tokenizer, _ = self._backend.load()
        rows, mask = _padded(ids, len(prefix.ids), tokenizer.pad_token_id)
        options: dict[str, Any] = {}
        if any(choices):
            options["prefix_allowed_tokens_fn"] = _only(choices, tokenizer, len(rows[0]))
            longest = max(len(tokenizer(choice)["input_ids"]) for row in choices for choice in row)
            limits = replace(limits, max_tokens=max(limits.max_tokens, longest + 1))
        if prefix.cache is not None:
            options["past_key_values"] = prefix.copies(len(ids))
        with self._backend.using(self._adapter) as model, torch.inference_mode():
            out = model.generate(
                input_ids=torch.tensor(rows, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                max_new_tokens=limits.max_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=_end_tokens(tokenizer, limits),
                streamer=streamer,
                **options,
            )
        new = out[:, len(rows[0]) :]
        return [_text(tokenizer, row, limits) for row in new.tolist()]


@dataclass(frozen=True, slots=True)
class Prefix:
    """Token ids that prompts begin with, and the model's keys and values of them."""

    ids: list[int]
    cache: Any

    def copies(self, n: int) -> Any:
        """The keys and values for a batch of `n`; a copy, since generation appends to it."""
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(n)
        return cache


def _padded(ids: list[list[int]], prefix: int, pad: int) -> tuple[list[list[int]], list[list[int]]]:
    """Rows of one length and their mask. The padding stands behind the prefix, since that is already in the cache."""
    longest = max(map(len, ids))
    rows, mask = [], []
    for row in ids:
        gap = longest - len(row)
        rows.append(row[:prefix] + [pad] * gap + row[prefix:])
        mask.append([1] * prefix + [0] * gap + [1] * (len(row) - prefix))
    return rows, mask


def _dtype(torch: Any) -> Any:
    # fp32 beats bf16 on CPUs without AMX (docs/decisions/003); GPUs are made for bf16.
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def _batches(lengths: list[int], most: int) -> Iterator[list[int]]:
    """Row numbers in batches of like length, longest first, so that a lack of memory shows at once."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    rows: list[int] = []
    real = 0
    for i in order:
        full = len(rows) == most or (rows and (len(rows) + 1) * lengths[rows[0]] > WASTE * (real + lengths[i]))
        if full:
            yield rows
            rows, real = [], 0
        rows.append(i)
        real += lengths[i]
    if rows:
        yield rows


def _end_tokens(tokenizer: Any, limits: Limits) -> list[int]:
    # transformers' own stop_strings cost a quarter of the decoding time (benchmarks/LOG.md); a stop that is one token
    # is as good as an end of text, and `_text` cuts at the others.
    stops = [tokenizer(stop, add_special_tokens=False)["input_ids"] for stop in limits.stop]
    return [tokenizer.eos_token_id, *(ids[0] for ids in stops if len(ids) == 1)]


def _text(tokenizer: Any, tokens: list[int], limits: Limits) -> tuple[str, int]:
    ends = {*_end_tokens(tokenizer, limits), tokenizer.pad_token_id}
    length = next((n for n, token in enumerate(tokens) if token in ends), len(tokens))
    text: str = tokenizer.decode(tokens[:length], skip_special_tokens=True)
    for stop in limits.stop:
        text = text.split(stop)[0]
    return text, length


def _only(choices: list[tuple[str, ...]], tokenizer: Any, start: int) -> Any:
    """Lets generation follow nothing but the tokens of one of a row's choices, then the end: a trie."""
    tries = [_trie(row, tokenizer) for row in choices]

    def allowed(row: int, tokens: Any) -> list[int]:
        node = tries[row]
        for token in tokens[start:].tolist():
            node = node.get(token, {})
        return list(node) or [tokenizer.eos_token_id]

    return allowed


def _trie(choices: tuple[str, ...], tokenizer: Any) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for choice in choices:
        node = root
        for token in [*tokenizer(choice, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]:
            node = node.setdefault(token, {})
    return root
