"""What fits into the budgets: rows, tokens, steps, time and memory, said before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from groundtune.tune.packing import Pack

SAFETY = 0.97  # of the time budget is planned for; the rest covers saving


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be trained, how long that should take, and how much memory."""

    rows: int  # that will be seen, counting each epoch
    rows_given: int  # what all epochs would come to
    tokens: int
    steps: int
    seconds: float
    tokens_per_second: float
    memory_gb: float = 0.0  # weights, gradients, optimiser and activations together
    checkpointed: bool = False  # whether activations are computed twice to save memory
    packed: bool = True  # whether rows that begin alike are read together: not every model's layers allow that
    cut: int = 0  # of the different rows that are learnt from, too long to be learnt whole
    precision: str = "fp32"  # the number format of the frozen weights, "fp32" or "bf16"; as it was when first planned

    @property
    def left_out(self) -> int:
        """Rows that the time budget has no room for."""
        return self.rows_given - self.rows

    def fitted(self, new: Plan) -> Plan:
        """The same training at another speed: what does not depend on that stays."""
        kept = ("memory_gb", "checkpointed", "packed", "cut", "precision")
        return replace(new, **{name: getattr(self, name) for name in kept})


def fit(
    everything: Sequence[Sequence[Pack]],
    minutes: float,
    done: int,
    seconds: float,
    speed: float,
    reserved: float = 0.0,
) -> Plan:
    """As many steps as fit into the rest of the minutes at this speed (tokens a second), one at the least.

    `done` steps have taken `seconds`; `reserved`: seconds that are not for steps. Done anew at every checkpoint, since
    a machine is rarely as fast as a few trial steps said: so the rate comes down to zero just as the time runs out.
    Where all epochs fit, the plan is all of them at any speed.
    """
    room = (minutes * 60 * SAFETY - seconds - reserved) * speed
    steps = done
    while steps < len(everything) and ((room := room - tokens([everything[steps]])) > 0 or steps == 0):
        steps += 1
    chosen = everything[:steps]
    left = tokens(everything[done:steps]) / speed
    return Plan(rows(chosen), rows(everything), tokens(chosen), steps, seconds + left + reserved, speed)


def tokens(groups: Sequence[Sequence[Pack]]) -> int:
    """Tokens that are computed for some steps."""
    return sum(one.length for packs in groups for one in packs)


def rows(groups: Sequence[Sequence[Pack]]) -> int:
    """Rows that some steps learn from."""
    return sum(len(one.rows) for packs in groups for one in packs)
