"""Tensors that every step of a recurrent network uses, with one gradient computation over all steps.

Shapes: m captions that have not ended, E width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Parts = list[tuple[Tensor, ...]]


class SharedLinear:
    """A product with the same weight at every step, whose gradient is one product over the rows of all steps.

    Autograd alone would compute a gradient of the weight's size at each step and, under autocast, add in bfloat16.

    Args:
        weight: ``[E', E]``.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight, self._parts = together(lowered(weight), _product_of_all)

    def __call__(self, x: Tensor) -> Tensor:
        """``[m, E]`` to ``[m, E']``, in autocast's type."""
        return _Product.apply(x.to(self._weight.dtype), self._weight, self._parts)  # type: ignore[no-any-return]


def together(x: Tensor, gradient: Callable[[Parts], Tensor]) -> tuple[Tensor, Parts]:
    """A tensor for every step, and the list to which each step's backward pass appends its part of the gradient.

    Args:
        x: The tensor.
        gradient: Computes the gradient from all parts; must hold no tensor that was computed from ``x``.
    """
    parts: Parts = []
    return _Together.apply(x, parts, gradient), parts


def lowered(x: Tensor) -> Tensor:
    """Casts to autocast's type, once for all products."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def raised(x: Tensor) -> Tensor:
    """Casts to float32 or more: on a CPU, tanh in bfloat16 takes five times as long."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, parts: Parts, gradient: Callable[[Parts], Tensor]) -> Tensor:
        ctx.parts, ctx.gradient = parts, gradient
        ctx.set_materialize_grads(False)  # steps return no gradient; theirs are in the parts
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, nothing: None) -> tuple[Tensor, None, None]:
        gradient = ctx.gradient(ctx.parts)
        ctx.parts.clear()
        return gradient, None, None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, parts: Parts) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.parts = parts
        return F.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, weight = ctx.saved_tensors
        ctx.parts.append((gradient, x))
        return gradient @ weight, None, None


def _product_of_all(parts: Parts) -> Tensor:
    left, right = (torch.cat(rows) for rows in zip(*parts, strict=True))
    return left.T @ right
