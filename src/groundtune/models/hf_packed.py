"""Decoding by a loop of our own (hf_decoding.py), prompts packed: two times as fast as `generate`, and more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from groundtune.models.hf_choices import probabilities
from groundtune.models.hf_decoding import greedy, read_prefix
from groundtune.models.hf_prefix import KeptPrefix
from groundtune.models.hf_text import Said, text_of
from groundtune.models.hf_tree import Node
from groundtune.types import Limits

if TYPE_CHECKING:
    from groundtune.models.hf import HFBackend


class Packed:
    """Decodes for one generator: prompts that begin alike are neighbours, and what they share is read once."""

    def __init__(self, backend: HFBackend) -> None:
        self._backend = backend
        self._prefix: KeptPrefix[Node] = KeptPrefix()

    def prefix(self, model: Any, ids: list[list[int]]) -> tuple[list[int], Any]:
        """What the rows begin with, read."""
        return self._prefix.of(ids, lambda common: read_prefix(model, common))

    def batches(self, ids: list[list[int]], prefix: tuple[list[int], Any]) -> Iterator[list[int]]:
        """Row numbers in batches, neighbours in the order of their tokens together; the largest batch first, so that a
        lack of memory shows at once."""
        order = sorted(range(len(ids)), key=lambda row: ids[row])
        batches = [order[start : start + self._backend.batch] for start in range(0, len(order), self._backend.batch)]
        return iter(sorted(batches, key=lambda rows: -sum(len(ids[row]) for row in rows)))

    def complete(
        self,
        model: Any,
        ids: list[list[int]],
        choices: Sequence[tuple[str, ...]],
        limits: Limits,
        prefix: tuple[list[int], Any],
        streamer: Any = None,
    ) -> list[Said]:
        """What the model says to one batch, and how probable that was."""
        choosing = [row for row, some in enumerate(choices) if some]
        free = [row for row, some in enumerate(choices) if not some]
        said: dict[int, Said] = {}
        for rows, way in ((choosing, self._choose), (free, self._decode)):
            if rows:
                found = way(
                    model, [ids[row] for row in rows], [choices[row] for row in rows], limits, prefix[1], streamer
                )
                said |= zip(rows, found, strict=True)
        return [said[row] for row in range(len(ids))]

    def _decode(
        self, model: Any, ids: list[list[int]], _: Any, limits: Limits, root: Node | None, streamer: Any
    ) -> list[Said]:
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
        replies = greedy(model, ids, limits.max_tokens, done, root, say)
        return [text_of(tokenizer, one.tokens, ends, limits, math.exp(one.logprob)) for one in replies]

    def _choose(
        self, model: Any, ids: list[list[int]], choices: list[tuple[str, ...]], _: Any, root: Node | None, streamer: Any
    ) -> list[Said]:
        import torch

        known = {text: self._tokens(text) for text in {text for some in choices for text in some}}
        shares = probabilities(model, ids, [tuple(known[text] for text in some) for some in choices], root)
        said = []
        for row, some, probable in zip(ids, choices, shares, strict=True):
            best = max(range(len(some)), key=probable.__getitem__)
            said.append(Said(some[best], len(known[some[best]]), probable[best]))
            if streamer is not None:
                streamer.put(torch.tensor(row))
                streamer.put(torch.tensor(known[some[best]]))
        return said

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._backend.tokenizer(text, add_special_tokens=False)["input_ids"])
