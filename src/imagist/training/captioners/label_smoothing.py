"""Cross-entropy with label smoothing, in one pass over logits that are the largest thing a step of training makes.

Shapes: M words, V words known.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from imagist.training.networks.sharing import raised

AT_ONCE = 128  # rows: their logits stay in a processor's cache


def smoothed(logits: Tensor, goal: Tensor, smoothing: float) -> Tensor:
    """The sum of the cross-entropies of ``[M, V]`` with a share of the goal spread over all words (float32 or more).

    What ``F.cross_entropy(..., label_smoothing=smoothing, reduction="sum")`` gives, without tensors of float32
    beside the logits. Logits of any type are summed up in float32; their gradient is of their type.
    """
    total: Tensor = _Smoothed.apply(logits, goal, smoothing)
    return total


class _Smoothed(torch.autograd.Function):
    """The gradient is made with the loss, some rows at a time."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, goal: Tensor, smoothing: float) -> Tensor:
        total = raised(logits.new_zeros(()))
        gradient = torch.empty_like(logits)
        parts = (torch.split(x, AT_ONCE) for x in (logits, goal, gradient))
        for rows, goals, to in zip(*parts, strict=True):
            x = raised(rows)
            spread = x.logsumexp(1, keepdim=True)
            wanted = (1 - smoothing) * x.gather(1, goals[:, None])[:, 0] + smoothing * x.mean(1)
            total += (spread[:, 0] - wanted).sum()
            chances = x.sub(spread).exp_().sub_(smoothing / x.shape[1])
            chances.scatter_add_(1, goals[:, None], chances.new_full((len(goals), 1), smoothing - 1))
            to.copy_(chances)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * loss.to(gradient.dtype), None, None
