"""What every step of a recurrent network uses, whose gradient is made once of all steps instead of added up by each.

Shapes: m sentences that still speak, E width.
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

    Autograd alone makes a gradient of the weight's size at each step and adds it up, under autocast in bfloat16.

    Args:
        weight: ``[E', E]``.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight, self._parts = together(lowered(weight), _product_of_all)

    def __call__(self, x: Tensor) -> Tensor:
        """``[m, E]`` to ``[m, E']``, in the type of autocast."""
        return _Product.apply(x.to(self._weight.dtype), self._weight, self._parts)  # type: ignore[no-any-return]


def together(x: Tensor, gradient: Callable[[Parts], Tensor]) -> tuple[Tensor, Parts]:
    """A tensor that every step uses, and where the way back through each step leaves its part of the gradient.

    Args:
        x: The tensor.
        gradient: Makes one of all parts, after the last of them; must not hold what was made of ``x``.
    """
    parts: Parts = []
    return _Together.apply(x, parts, gradient), parts


def lowered(x: Tensor) -> Tensor:
    """As autocast gives it to products, once for all of them."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def raised(x: Tensor) -> Tensor:
    """In float32 if it was less: on a processor, tanh in bfloat16 takes five times as long."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, parts: Parts, gradient: Callable[[Parts], Tensor]) -> Tensor:
        ctx.parts, ctx.gradient = parts, gradient
        ctx.set_materialize_grads(False)  # the steps give none: theirs are in the parts
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
