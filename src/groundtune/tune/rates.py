"""Chooses a learning rate: each does the first steps, and the best on held-out rows goes on from there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from groundtune.config import TuneTable
from groundtune.tune.learner import Learner
from groundtune.tune.looks import Looks
from groundtune.tune.packing import Pack
from groundtune.tune.plan import tokens
from groundtune.tune.state import State
from groundtune.types import Progress

STEPS = 0.06  # of the steps are done at each rate, and no fewer than 4 steps
TRYING = 0.4  # of the minutes may go before another one is tried
COPIES = 5  # of what is trained, meanwhile: untrained, at this rate, at the best with AdamW's states


class Rates:
    """The learning rates that one training tries."""

    def __init__(self, learner: Learner, looks: Looks, table: TuneTable) -> None:
        """looks: without held-out rows nothing could choose, so none is tried."""
        self._learner = learner
        self._looks = looks
        self._table = table

    @property
    def usual(self) -> float:
        """The highest rate of a training that tries none. A single one to try needs no trial."""
        rates = self._table.try_rates
        return rates[0] if len(rates) == 1 else self._table.rate

    @property
    def setting(self) -> str:
        """The name of the setting that a training's rate comes from."""
        return "try_rates" if self.in_vain or len(self._table.try_rates) == 1 else "rate"

    @property
    def in_vain(self) -> int:
        """How many are tried and not chosen."""
        return max(0, len(self._table.try_rates) - 1) if self._looks.decide else 0

    def seconds(self, speed: float, everything: Sequence[list[Pack]], steps: int) -> float:
        """What those take, with a look at held-out rows each, at so many tokens of training a second."""
        return self.in_vain * (tokens(everything[: _first(steps)]) + self._looks.tokens() / 2) / speed

    def choose(
        self,
        state: State,
        everything: Sequence[list[Pack]],
        has_time: Callable[[float], bool],
        progress: Progress,
    ) -> Any:
        """Does the first steps at each rate: the model and the state are then as after those at the best. Gives its
        optimiser. has_time: whether less than a share of the minutes has gone; a slow machine tries fewer."""
        first, began = self._learner.copied(), time.perf_counter()
        steps = everything[: _first(state.plan.steps)]
        best = self._at(self._table.try_rates[0], steps, state.plan.steps)
        said = [best.said]
        for rate in self._table.try_rates[1:]:
            if not has_time(TRYING):
                progress.say(f"[tune] minutes = {self._table.minutes:g} leaves no time to try the rate {rate:g}")
                continue
            self._learner.load(first)
            tried = self._at(rate, steps, state.plan.steps)
            said.append(tried.said)
            best = min(best, tried, key=lambda one: (not math.isfinite(one.loss), one.loss))
            del tried  # before the next one takes as much memory
        self._learner.load(best.weights)
        state.rate, state.losses, state.step = best.rate, best.losses, len(steps)
        state.trying = (time.perf_counter() - began) * (1 - 1 / len(said))
        progress.say(
            f"learning rate {state.rate:g}: loss on held-out rows after {len(steps)} steps at {', '.join(said)}"
        )
        progress.advance(tokens(steps))
        return best.optimizer

    def _at(self, rate: float, steps: Sequence[list[Pack]], of: int) -> _Tried:
        """The first steps, of so many, at a rate."""
        optimizer = self._learner.optimizer()
        losses = [self._learner.step(optimizer, packs, number / of, rate) for number, packs in enumerate(steps)]
        learnt = tuple(loss for loss in losses if loss is not None)
        return _Tried(rate, self._looks.loss(), learnt, self._learner.copied(), optimizer)


@dataclass(frozen=True, slots=True)
class _Tried:
    """loss: on held-out rows; losses, weights, optimizer: where the steps led."""

    rate: float
    loss: float
    losses: tuple[float, ...]
    weights: dict[str, Any]
    optimizer: Any

    @property
    def said(self) -> str:
        return f"{self.rate:g} {self.loss:.3f}"


def _first(steps: int) -> int:
    """Of so many steps, those that are done at each rate."""
    return min(steps, max(4, round(STEPS * steps)))
