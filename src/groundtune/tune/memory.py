"""How much memory a step of training takes, and how it is brought under a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from groundtune import four_bits, heap
from groundtune.tune.packing import Pack

BYTES = 1e9  # of a gigabyte
STATES = 3  # of a trained weight besides itself: its gradient and AdamW's two
KEPT = 4  # bytes of a logit that are kept for the backward pass, as a log-probability
LOGIT = 12  # bytes of one at the worst: that, its gradient, and what the model computed
MARGIN = 1.2  # times all that: gradients on their way, and holes between tensors of many sizes (benchmarks/LOG.md)
LIBRARIES = 3e8  # bytes of what is loaded only while a process trains and saves: optimisers, autograd, model cards


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes that it takes to learn from packs: for a token, and besides for one that the loss is on, which has logits.

    Of documents and general text that is nearly every token, of answers few; general text has the logits of the model
    before it was tuned besides.
    """

    token: float = 0.0
    answer: float = 0.0

    def of(self, packs: Sequence[Pack]) -> float:
        """Bytes of packs that go through the model together."""
        return sum(self.token * one.length + self.answer * one.answers * (1 + one.replayed) for one in packs)


def cost(loss: Callable[[], torch.Tensor], one: Pack, model: Any) -> Cost:
    """What packs like this one take; loss: that of this one."""
    words = model.config.get_text_config().vocab_size
    activations = kept_for_backward(loss, model) - KEPT * words * one.answers
    return Cost(MARGIN * max(0, activations) / one.length, MARGIN * LOGIT * words)


def cost_computed_twice(loss: Callable[[], torch.Tensor], one: Pack, model: Any) -> Cost:
    """The same with activations that are computed twice, as they will be from now on: those of one layer at a time."""
    once = cost(loss, one, model)
    layers = compute_twice(model.get_base_model())
    twice = cost(loss, one, model)
    return replace(twice, token=twice.token + once.token / max(1, layers))


def kept_for_backward(loss: Callable[[], torch.Tensor], model: Any) -> int:
    """Bytes of the activations that a loss keeps for its backward pass; the model's own weights are not counted."""
    own = {tensor.untyped_storage().data_ptr() for tensor in model.parameters()}
    seen: dict[int, int] = {}
    alive: list[torch.UntypedStorage] = []  # so that none takes the place of another one
    nothing = torch.empty(0)

    def note(tensor: torch.Tensor) -> torch.Tensor:
        """The graph itself keeps nothing: a tensor of its own there would hold the graph that holds it, for ever."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
            alive.append(storage)
        return nothing

    with torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept):
        loss()
    return sum(seen.values())


def held(model: Any, copies: int = 0) -> int:
    """Bytes that training holds all the time: all weights, and the states and copies of those that are trained. On a
    processor all else that this process holds as well, for it is the process that has to fit into the machine."""
    everything = weights(model)
    if model.device.type == "cpu":
        heap.give_back()
        everything = max(everything, heap.in_use()) + int(LIBRARIES)
    return everything + int(
        (STATES + copies) * sum(tensor.nbytes for tensor in model.parameters() if tensor.requires_grad)
    )


def weights(model: Any) -> int:
    """Bytes of all weights, packed or not."""
    return int(sum(four_bits.size(tensor) for tensor in model.parameters()))


def compute_twice(model: Any) -> int:
    """Gradient checkpointing (Chen et al. 2016): of each layer only its input is kept, the rest is computed again.

    Gives the number of layers.

    transformers would do so in training mode alone, in which many layers drop out what they compute by a flag of their
    own, so that the same rows would give other losses.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    return len(layers)
