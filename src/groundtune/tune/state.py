"""How far a training is, as its checkpoints keep it, and what it came to."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

from groundtune.tune.plan import Plan
from groundtune.types import Json

PATIENCE = 2  # so many looks in a row that are hopeless are enough
HOPELESS = 1.1  # times the best loss before; a few hundredths come and go, and are won back as the rate falls


@dataclass(frozen=True, slots=True)
class Trained:
    """What was trained: the plan, the time it really took (all attempts together), and the loss over its last tenth.

    rate: the highest learning rate; held_out: the loss on rows that were not learnt from, at each look; the adapter is
    that of the best. Empty where there were none. replaying: the step from which on general text was replayed, where
    that was needed.
    """

    plan: Plan
    seconds: float
    steps: int
    loss: float
    rate: float
    held_out: tuple[float, ...] = ()
    replaying: int | None = None

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(slots=True)
class State:
    """How far a training is."""

    plan: Plan
    step: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    trying: float = 0.0  # seconds of those that went into learning rates which were not chosen
    looking: float = 0.0  # seconds of those that went into looks at held-out rows and general text
    losses: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()
    looked: int = 0  # the step of the last look at the held-out rows
    general: tuple[float, ...] = ()  # the loss on general text: before training, and at each watch
    replaying: int | None = None  # the step from which on it is replayed

    @classmethod
    def of(cls, row: Json) -> State:
        """What stands in a checkpoint."""
        told = {one.name: row[one.name] for one in fields(cls) if one.name in row}
        lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
        return cls(**told | lists | {"plan": Plan(**row["plan"])})

    @property
    def perplexing(self) -> float:
        """How many times as perplexing as before general text was at the last watch."""
        return math.exp(self.general[-1] - self.general[0])

    def next_look(self, looks: int) -> int:
        """The step after which the held-out rows are looked at next, so many times in all: evenly over what is left of
        the second half, whose end moves as a machine is slower or faster than it was."""
        since = max(self.looked, self.plan.steps / 2)
        return round(since + (self.plan.steps - since) / max(1, looks - len(self.held_out)))

    @property
    def hopeless(self) -> bool:
        """Whether the last looks were all much worse than the best before them."""
        last, before = self.held_out[-PATIENCE:], self.held_out[:-PATIENCE]
        return bool(before) and min(last) > HOPELESS * min(before)
