"""How much memory a step of training takes, and how it is brought under a budget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from groundtune import four_bits

BYTES = 1e9  # of a gigabyte
STATES = 3  # of a trained weight besides itself: its gradient and AdamW's two


def kept_for_backward(loss: Callable[[], torch.Tensor], model: Any) -> int:
    """Bytes of the activations that a loss keeps for its backward pass; the model's own weights are not counted."""
    own = {tensor.untyped_storage().data_ptr() for tensor in model.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = loss()
    del kept
    return sum(seen.values())


def held(model: Any) -> int:
    """Bytes that training holds all the time: all weights, and the states of those that are trained."""
    weights = sum(four_bits.size(tensor) for tensor in model.parameters())
    trained = [tensor for tensor in model.parameters() if tensor.requires_grad]
    return int(weights + STATES * sum(tensor.nbytes for tensor in trained))


def compute_twice(model: Any) -> None:
    """Gradient checkpointing (Chen et al. 2016): of each layer only its input is kept, the rest is computed again.

    transformers would do so in training mode alone, in which many layers drop out what they compute by a flag of their
    own, so that the same rows would give other losses.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
