"""A model that learns from packs: its loss and its gradients, strip by strip within the memory there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundtune.config import TuneTable
from groundtune.errors import UserError
from groundtune.tune import memory
from groundtune.tune.packing import Pack
from groundtune.tune.plan import tokens
from groundtune.tune.reading import apart, together

if TYPE_CHECKING:
    import torch

STRIP = 2048  # tokens that go through the model together, unless the memory is too small or a pack is longer
WARM_UP = 0.06  # of the steps


class Learner:
    """A model with LoRA layers, and what it does with packs."""

    def __init__(self, model: Any, packs: Sequence[Pack], packable: bool, table: TuneTable) -> None:
        """packs: all that will be learnt from; packable: whether they can be read together."""
        self.model = model
        self._table = table
        self._packs = packs
        self._read = together if packable else apart
        self.strip = max(STRIP, *(one.length for one in packs))
        self._room, self._cost = math.inf, memory.Cost()  # bytes for what goes through the model together

    def fit_memory(self, steps: Sequence[list[Pack]], copies: int, checkpointed: bool = False) -> tuple[float, bool]:
        """Sees to it that the steps take no more memory than they may: what goes through the model together gets
        smaller, then activations are computed twice. Gives the gigabytes, and whether they are.

        copies: that are kept of what is trained. Raises UserError where a single row needs more memory than there is.
        """
        longest = max(self._packs, key=lambda one: one.length)
        measured = memory.cost_computed_twice if checkpointed else memory.cost
        self._cost = measured(lambda: self.loss([longest]), longest, self.model)
        budget, held = self._table.memory_gb, memory.held(self.model, copies)
        self._room = math.inf if budget is None else budget * memory.BYTES - held
        alone = max(self._cost.of([one]) for one in self._packs)
        if alone <= self._room:
            most = max(self._cost.of(part) for step in steps for part in self._strips(step))
            return (held + most) / memory.BYTES, checkpointed
        if checkpointed:
            need = (held + alone) / memory.BYTES
            raise UserError(
                f"[tune] memory_gb = {budget:g} is too little: with the longest row alone the process takes "
                f"{need:.2f} GB",
                "allow more, or choose a smaller [retrieve] k, [index] passage_chars or [model]",
            )
        return self.fit_memory(steps, copies, checkpointed=True)

    def optimizer(self) -> torch.optim.Optimizer:
        """One that knows nothing of any step yet."""
        import torch

        return torch.optim.AdamW(self.trainable(), lr=self._table.rate, weight_decay=0.0, fused=True)

    def step(
        self, optimizer: torch.optim.Optimizer, packs: Sequence[Pack], done: float, highest: float
    ) -> float | None:
        """Learns from packs; done: the share of all steps before this one; highest: the rate at its highest. Gives the
        loss on what is learnt; None where all of it is general text."""
        import torch

        # The rate rises over the first steps, then falls in a straight line to zero.
        rate = highest * min(1.0, (done + 1e-3) / WARM_UP, (1 - done) / (1 - WARM_UP))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = self.backward(packs)
        torch.nn.utils.clip_grad_norm_(self.trainable(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    def backward(self, packs: Sequence[Pack]) -> float | None:
        """Adds a step's gradients strip by strip, so that memory does not grow with the step. Gives its loss on what is
        learnt; None where all of it is general text."""
        everything = sum(one.answers for one in packs)
        learnt = [one for one in packs if not one.replayed]
        total = 0.0
        for part in self._strips(learnt):
            loss = self.loss(part)
            (loss / everything).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        for part in self._strips([one for one in packs if one.replayed]):
            (self.drift(part) / everything).backward()  # type: ignore[no-untyped-call]
        return total / sum(one.answers for one in learnt) if learnt else None

    def loss(self, packs: Sequence[Pack]) -> torch.Tensor:
        """The sum of the cross-entropies of the answers' tokens."""
        import torch

        logits, right = self._logits(packs)
        return torch.nn.functional.cross_entropy(logits, right, reduction="sum")

    def drift(self, packs: Sequence[Pack]) -> torch.Tensor:
        """How far what the model expects of general text is from what it expected before it was tuned: the sum of the
        Kullback-Leibler divergences of its tokens (Li and Hoiem 2016, Learning without Forgetting)."""
        import torch

        with torch.no_grad(), self.model.disable_adapter():
            before = self._logits(packs)[0].log_softmax(-1)
        now = self._logits(packs)[0].log_softmax(-1)
        return torch.nn.functional.kl_div(now, before, reduction="sum", log_target=True)

    def mean_loss(self, packs: Sequence[Pack]) -> float:
        """The mean cross-entropy of a token of the answers, of which nothing is learnt here."""
        import torch

        with torch.no_grad():
            total = sum(float(self.loss(part)) for part in self._strips(packs))
        return total / sum(one.answers for one in packs)

    def trainable(self) -> list[Any]:
        """What is learnt."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def weights(self) -> dict[str, Any]:
        """The same by name, as it is at any time."""
        return {name: value.detach() for name, value in self.model.named_parameters() if value.requires_grad}

    def copied(self) -> dict[str, Any]:
        """The same as it is now."""
        return {name: value.clone() for name, value in self.weights().items()}

    def largest(self) -> float:
        """The largest of them, whatever its sign; no number where one of them is none."""
        import torch

        return float(torch.stack([weight.detach().abs().max() for weight in self.trainable()]).max())

    def load(self, weights: dict[str, Any]) -> None:
        """Takes such weights."""
        self.model.load_state_dict(weights, strict=False)

    def _strips(self, packs: Sequence[Pack]) -> list[list[Pack]]:
        """The packs in groups that go through the model together: of so many tokens as are fast and as there is memory
        for, or of one pack."""
        groups: list[list[Pack]] = []
        for one in packs:
            group = [*groups[-1], one] if groups else []
            if groups and tokens([group]) <= self.strip and self._cost.of(group) <= self._room:
                groups[-1].append(one)
            else:
                groups.append([one])
        return groups

    def _logits(self, packs: Sequence[Pack]) -> tuple[torch.Tensor, torch.Tensor]:
        """What the model says where answers stand, (answer tokens, vocabulary), and what is right; logits are computed
        there and nowhere else."""
        logits, right = self._read(self.model.get_base_model(), packs)
        return logits.float(), right
