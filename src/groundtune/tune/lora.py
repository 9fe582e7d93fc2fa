"""LoRA layers whose forward and backward pass are written out: what PEFT leaves to autograd, in fewer steps.

The frozen weight stays in the number format that this machine multiplies fastest; the adapter's own are float32, as are
their gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from groundtune.errors import UserError

if TYPE_CHECKING:
    from groundtune.config import TuneTable

NAME = "default"  # of the one adapter that PEFT knows


class LoraProduct(torch.autograd.Function):
    """x W' + scale (x A') B' (Hu et al. 2021), A' the transpose of A.

    x: (..., in); weight (out, in), of x's format and frozen; a (rank, in) and b (out, rank) in float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, scale: float) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        a, b = a.to(weight.dtype), b.to(weight.dtype)
        inner = torch.nn.functional.linear(rows, a)  # (rows, rank)
        out = torch.nn.functional.linear(rows, weight, bias)
        out.addmm_(inner, b.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, a, b, inner)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, weight, a, b, inner = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])
        through = gradient @ b  # (rows, rank)
        of_x = None
        if ctx.needs_input_grad[0]:  # not so below the lowest adapter
            of_x = torch.addmm(gradient @ weight, through, a, alpha=ctx.scale).view(ctx.shape)
        of_a = (through.t() @ rows).float().mul_(ctx.scale)
        of_b = (gradient.t() @ inner).float().mul_(ctx.scale)
        return of_x, None, None, of_a, of_b, None


def with_lora(model: Any, table: TuneTable) -> Any:
    """The model with LoRA on all its linear layers; its own weights are frozen.

    Raises UserError where PEFT knows that this architecture cannot be tuned so.
    """
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import Linear

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
        if type(layer) is Linear and type(layer.base_layer) is torch.nn.Linear:  # others (4 bit) stay PEFT's
            layer.forward = _written_out(layer)  # type: ignore[method-assign]
    return tuned


def _written_out(layer: Any) -> Any:
    own, a, b, scale = layer.base_layer, layer.lora_A[NAME], layer.lora_B[NAME], layer.scaling[NAME]

    def forward(x: Any) -> Any:
        return LoraProduct.apply(x, own.weight, own.bias, a.weight, b.weight, scale)  # type: ignore[no-untyped-call]

    return forward
