"""How closely a student reproduces its teacher, and how well it classifies.

Shapes: N images, D channels, h and w cells, S side of the input in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.training.encoders.distillation.images import normalised
from imagist.training.networks.efficientnet_lite import EfficientNetLite

BATCH = 50  # images


@torch.no_grad()
def fidelity(student: EfficientNetLite, teacher: EfficientNetLite, images: Tensor) -> dict[str, float]:
    """Compares the last maps of two networks on images that neither was trained on.

    Args:
        student: In eval mode.
        teacher: Likewise.
        images: uint8 ``[N, 3, S, S]``.

    Returns:
        ``r2``: the share of the teacher's variance that the student explains, at most 1. ``cosine``: the mean cosine
        of their pooled maps, -1..1.
    """
    ours, theirs = (last_maps(network, images) for network in (student, teacher))
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


@torch.no_grad()
def accuracy(network: EfficientNetLite, images: Tensor, classes: Tensor) -> dict[str, float]:
    """The share of images whose class is the network's first choice, and among its first five, 0..1.

    Args:
        network: In eval mode.
        images: uint8 ``[N, 3, S, S]``.
        classes: int64 ``[N]``.

    Returns:
        ``top1`` and ``top5``.
    """
    choices = network.head(last_maps(network, images).mean((2, 3))).topk(5, -1).indices
    right = (choices == classes[:, None].to(choices.device)).float()
    return {"top1": float(right[:, 0].mean()), "top5": float(right.sum(1).mean())}


@torch.no_grad()
def last_maps(network: EfficientNetLite, images: Tensor) -> Tensor:
    """float32 ``[N, D, h, w]`` of uint8 ``[N, 3, S, S]``, on the network's device."""
    device = next(network.parameters()).device
    return torch.cat([network(normalised(x.to(device))) for x in torch.split(images, BATCH)])
