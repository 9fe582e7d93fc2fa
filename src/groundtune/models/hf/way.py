"""The two ways to answer a batch by transformers' weights: both score choices, and decode whatever else is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from groundtune.models.hf.text import Said
from groundtune.tokens import ids_of_words
from groundtune.types import Limits

if TYPE_CHECKING:
    from groundtune.models.hf.backend import HFBackend
    from groundtune.models.hf.choices import Tokens

Prefix = tuple[list[int], Any]  # the ids that rows begin with, and what came of reading them


class Way(ABC):
    """Answers for one generator, of which it keeps the prefix."""

    def __init__(self, backend: HFBackend) -> None:
        self._backend = backend

    @abstractmethod
    def prefix(self, model: Any, ids: list[list[int]], limits: Limits) -> Prefix:
        """What the rows begin with, read."""

    @abstractmethod
    def batches(self, ids: list[list[int]], prefix: Prefix, limits: Limits) -> Iterator[list[int]]:
        """Row numbers in batches, the largest first, so that a lack of memory shows at once: of as many rows, and as
        many tokens with their replies, as the backend allows."""

    def complete(
        self,
        model: Any,
        ids: list[list[int]],
        choices: Sequence[tuple[str, ...]],
        limits: Limits,
        prefix: Prefix,
        streamer: Any = None,
    ) -> list[Said]:
        """What the model says to one batch: to a row with choices the most probable of them."""
        choosing = [row for row, some in enumerate(choices) if some]
        free = [row for row, some in enumerate(choices) if not some]
        said: dict[int, Said] = {}
        if choosing:
            some = [choices[row] for row in choosing]
            said |= zip(
                choosing, self._choose(model, [ids[row] for row in choosing], some, prefix, streamer), strict=True
            )
        if free:
            said |= zip(free, self._decode(model, [ids[row] for row in free], limits, prefix, streamer), strict=True)
        return [said[row] for row in range(len(ids))]

    @abstractmethod
    def _decode(
        self, model: Any, ids: list[list[int]], limits: Limits, prefix: Prefix, streamer: Any
    ) -> list[Said]: ...

    @abstractmethod
    def _shares(
        self, model: Any, ids: list[list[int]], choices: list[list[Tokens]], prefix: Prefix
    ) -> list[list[float]]:
        """The probability of each row's choices, 1 in all (choices.py)."""

    def _choose(
        self, model: Any, ids: list[list[int]], choices: list[tuple[str, ...]], prefix: Prefix, streamer: Any
    ) -> list[Said]:
        import torch

        texts = {text for some in choices for text in some}
        known = {text: tuple(ids_of_words(self._backend.tokenizer, text)) for text in texts}
        shares = self._shares(model, ids, [[known[text] for text in some] for some in choices], prefix)
        said = []
        for row, some, probable in zip(ids, choices, shares, strict=True):
            best = max(range(len(some)), key=probable.__getitem__)
            said.append(Said(some[best], len(known[some[best]]), probable[best]))
            if streamer is not None:
                streamer.put(torch.tensor(row))  # which it does not repeat
                streamer.put(torch.tensor(known[some[best]]))
        return said
