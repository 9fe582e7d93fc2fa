"""Hugging Face causal language models on this machine: one set of weights, adapters over it."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from groundtune.errors import TooLongError, UserError
from groundtune.tokens import common_prefix
from groundtune.types import Completion, Generator, Limits, Prompt

SHORTEST_PREFIX = 16  # tokens; less is not worth keeping
WASTE = 1.25  # a batch may hold so much more tokens than real ones


class HFBackend:
    """Loads a model at first use and keeps one at a time: the bare one, or one with an adapter merged into it.

    Merged, a tuned model answers as fast as a bare one, which is how anybody would serve it, and no answer can come
    from another adapter than its generator's (docs/decisions/006-merged-adapters.md).
    """

    def __init__(self, weights: str, name: str, *, threads: int | None = None, batch: int = 16) -> None:
        self.name = name
        self.batch = batch
        self._weights = weights
        self._threads = threads or len(os.sched_getaffinity(0))
        self._loaded: tuple[Path | None, Any] | None = None
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
        from transformers import AutoConfig

        with self._loading():
            room: int | None = getattr(AutoConfig.from_pretrained(self._weights), "max_position_embeddings", None)
        return room

    def ends(self, stops: tuple[str, ...]) -> frozenset[int]:
        """The ids that end a completion: the model's own ends of text, and each token that holds a one-letter stop.

        transformers' own stop_strings cost a quarter of the decoding time (benchmarks/LOG.md), so only longer stops
        are left to them.
        """
        if stops not in self._ends:
            config = self._generation_config()
            own = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
            short = [stop for stop in stops if len(stop) == 1]
            pieces = self.tokenizer.batch_decode([[id] for id in range(len(self.tokenizer))]) if short else []
            holding = {id for id, piece in enumerate(pieces) if any(stop in piece for stop in short)}
            self._ends[stops] = frozenset({*own, self.tokenizer.eos_token_id, *holding} - {None})
        return self._ends[stops]

    def _generation_config(self) -> Any:
        with self.using(self._loaded[0] if self._loaded else None) as model:
            return model.generation_config

    def fresh(self) -> tuple[Any, Any]:
        """The tokenizer and the bare model, for training; the model kept so far is let go."""
        with self.lock:
            self._loaded = None
            return self.tokenizer, self._read_weights()

    def render(self, prompt: Prompt) -> str:
        """The text that the model reads for a prompt: in its chat template, or plain where there is none."""
        tokenizer = self.tokenizer
        messages = [{"role": m.role, "content": self._harmless(m.content)} for m in prompt.messages]
        if prompt.plain or not tokenizer.chat_template:
            begins = tokenizer("")["input_ids"] == [tokenizer.bos_token_id]  # as this model was trained
            start = tokenizer.bos_token if begins else ""
            return start + "\n\n".join(message["content"] for message in messages)
        try:
            text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's own; some refuse a system message
            if messages[0]["role"] != "system":
                raise UserError(f"{self.name}: its chat template fails ({error})") from error
            first, second, *rest = messages
            merged = {"role": "user", "content": f"{first['content']}\n\n{second['content']}"}
            text = tokenizer.apply_chat_template([merged, *rest], tokenize=False, add_generation_prompt=True)
        return text

    def _harmless(self, text: str) -> str:
        """The text with the model's control tokens broken up: words of a document must not end the user's turn."""
        for token in self.tokenizer.all_special_tokens:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    @contextmanager
    def using(self, adapter: Path | None) -> Iterator[Any]:
        """The model with this adapter (None: the bare one), for as long as the block runs; one block at a time."""
        with self.lock:
            if self._loaded is None or self._loaded[0] != adapter:
                self._loaded = None  # lets the other model go before this one comes
                model = self._read_weights()
                self._loaded = (adapter, model if adapter is None else self._merged(model, adapter))
            yield self._loaded[1]

    def _read_weights(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(self._threads)
        with self._loading():
            model: Any = AutoModelForCausalLM.from_pretrained(self._weights, dtype=_dtype(torch), use_safetensors=True)
        if torch.cuda.is_available():
            model = model.to("cuda")
        return model.eval()

    def _merged(self, model: Any, folder: Path) -> Any:
        from peft import PeftModel
        from safetensors import SafetensorError

        try:
            return PeftModel.from_pretrained(model, folder).merge_and_unload().eval()
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
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"[model] name = {self.name!r}: cannot be loaded ({error})") from error


class HFGenerator:
    """Greedy decoding by transformers' `generate`, prompts of like length batched together.

    What all prompts of a call, or a lone one and the one before it, begin with (instructions, solved examples) is read
    once and its keys and values kept, for this generator alone: they belong to its adapter.
    """

    def __init__(self, backend: HFBackend, adapter: Path | None) -> None:
        self.name = backend.name if adapter is None else f"{backend.name}+{adapter.name}"
        self._backend = backend
        self._adapter = adapter
        self._prefix = Prefix([], None)
        self._before: list[int] = []  # the last prompt read: a lone one is compared with it

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt, in order. A prompt with choices is answered with one of them, token by token."""
        ids = [self._tokens(prompt, limits) for prompt in prompts]
        with self._backend.using(self._adapter):
            prefix = self._read_prefix(ids)  # and the model is loaded before any time is taken
        done: dict[int, Completion] = {}
        for rows in _batches([len(row) - len(prefix.ids) for row in ids], self._backend.batch):
            began = time.perf_counter()
            texts = self._generate_batch([ids[i] for i in rows], [prompts[i].choices for i in rows], limits, prefix)
            each = (time.perf_counter() - began) / len(rows)
            for i, (text, tokens) in zip(rows, texts, strict=True):
                done[i] = Completion(text, len(ids[i]), tokens, each)
        return [done[i] for i in range(len(prompts))]

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The completion in pieces, as the model makes them; what may be the beginning of a stop is held back."""
        from transformers import TextIteratorStreamer

        tokenizer = self._backend.tokenizer
        ids = [self._tokens(prompt, limits)]
        streamer: Any = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(self._generate_batch, ids, [prompt.choices], limits, self._read_prefix(ids), streamer)
            work.add_done_callback(lambda _: streamer.end())  # after an error too, or nobody would stop waiting
            yield from _until_stop(streamer, limits.stop)
            work.result()

    def _tokens(self, prompt: Prompt, limits: Limits) -> list[int]:
        """The prompt's ids. Raises TooLongError where they and the answer are more than the model can read."""
        tokenizer, room = self._backend.tokenizer, self._backend.room
        ids: list[int] = tokenizer(self._backend.render(prompt), add_special_tokens=False)["input_ids"]
        if room is not None and len(ids) + limits.max_tokens > room:
            raise TooLongError(
                f"a prompt of {len(ids):,} tokens with {limits.max_tokens:,} for the answer is too long: "
                f"{self._backend.name} reads {room:,} tokens at the most",
                "choose a smaller [retrieve] k, [index] passage_chars or [prompt] max_tokens",
            )
        return ids

    def _read_prefix(self, ids: list[list[int]]) -> Prefix:
        """The kept prefix if all prompts begin with it, else their own common one, read now and kept from now on."""
        import torch
        from transformers import DynamicCache

        if not ids:
            return Prefix([], None)
        kept = self._prefix
        if kept.ids and all(row[: len(kept.ids)] == kept.ids and len(row) > len(kept.ids) for row in ids):
            return kept
        compared = ids if len(ids) > 1 else [*ids, self._before]
        common = common_prefix(compared)[: min(len(row) for row in ids) - 1]
        self._before = ids[-1]
        if len(common) < SHORTEST_PREFIX:
            return Prefix([], None)
        with self._backend.using(self._adapter) as model, torch.inference_mode():
            cache = DynamicCache(config=model.config)
            model(torch.tensor([common], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._prefix = read = Prefix(common, cache)
        return read

    def _generate_batch(
        self, ids: list[list[int]], choices: list[tuple[str, ...]], limits: Limits, prefix: Prefix, streamer: Any = None
    ) -> list[tuple[str, int]]:
        """Completions of one batch: their texts and numbers of tokens."""
        import torch

        tokenizer = self._backend.tokenizer
        rows, mask = _padded(ids, len(prefix.ids), tokenizer.pad_token_id)
        options: dict[str, Any] = {}
        ends = self._backend.ends(limits.stop)
        if any(choices):
            options["prefix_allowed_tokens_fn"] = _only(choices, tokenizer, ends, len(rows[0]))
            longest = max(len(tokenizer(choice)["input_ids"]) for row in choices for choice in row)
            limits = replace(limits, max_tokens=max(limits.max_tokens, longest + 1))
        if long_stops := [stop for stop in limits.stop if len(stop) > 1]:
            options |= {"stop_strings": long_stops, "tokenizer": tokenizer}
        if prefix.cache is not None:
            options["past_key_values"] = prefix.copies(len(ids))
        with self._backend.using(self._adapter) as model, torch.inference_mode():
            out = model.generate(
                input_ids=torch.tensor(rows, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                max_new_tokens=limits.max_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=sorted(ends),
                streamer=streamer,
                **options,
            )
        new = out[:, len(rows[0]) :]
        return [_text(tokenizer, row, ends, limits) for row in new.tolist()]


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
    # CPUs without AMX multiply faster in fp32 (276 against 148 GFLOP/s on two cores); GPUs are made for bf16.
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


def _text(tokenizer: Any, tokens: list[int], ends: frozenset[int], limits: Limits) -> tuple[str, int]:
    """A completion's text up to its first stop, and how many tokens were generated for it."""
    length = next((n for n, token in enumerate(tokens, start=1) if token in ends), len(tokens))
    text: str = tokenizer.decode(tokens[:length], skip_special_tokens=True)
    for stop in limits.stop:
        text = text.split(stop)[0]
    return text, length


def _until_stop(pieces: Iterable[str], stops: tuple[str, ...]) -> Iterator[str]:
    """The text of the pieces up to the first stop, in pieces again."""
    held_back = max(map(len, stops), default=1) - 1
    text = ""
    for piece in pieces:
        text += piece
        if any(stop in text for stop in stops):
            break
        sure = max(0, len(text) - held_back)
        yield text[:sure]
        text = text[sure:]
    for stop in stops:
        text = text.split(stop)[0]
    yield text


def _only(choices: list[tuple[str, ...]], tokenizer: Any, ends: frozenset[int], start: int) -> Any:
    """Lets generation follow nothing but the tokens of one of a row's choices, then an end: a trie."""
    tries = [_trie(row, tokenizer, ends) for row in choices]

    def allowed(row: int, tokens: Any) -> list[int]:
        node = tries[row]
        for token in tokens[start:].tolist():
            node = node.get(token, {})
        return list(node) or [tokenizer.eos_token_id]

    return allowed


def _trie(choices: tuple[str, ...], tokenizer: Any, ends: frozenset[int]) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for choice in choices:
        node = root
        for token in tokenizer(choice, add_special_tokens=False)["input_ids"]:
            node = node.setdefault(token, {})
        node.update({end: {} for end in ends})
    return root
