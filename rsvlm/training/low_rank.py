"""Layers with low-rank updates, in as few passes over memory as they need.

As peft computes ``W x + s B A x``, the input is copied to float32 and back, and the update
is a tensor of its own that is scaled and added: on a CPU that took a third of a step. Here
the update is added by the product that makes it, and the backward pass is written out.
"""

from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class _Updated(torch.autograd.Function):
    """``W x + b + s B A x`` for a frozen ``W`` and ``b``."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        """Return the output, shape (..., D_out), of the type of ``weight``.

        Args:
            ctx: Kept for the backward pass.
            inputs: Shape (..., D_in).
            weight: ``W``, shape (D_out, D_in).
            bias: ``b``, shape (D_out,), or None.
            down: ``A``, shape (r, D_in).
            up: ``B``, shape (D_out, r).
            scale: ``s``.
        """
        rows = inputs.to(weight.dtype).flatten(0, -2)
        a, b = down.to(weight.dtype), (scale * up).to(weight.dtype)
        inner = rows @ a.T
        outputs = nn.functional.linear(rows, weight, bias).addmm_(inner, b.T)
        ctx.save_for_backward(rows, inner, weight, a, b)
        ctx.scale, ctx.dtypes = scale, (inputs.dtype, down.dtype, up.dtype)
        return outputs.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the input, of ``A`` and of ``B``."""
        rows, inner, weight, a, b = ctx.saved_tensors
        shape = grads[0].shape[:-1]
        outer = grads[0].to(weight.dtype).flatten(0, -2)
        of_input, of_down, of_up = ctx.dtypes
        back = outer @ b
        inputs = None
        if ctx.needs_input_grad[0]:
            inputs = (outer @ weight).addmm_(back, a).view(*shape, -1).to(of_input)
        down = (back.T @ rows).to(of_down)
        up = (outer.T @ inner).to(of_up) * ctx.scale
        return inputs, None, None, down, up, None


def _forward(layer: Any, inputs: Tensor) -> Tensor:
    base, kind = layer.get_base_layer(), inputs.device.type
    (name,) = layer.active_adapters
    dtype = torch.promote_types(base.weight.dtype, layer.lora_A[name].weight.dtype)
    mixed = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    if mixed:
        dtype = torch.get_autocast_dtype(kind)
    with torch.autocast(kind, enabled=False) if mixed else nullcontext():
        output: Tensor = _Updated.apply(  # type: ignore[no-untyped-call]
            inputs,
            base.weight.to(dtype),
            base.bias if base.bias is None else base.bias.to(dtype),
            layer.lora_A[name].weight,
            layer.lora_B[name].weight,
            layer.scaling[name],
        )
    return output


def fuse_updates(model: nn.Module) -> None:
    """Let every layer of a model that peft gave a low-rank update compute it at once.

    Products are in the type of autocast, or else in the finer one of weight and updates;
    updates stay in theirs. Names, parameters and what is saved stay as they are.

    Args:
        model: With one adapter, without dropout.
    """
    from peft.tuners.lora import Linear

    for layer in model.modules():
        if isinstance(layer, Linear):
            layer.forward = partial(_forward, layer)
