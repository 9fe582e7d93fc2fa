"""Weights in 4 bits: NF4 with double quantisation, as in QLoRA (Dettmers et al. 2023), by bitsandbytes.

They lie in memory in 4 bits and are multiplied in the model's own number format: each product unpacks its weight anew.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import partial
from typing import Any

from groundtune.errors import UserError

# PEFT imports bitsandbytes wherever it is installed, and then that tells of kernels which nobody asked for.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

BLOCK = 64  # weights that share a scale
ROWS = 32  # of a trial
FAR = 0.25  # of a block's largest weight: NF4 is up to 0.15 off, its scale some hundredths


def settings(dtype: Any) -> Any:
    """What transformers loads a model in 4 bits by, to compute in a format. Raises UserError without bitsandbytes."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "[model] bits = 4 needs bitsandbytes, which is not installed",
            "run: pip install 'groundtune[qlora]' (or leave bits out)",
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def prepare(model: Any) -> None:
    """Makes a model that was loaded in 4 bits ready for use.

    On a processor bitsandbytes' own product may repack the weight at its first use, with rougher scales and without
    gradients, so there the product is ours. Raises UserError where bitsandbytes unpacks weights of the model's shapes
    wrongly, or cannot do so on this machine.
    """
    packed = [layer for layer in model.modules() if is_packed(layer)]
    for width in {layer.in_features for layer in packed}:
        _try(width, model.device)
    if model.device.type == "cpu":
        for layer in packed:
            layer.forward = partial(_product, layer)


def is_packed(layer: Any) -> bool:
    """Whether a layer's weight lies in 4 bits."""
    return getattr(getattr(layer, "weight", None), "quant_state", None) is not None


def weight(layer: Any, dtype: Any) -> Any:
    """The weight of a linear layer, (out, in), unpacked where it lies in 4 bits, in a number format."""
    if not is_packed(layer):
        return layer.weight.to(dtype)
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)


def size(weight: Any) -> int:
    """Bytes of a weight, with the scales of one that lies in 4 bits."""
    state = getattr(weight, "quant_state", None)
    scales = () if state is None else [value for value in state.as_dict().values() if hasattr(value, "nbytes")]
    return int(weight.nbytes + sum(value.nbytes for value in scales))


def _product(layer: Any, x: Any) -> Any:
    import torch

    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    return torch.nn.functional.linear(x, weight(layer, x.dtype), bias)


def _try(width: int, device: Any) -> None:
    """Packs and unpacks a weight with rows so wide: bitsandbytes 0.50 gives wrong ones on some processors where the
    width is no multiple of BLOCK, and an error where it was built for another machine."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    given = torch.randn(ROWS, width, generator=torch.Generator().manual_seed(0)).to(device)
    given *= torch.linspace(1, 4, ROWS, device=device)[:, None]  # so that each block's scale is another
    try:
        found = dequantize_4bit(*quantize_4bit(given, quant_type="nf4", compress_statistics=True))
    except (RuntimeError, NotImplementedError) as error:
        raise UserError(
            f"[model] bits = 4: bitsandbytes does not run here ({error})",
            "run: python -m bitsandbytes (it says what it lacks), or leave bits out",
        ) from error
    blocks, errors = (
        torch.nn.functional.pad(values.flatten(), (0, -values.numel() % BLOCK)).view(-1, BLOCK).abs()
        for values in (given, found - given)
    )
    if bool((errors > FAR * blocks.amax(1, keepdim=True)).any()):
        raise UserError(
            f"[model] bits = 4: bitsandbytes gives wrong numbers here for rows of {width:,} weights",
            "leave bits out, or take another version of bitsandbytes or another model",
        )
