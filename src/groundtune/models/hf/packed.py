"""Decoding by a loop of our own (decoding.py), prompts packed: two times as fast as `generate`, and more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from groundtune.models.hf.choices import Tokens, probabilities
from groundtune.models.hf.decoding import greedy, read_prefix
from groundtune.models.hf.prefix import KeptPrefix
from groundtune.models.hf.text import Said, text_of
from groundtune.models.hf.tree import Node
from groundtune.models.hf.way import Prefix, Way
from groundtune.types import Limits

if TYPE_CHECKING:
    from groundtune.models.hf.backend import HFBackend


class Packed(Way):
    """Prompts that begin alike are neighbours, and what they share is read once."""

    def __init__(self, backend: HFBackend) -> None:
        super().__init__(backend)
        self._prefix: KeptPrefix[Node] = KeptPrefix()

    def prefix(self, model: Any, ids: list[list[int]], _: Limits) -> Prefix:
        """What the rows begin with, and its node."""
        return self._prefix.of(ids, lambda common: read_prefix(model, common))

    def batches(self, ids: list[list[int]], prefix: Prefix, limits: Limits) -> Iterator[list[int]]:
        """Row numbers in batches, neighbours in the order of their tokens together; the largest batch first."""
        batches: list[list[int]] = []
        longest = 0
        for row in sorted(range(len(ids)), key=lambda row: ids[row]):
            own = len(ids[row]) - len(prefix[0]) + limits.max_tokens
            longest = max(longest, own)  # in a batch each row has as much room as the longest
            full = batches and (len(batches[-1]) + 1) * longest > self._backend.batch_tokens
            if not batches or full or len(batches[-1]) == self._backend.batch:
                batches.append([])
                longest = own
            batches[-1].append(row)
        return iter(sorted(batches, key=lambda rows: -sum(len(ids[row]) for row in rows)))

    def _decode(self, model: Any, ids: list[list[int]], limits: Limits, prefix: Prefix, streamer: Any) -> list[Said]:
        import torch

        tokenizer = self._backend.tokenizer
        ends = self._backend.ends(limits.stop)
        stops = [stop for stop in limits.stop if len(stop) > 1]

        def done(tokens: list[int]) -> bool:
            if tokens[-1] in ends:
                return True
            return bool(stops) and any(stop in tokenizer.decode(tokens, skip_special_tokens=True) for stop in stops)

        def say(token: int) -> None:
            if streamer is not None:
                streamer.put(torch.tensor([token]))

        for row in ids if streamer else []:
            streamer.put(torch.tensor(row))  # which it does not repeat
        replies = greedy(model, ids, limits.max_tokens, done, prefix[1], say)
        return [text_of(tokenizer, one.tokens, ends, limits, math.exp(one.logprob)) for one in replies]

    def _shares(
        self, model: Any, ids: list[list[int]], choices: list[list[Tokens]], prefix: Prefix
    ) -> list[list[float]]:
        return probabilities(model, ids, choices, prefix[1])
