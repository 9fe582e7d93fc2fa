"""LoRA layers whose forward and backward pass are written out: what PEFT leaves to autograd, in fewer steps.

The frozen weight stays in the number format that this machine multiplies fastest; the adapter's own are float32, as are
their gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from groundtune import four_bits
from groundtune.errors import UserError

if TYPE_CHECKING:
    from groundtune.config import TuneTable

NAME = "default"  # of the one adapter that PEFT knows


class LoraProduct(torch.autograd.Function):
    """x W' + scale (x A') B' (Hu et al. 2021), A' the transpose of A.

    x: (..., in); own: the frozen linear layer, (out, in), whose weight is unpacked for each pass where it lies in 4
    bits (Dettmers et al. 2023); a (rank, in) and b (out, rank) in float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, own: Any, a: Any, b: Any, scale: float) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        a, b = a.to(x.dtype), b.to(x.dtype)
        inner = torch.nn.functional.linear(rows, a)  # (rows, rank)
        out = torch.nn.functional.linear(rows, four_bits.weight(own, x.dtype), own.bias)
        out.addmm_(inner, b.t(), alpha=scale)
        ctx.save_for_backward(rows, a, b, inner)
        ctx.own, ctx.scale, ctx.shape = own, scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, a, b, inner = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, len(b))
        through = gradient @ b  # (rows, rank)
        of_x = None
        if ctx.needs_input_grad[0]:  # not so below the lowest adapter
            weight = four_bits.weight(ctx.own, gradient.dtype)
            of_x = torch.addmm(gradient @ weight, through, a, alpha=ctx.scale).view(ctx.shape)
        of_a = (through.t() @ rows).float().mul_(ctx.scale)
        of_b = (gradient.t() @ inner).float().mul_(ctx.scale)
        return of_x, None, of_a, of_b, None


def with_lora(model: Any, table: TuneTable) -> Any:
    """The model with LoRA on all its linear layers; its own weights are frozen.

    Raises UserError where PEFT knows that this architecture cannot be tuned so.
    """
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer

    config = LoraConfig(
        r=table.rank, lora_alpha=2 * table.rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    # Gradients need no training mode, and without it the base model's dropout stays off: a resumed run is the same run.
    try:
        tuned = get_peft_model(model, config).eval()
    except ValueError as error:
        problem = f"[model] name: {model.config.model_type} cannot be tuned with LoRA on all linear layers ({error})"
        raise UserError(problem, "choose another model, or approaches of the base generator alone") from error
    for layer in tuned.modules():
        if isinstance(layer, LoraLayer) and _is_known(layer.base_layer):  # others (8 bit, Conv1D) stay PEFT's
            layer.forward = _written_out(layer)
    return tuned


def _is_known(layer: Any) -> bool:
    return type(layer) is torch.nn.Linear or four_bits.is_packed(layer)


def _written_out(layer: Any) -> Any:
    own, a, b, scale = layer.base_layer, layer.lora_A[NAME], layer.lora_B[NAME], layer.scaling[NAME]

    def forward(x: Any) -> Any:
        if layer.disable_adapters:
            return own(x)
        return LoraProduct.apply(x, own, a.weight, b.weight, scale)  # type: ignore[no-untyped-call]

    return forward
