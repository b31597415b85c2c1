"""Distils the fused teacher into one image classifier (Hinton et al. 2015), which needs no caption at run time.

Shapes: N examples; C classes; D features; R rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import AnyArray, Array
from imagist.classifiers.calibration import Temperature
from imagist.classifiers.fusion import FeedForward
from imagist.errors import UsageError
from imagist.records import LabelSet
from imagist.settings import Share
from imagist.training.classifiers.feed_forward import Network, learn
from imagist.training.classifiers.history import Fitted

_UNKNOWN = -1


@dataclass(frozen=True)
class Distillation:
    """How an image classifier learns from the fused teacher.

    Attributes:
        kind: ``distilled``.
        network: Over the image's features; without hidden units it is a linear classifier.
        temperature: At which teacher and student are compared; above 1 the teacher's small probabilities count more.
        teacher: Weight of its probabilities against the truth, 0..1; where the truth is not known they count alone.
    """

    kind: Literal["distilled"] = "distilled"
    network: Network = field(default_factory=lambda: Network(hidden=0, weight_decay=1.0))
    temperature: PositiveFloat = 2.0
    teacher: Share = 0.7


def fit_distilled(
    settings: Distillation,
    features: Array,
    teacher: Array,
    targets: Sequence[int | None] | AnyArray,
    labels: LabelSet,
    dev: tuple[Array, AnyArray] | None = None,
    seed: int = 0,
) -> Fitted[FeedForward]:
    """Learns the teacher's probabilities, mixed with the truth where that is known.

    The teacher should not have been trained on these rows (take each fold's from the others), or it is surer of them
    than of any it will meet. Rows without a target, such as unlabelled images, teach what the teacher thinks of
    them.

    Args:
        settings: Of the network and its training.
        features: float32 ``[N, D]``, of the image alone.
        teacher: ``[N, C]``, fused and calibrated probabilities.
        targets: N of 0..C-1, None where the truth is not known.
        labels: C names.
        dev: Features and targets on which epochs are compared.
        seed: Of the first weights, the order and the dropout.

    Raises:
        UsageError: Shapes, targets or probabilities that make no sense, or a feature that is not finite.
    """
    truth = _truth(targets, len(labels))
    if teacher.shape != (len(features), len(labels)) or len(truth) != len(features):
        raise UsageError(
            f"needs one target and {len(labels)} probabilities for each of {len(features)} rows,"
            f" got {len(truth)} and {list(teacher.shape)}"
        )
    soft = torch.from_numpy(Temperature(settings.temperature).apply(teacher))
    known = truth != _UNKNOWN
    share = torch.where(known, settings.teacher, 1.0)

    def loss(logits: Tensor, rows: Tensor) -> Tensor:
        cooled = F.log_softmax(logits / settings.temperature, 1)
        # Gradients at a temperature shrink with its square, which is made good here, as in the paper.
        imitation = F.kl_div(cooled, soft[rows], reduction="none").sum(1) * settings.temperature**2
        own = F.cross_entropy(logits, truth[rows], ignore_index=_UNKNOWN, reduction="none")
        return (share[rows] * imitation + (1 - share[rows]) * own).mean()

    wanted = torch.where(known, truth, soft.argmax(1))
    network, history = learn(settings.network, features, wanted, loss, len(labels), dev, seed)
    return Fitted(network, history)


def _truth(targets: Sequence[int | None] | AnyArray, classes: int) -> Tensor:
    """int64 ``[N]``, -1 where it is not known."""
    known = np.asarray([target for target in targets if target is not None])
    if len(known) and (known.dtype.kind not in "iu" or not 0 <= known.min() <= known.max() < classes):
        raise UsageError(f"targets must be integers 0..{classes - 1}, or None")
    return torch.tensor([_UNKNOWN if target is None else int(target) for target in targets], dtype=torch.int64)
