"""How closely a student reproduces the maps of its teacher.

Shapes: N images, D channels, h and w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.images.photo import ImageSource
from imagist.training.encoders.distillation.images import normalised

BATCH = 50  # images


@torch.no_grad()
def fidelity(student: nn.Module, teacher: nn.Module, images: Sequence[ImageSource], side: int) -> dict[str, float]:
    """Compares the last maps of two networks on images that neither was trained on.

    Args:
        student: From ``[N, 3, S, S]`` in -1..1 to ``[N, D, h, w]``.
        teacher: Likewise.
        images: N of them.
        side: S, in pixels.

    Returns:
        ``r2``: the share of the teacher's variance that the student explains, at most 1. ``cosine``: the mean cosine
        of their pooled maps, -1..1.
    """
    student.eval()
    pairs = []
    for start in range(0, len(images), BATCH):
        x = normalised(images[start : start + BATCH], side)
        pairs.append((bf16(student, x), bf16(teacher, x)))
    ours, theirs = (torch.cat(maps) for maps in zip(*pairs, strict=True))
    cosine = F.cosine_similarity(ours.mean((2, 3)), theirs.mean((2, 3))).mean()
    return {"r2": r_squared(ours, theirs), "cosine": float(cosine)}


def r_squared(predicted: Tensor, wanted: Tensor) -> float:
    """The share of the variance of ``wanted`` about its channels' means that ``predicted`` explains, at most 1.

    Args:
        predicted: ``[N, D, h, w]``.
        wanted: ``[N, D, h, w]``.
    """
    deviations = wanted - wanted.mean((0, 2, 3), keepdim=True)
    return float(1 - ((predicted - wanted) ** 2).sum() / (deviations**2).sum())


def bf16(module: nn.Module, x: Tensor) -> Tensor:
    """Runs a module on a CPU in bfloat16 where that is safe, about twice as fast; the output is float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y: Tensor = module(x)
    return y.float()
