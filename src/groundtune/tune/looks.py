"""What is looked at while a model learns, and when: held-out rows, which decide, and general text, which is replayed
once it becomes too perplexing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from groundtune.tune.learner import Learner
from groundtune.tune.packing import Pack
from groundtune.tune.plan import tokens
from groundtune.tune.state import State

LOOKS = 5  # at the held-out rows, in the second half of training
WATCHES = 8  # looks at general text, until it is replayed
WATCHED = 3  # one in so many of its rows, which is enough to tell times from tenths


class Looks:
    """Looks of one training. They are noted in its state."""

    def __init__(self, learner: Learner, deciding: Sequence[Pack], general: Sequence[Pack], forget_most: float) -> None:
        """deciding: held-out rows; general: text of which WATCHED says how much is looked at; either may be none."""
        self._learner = learner
        self._deciding = deciding
        self._watched = general[::WATCHED]
        self._forget_most = forget_most

    @property
    def decide(self) -> bool:
        """Whether there are held-out rows."""
        return bool(self._deciding)

    def tokens(self) -> int:
        """Tokens of a look at the held-out rows."""
        return tokens([self._deciding])

    def seconds(self, speed: float, state: State | None = None) -> float:
        """What is still to be looked at, at so many tokens of training a second: a step without its backward pass each.
        state: None before training."""
        looks, watches = LOOKS, WATCHES
        if state is not None:
            looks -= len(state.held_out)
            watches -= len(state.general) - 1 if state.replaying is None else WATCHES
        return (looks * self.tokens() + watches * tokens([self._watched])) / speed / 2

    def loss(self) -> float:
        """The mean loss on the held-out rows."""
        return self._learner.mean_loss(self._deciding)

    def is_due(self, state: State) -> bool:
        """Whether the held-out rows are looked at after this step: LOOKS times, the last one at the end."""
        return self.decide and (state.step >= state.next_look(LOOKS) or state.step == state.plan.steps)

    def look(self, state: State) -> bool:
        """Notes the loss on the held-out rows. Gives whether it is the best so far."""
        with _timed(state):
            state.held_out, state.looked = (*state.held_out, self.loss()), state.step
        return state.held_out[-1] == min(state.held_out)

    def begin(self, state: State) -> None:
        """Notes how perplexing general text is before training."""
        if self._watched and not state.general:
            with _timed(state):
                state.general = (self._learner.mean_loss(self._watched),)

    def forgets(self, state: State) -> bool:
        """Whether general text is to be replayed from this step on, before it has become too perplexing. It is looked
        at WATCHES times, while it is not replayed."""
        due = round(state.plan.steps * len(state.general) / (WATCHES + 1))
        if not self._watched or state.replaying is not None or len(state.general) > WATCHES:
            return False
        if not due <= state.step < state.plan.steps:  # after the last step nothing comes that could replay it
            return False
        with _timed(state):
            state.general = (*state.general, self._learner.mean_loss(self._watched))
        if state.perplexing <= math.sqrt(self._forget_most):
            return False
        state.replaying = state.step
        return True


@contextmanager
def _timed(state: State) -> Iterator[None]:
    """Notes the seconds that a look takes, which say nothing about the speed of training."""
    began = time.perf_counter()
    yield
    state.looking += time.perf_counter() - began
