"""Cross-entropy with label smoothing in one pass over the logits, the largest tensor of a training step.

Shapes: M words, V words of the vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from imagist.training.networks.sharing import raised

AT_ONCE = 128  # rows, so that their logits fit into the CPU's cache


def smoothed_cross_entropy(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """The sum of the cross-entropies of logits ``[M, V]``, in float32 or more.

    Equals ``F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")`` but makes no float32 copy of
    the logits. The sum is in float32 for logits of any type; the gradient has the type of the logits.

    Args:
        logits: ``[M, V]``.
        target: int64 ``[M]``.
        smoothing: Share of the target that is spread over all V words.
    """
    total: Tensor = _SmoothedCrossEntropy.apply(logits, target, smoothing)
    return total


class _SmoothedCrossEntropy(torch.autograd.Function):
    """Computes the gradient together with the loss, some rows at a time."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
        total = raised(logits.new_zeros(()))
        gradient = torch.empty_like(logits)
        parts = (torch.split(x, AT_ONCE) for x in (logits, target, gradient))
        for rows, targets, out in zip(*parts, strict=True):
            x = raised(rows)
            normaliser = x.logsumexp(1, keepdim=True)
            expected = (1 - smoothing) * x.gather(1, targets[:, None])[:, 0] + smoothing * x.mean(1)
            total += (normaliser[:, 0] - expected).sum()
            difference = x.sub(normaliser).exp_().sub_(smoothing / x.shape[1])
            difference.scatter_add_(1, targets[:, None], difference.new_full((len(targets), 1), smoothing - 1))
            out.copy_(difference)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * loss.to(gradient.dtype), None, None
