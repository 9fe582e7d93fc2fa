"""Decoding by transformers' own `generate`, prompts padded to one length: for models that packed.py cannot do."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundtune.attention import window
from groundtune.models.hf.choices import Tokens, Trie, shares
from groundtune.models.hf.prefix import KeptPrefix
from groundtune.models.hf.text import Said, text_of
from groundtune.models.hf.way import Prefix, Way
from groundtune.types import Limits

if TYPE_CHECKING:
    from groundtune.models.hf.backend import HFBackend

WASTE = 1.25  # a batch may hold so much more tokens than real ones
Rows = list[list[int]]


class Padded(Way):
    """Batches of like length, behind copies of the kept prefix's keys and values. How sure it is, it tells of choices
    alone."""

    def __init__(self, backend: HFBackend) -> None:
        super().__init__(backend)
        self._prefix: KeptPrefix[Any] = KeptPrefix()

    def prefix(self, model: Any, ids: Rows, limits: Limits) -> Prefix:
        """What the rows begin with, and its keys and values. None where rows with their replies outgrow the model's
        window, in which the padding behind a prefix would count."""
        import torch

        def read(common: list[int]) -> Any:
            cache = _cache(model)
            with torch.inference_mode():
                rows = torch.tensor([common], device=model.device)
                model(rows, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return cache

        longest = max(map(len, ids), default=0) + limits.max_tokens
        if _is_recurrent(model) or window(model) < longest:
            return [], None
        return self._prefix.of(ids, read)

    def batches(self, ids: Rows, prefix: Prefix, limits: Limits) -> Iterator[list[int]]:
        """Row numbers in batches of like length, longest first."""
        own = [len(row) - len(prefix[0]) for row in ids]
        besides = len(prefix[0]) + limits.max_tokens
        return _batches(own, besides, self._backend.batch, self._backend.batch_tokens)

    def _decode(self, model: Any, ids: Rows, limits: Limits, prefix: Prefix, streamer: Any) -> list[Said]:
        tokenizer = self._backend.tokenizer
        rows, mask = _padded(ids, len(prefix[0]), tokenizer.pad_token_id)
        ends = self._backend.ends(limits.stop)
        options: dict[str, Any] = {"max_new_tokens": limits.max_tokens, "eos_token_id": sorted(ends)}
        if long_stops := [stop for stop in limits.stop if len(stop) > 1]:
            options |= {"stop_strings": long_stops, "tokenizer": tokenizer}
        out = self._generate(model, rows, mask, prefix[1], streamer=streamer, **options)
        return [text_of(tokenizer, row, ends, limits) for row in out.sequences[:, len(rows[0]) :].tolist()]

    def _shares(self, model: Any, ids: Rows, choices: list[list[Tokens]], prefix: Prefix) -> list[list[float]]:
        rows, mask = _padded(ids, len(prefix[0]), self._backend.tokenizer.pad_token_id)
        cache = _cache(model) if prefix[1] is None and not _is_recurrent(model) else prefix[1]
        out = self._generate(model, rows, mask, cache, max_new_tokens=1, output_logits=True)
        behind = Behind(model, rows, mask, None if cache is None else out.past_key_values)
        begun = list(out.logits[0].cpu().split(1))
        return shares(begun, choices, lambda tries: behind.read(tries, self._backend.batch))

    def _generate(self, model: Any, rows: Rows, mask: Rows, cache: Any, **options: Any) -> Any:
        import torch

        if cache is not None:
            cache = copy.deepcopy(cache)  # since generation appends to it
            cache.batch_repeat_interleave(len(rows))
        with torch.inference_mode():
            return model.generate(
                input_ids=torch.tensor(rows, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                past_key_values=cache,
                do_sample=False,
                pad_token_id=self._backend.tokenizer.pad_token_id,
                return_dict_in_generate=True,
                **options,
            )


class Behind:
    """Prompts that are read, to be gone on from by several choices each."""

    def __init__(self, model: Any, rows: Rows, mask: Rows, cache: Any) -> None:
        """rows and mask: as `_padded` gives them. cache: their keys and values; None: they are read again each time."""
        self._model = model
        self._rows = rows
        self._mask = mask
        self._cache = cache

    def read(self, tries: Mapping[int, Trie], batch: int) -> dict[int, Any]:
        """For each row the logits behind each of its trie's beginnings but the empty one, (inner - 1, vocabulary).

        batch: beginnings that are read together at the most."""
        import torch

        asked = [(row, one) for row, trie in tries.items() for one in trie.longest()]
        asked.sort(key=lambda one: len(one[1]))
        found: dict[tuple[int, Tokens], Any] = {}
        for start in range(0, len(asked), batch):
            some = asked[start : start + batch]
            for (row, tokens), logits in zip(some, self._logits(some), strict=True):
                found |= {(row, tokens[: n + 1]): logits[n] for n in range(len(tokens))}
        return {row: torch.stack([found[row, one] for one in trie.inner[1:]]) for row, trie in tries.items()}

    def _logits(self, some: Sequence[tuple[int, Tokens]]) -> Any:
        """Behind each token that goes on from a row: (beginnings, tokens, vocabulary)."""
        import torch

        model = self._model
        width = max(len(tokens) for _, tokens in some)
        fill = [[0] * (width - len(tokens)) for _, tokens in some]
        ids = torch.tensor([[*tokens, *gap] for (_, tokens), gap in zip(some, fill, strict=True)])
        own = torch.tensor([[*[1] * len(tokens), *gap] for (_, tokens), gap in zip(some, fill, strict=True)])
        rows = torch.tensor([row for row, _ in some])
        mask = torch.cat([torch.tensor(self._mask)[rows], own], 1)
        options: dict[str, Any] = {"use_cache": self._cache is not None}
        if self._cache is None:
            ids = torch.cat([torch.tensor(self._rows)[rows], ids], 1)
        else:
            options["past_key_values"] = _chosen(self._cache, rows)
        if "position_ids" in inspect.signature(model.forward).parameters:
            options["position_ids"] = (mask.cumsum(1) - 1).clamp_(min=0)[:, -ids.shape[1] :].to(model.device)
        with torch.inference_mode():
            out = model(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), logits_to_keep=width, **options
            )
        return out.logits.float().cpu()


def _cache(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config)


def _is_recurrent(model: Any) -> bool:
    """Whether layers keep a state in place of keys and values: not all of them can go on from it by several tokens."""
    return getattr(model, "_is_stateful", False) or any(_cache(model).is_linear)


def _chosen(cache: Any, rows: Any) -> Any:
    """The keys and values of some rows, in this order, a row as often as it is named; the cache itself stays."""
    some = copy.copy(cache)
    some.layers = [copy.copy(layer) for layer in cache.layers]
    some.reorder_cache(rows)
    return some


def _padded(ids: Rows, prefix: int, pad: int) -> tuple[Rows, Rows]:
    """Rows of one length and their mask. The padding stands behind the prefix, since that is already in the cache."""
    longest = max(map(len, ids))
    rows, mask = [], []
    for row in ids:
        gap = longest - len(row)
        rows.append(row[:prefix] + [pad] * gap + row[prefix:])
        mask.append([1] * prefix + [0] * gap + [1] * (len(row) - prefix))
    return rows, mask


def _batches(lengths: list[int], besides: int, most: int, tokens: int) -> Iterator[list[int]]:
    """Row numbers in batches of like length, longest first, so that a lack of memory shows at once.

    besides: tokens of each row in front, read already, and of its reply. most: rows in a batch. tokens: in a batch,
    those and padding among them."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    rows: list[int] = []
    real = 0
    for i in order:
        longest = lengths[rows[0] if rows else i]
        padded = (len(rows) + 1) * longest
        kept = (len(rows) + 1) * (besides + longest)
        if rows and (len(rows) == most or kept > tokens or padded > WASTE * (real + lengths[i])):
            yield rows
            rows, real = [], 0
        rows.append(i)
        real += lengths[i]
    if rows:
        yield rows
