"""Decoding by transformers' own `generate`, prompts padded to one length: for models that hf_packed.py cannot do."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from groundtune.models.hf_prefix import KeptPrefix
from groundtune.models.hf_text import Said, text_of, trie
from groundtune.types import Limits

if TYPE_CHECKING:
    from groundtune.models.hf import HFBackend

WASTE = 1.25  # a batch may hold so much more tokens than real ones


class Padded:
    """Decodes for one generator: batches of like length, behind copies of the kept prefix's keys and values."""

    def __init__(self, backend: HFBackend) -> None:
        self._backend = backend
        self._prefix: KeptPrefix[Any] = KeptPrefix()

    def prefix(self, model: Any, ids: list[list[int]]) -> tuple[list[int], Any]:
        """What the rows begin with, and its keys and values."""
        import torch
        from transformers import DynamicCache

        def read(common: list[int]) -> Any:
            cache = DynamicCache(config=model.config)
            with torch.inference_mode():
                rows = torch.tensor([common], device=model.device)
                model(rows, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return cache

        return self._prefix.of(ids, read)

    def batches(self, ids: list[list[int]], prefix: tuple[list[int], Any]) -> Iterator[list[int]]:
        """Row numbers in batches of like length, longest first, so that a lack of memory shows at once."""
        return _batches([len(row) - len(prefix[0]) for row in ids], self._backend.batch)

    def complete(
        self,
        model: Any,
        ids: list[list[int]],
        choices: Sequence[tuple[str, ...]],
        limits: Limits,
        prefix: tuple[list[int], Any],
        streamer: Any = None,
    ) -> list[Said]:
        """What the model says to one batch. It does not tell how sure it is."""
        import torch

        tokenizer = self._backend.tokenizer
        known, cache = prefix
        rows, mask = _padded(ids, len(known), tokenizer.pad_token_id)
        options: dict[str, Any] = {}
        ends = self._backend.ends(limits.stop)
        if any(choices):
            options["prefix_allowed_tokens_fn"] = _only(choices, tokenizer, ends, len(rows[0]))
            longest = max(len(tokenizer(choice)["input_ids"]) for row in choices for choice in row)
            limits = replace(limits, max_tokens=max(limits.max_tokens, longest + 1))
        if long_stops := [stop for stop in limits.stop if len(stop) > 1]:
            options |= {"stop_strings": long_stops, "tokenizer": tokenizer}
        if cache is not None:
            options["past_key_values"] = copy.deepcopy(cache)  # since generation appends to it
            options["past_key_values"].batch_repeat_interleave(len(ids))
        with torch.inference_mode():
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
        return [text_of(tokenizer, row, ends, limits) for row in out[:, len(rows[0]) :].tolist()]


def _padded(ids: list[list[int]], prefix: int, pad: int) -> tuple[list[list[int]], list[list[int]]]:
    """Rows of one length and their mask. The padding stands behind the prefix, since that is already in the cache."""
    longest = max(map(len, ids))
    rows, mask = [], []
    for row in ids:
        gap = longest - len(row)
        rows.append(row[:prefix] + [pad] * gap + row[prefix:])
        mask.append([1] * prefix + [0] * gap + [1] * (len(row) - prefix))
    return rows, mask


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


def _only(choices: Sequence[tuple[str, ...]], tokenizer: Any, ends: frozenset[int], start: int) -> Any:
    """Lets generation follow nothing but the tokens of one of a row's choices, then an end: a trie."""
    tries = [trie(row, tokenizer, ends) for row in choices]

    def allowed(row: int, tokens: Any) -> list[int]:
        node = tries[row]
        for token in tokens[start:].tolist():
            node = node.get(token, {})
        return list(node) or [tokenizer.eos_token_id]

    return allowed
