"""The teacher, and how far a student is from it.

Shapes: n images of a batch, S side of the input in pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.classifiers.image.network import timm_library
from imagist.training.encoders.backbone import fill_weights
from imagist.training.encoders.distillation.recipe import Phase
from imagist.training.networks.efficientnet_lite import EfficientNetLite, maps


def open_teacher(weights: Path) -> EfficientNetLite:
    """Opens timm's ``tf_efficientnet_lite0``, in eval mode and frozen.

    Args:
        weights: Its safetensors file.

    Raises:
        DataError: The file cannot be read or belongs to another network.
    """
    published = timm_library().create_model("tf_efficientnet_lite0", pretrained=False)
    fill_weights(published, weights, "teacher")
    teacher = EfficientNetLite()  # of the same layers in the same order
    teacher.load_state_dict(dict(zip(teacher.state_dict(), published.state_dict().values(), strict=True)))
    return teacher.eval().requires_grad_(False)


def losses(student: EfficientNetLite, teacher: EfficientNetLite, x: Tensor, *, by_stage: bool) -> dict[str, Tensor]:
    """Compares all maps and the class probabilities of two networks.

    Args:
        student: The one that learns.
        teacher: The other.
        x: ``[n, 3, S, S]``.
        by_stage: Each stage of the student reads the teacher's map before it, not the student's own.

    Returns:
        ``maps``: the sum of the errors of all maps but the last; ``last_map``: the error of the last; ``classes`` and
        ``teacher_head``: the divergences, by either's head. See `Phase` for the units.
    """
    with torch.no_grad():
        wanted = maps(teacher.stages, x)
        goal = _log_probabilities(teacher, wanted[-1])
    if by_stage:
        found = [stage(before) for stage, before in zip(student.stages, [x, *wanted[:-1]], strict=True)]
    else:
        found = maps(student.stages, x)
    *errors, last = (map_error(ours, theirs) for ours, theirs in zip(found, wanted, strict=True))
    by_heads = (
        F.kl_div(_log_probabilities(network, found[-1]), goal, reduction="batchmean", log_target=True)
        for network in (student, teacher)
    )
    return {
        "maps": torch.stack(errors).sum(),
        "last_map": last,
        **dict(zip(("classes", "teacher_head"), by_heads, strict=True)),
    }


def weighted(parts: dict[str, Tensor], phase: Phase, progress: float) -> Tensor:
    """The loss of a phase: the weighted sum of what `losses` returns.

    Args:
        parts: The losses.
        phase: Its weights.
        progress: The share of its steps that are made, 0..1.
    """
    first, least = phase.map_weights
    weights = {
        "maps": max(least, first * (1 - progress)),
        "last_map": phase.last_map_weight,
        "classes": phase.class_weight,
        "teacher_head": phase.teacher_head_weight,
    }
    return torch.stack([weight * parts[name] for name, weight in weights.items()]).sum()


def map_error(found: Tensor, wanted: Tensor) -> Tensor:
    """The mean over channels of the squared error over the variance of the wanted map; both ``[n, D, h, w]``."""
    found, wanted = found.float(), wanted.float()
    return (((found - wanted) ** 2).mean((0, 2, 3)) / wanted.var((0, 2, 3)).clamp_min(1e-3)).mean()


def _log_probabilities(network: EfficientNetLite, last_map: Tensor) -> Tensor:
    return F.log_softmax(network.head(last_map.float().mean((2, 3))).float(), -1)
