"""What each step goes to: all rows in every epoch, and now and then general text from where it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundtune.config import TuneTable
from groundtune.tune.packing import Pack, steps

EVERY = 25  # one in so many steps goes to general text, where it is replayed because too much is forgotten


class Schedule:
    """The steps of a training. The same packs and settings give the same steps."""

    def __init__(self, packs: Sequence[Pack], general: Sequence[Pack], table: TuneTable) -> None:
        """general: rows of general text, each a pack of its own."""
        self._packs = packs
        self._general = general
        self._table = table

    def steps(self, replaying: int | None = None) -> list[list[Pack]]:
        """The steps of all epochs, each epoch in an order of its own. replaying: behind so many of them come steps of
        general text between the others. They are steps of their own, for a text has more tokens than many answers and
        would outweigh them."""
        epochs = int(self._table.epochs)
        ordered = [group for e in range(epochs) for group in self._epoch(e)]
        part = self._epoch(epochs)
        ordered = (ordered + part[: round((self._table.epochs - epochs) * len(part))]) or part[:1]
        return ordered if replaying is None else [*ordered[:replaying], *self._between(ordered[replaying:])]

    def _epoch(self, number: int) -> list[list[Pack]]:
        return steps(self._packs, self._table.batch, self._table.seed * 1000 + number)

    def _between(self, others: Sequence[list[Pack]]) -> Iterator[list[Pack]]:
        texts = self._texts(others)
        for turn, start in enumerate(range(0, len(others), EVERY - 1)):
            yield [self._general[number % len(self._general)] for number in range(turn * texts, (turn + 1) * texts)]
            yield from others[start : start + EVERY - 1]

    def _texts(self, others: Sequence[list[Pack]]) -> int:
        """General rows in a step of theirs: about as many tokens as other steps have, so that the share of the time
        that goes to them is their share of the steps; no more than a batch."""
        a_step = sum(one.length for packs in others for one in packs) / max(1, len(others))
        a_text = sum(one.length for one in self._general) / len(self._general)
        return min(self._table.batch, max(1, round(a_step / a_text)))
