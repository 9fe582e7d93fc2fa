"""The number format of the frozen weights while an adapter is trained over them; the adapter itself is fp32."""

from __future__ import annotations

from typing import Any

from groundtune.config import TuneTable
from groundtune.kernels import bf16_is_faster


def natural_precision(model: Any, table: TuneTable) -> str:
    """The number format for the frozen weights of a new training: as loaded on a GPU or in 4 bits, else by the
    settings, else what this processor multiplies fastest: a measurement, which may come out otherwise next time."""
    import torch

    if model.device.type == "cuda" or _packed_weights(model):
        return "bf16" if model.dtype == torch.bfloat16 else "fp32"
    if table.precision == "auto":
        return "bf16" if bf16_is_faster() else "fp32"
    return table.precision


def in_format(model: Any, precision: str) -> Any:
    """The model with its frozen weights in this number format; those in 4 bits stay as they are."""
    import torch

    return model if _packed_weights(model) else model.to(torch.bfloat16 if precision == "bf16" else torch.float32)


def _packed_weights(model: Any) -> bool:
    return bool(getattr(model, "is_quantized", False))
