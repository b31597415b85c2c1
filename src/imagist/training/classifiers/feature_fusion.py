"""Fits the network that joins the hidden states of both classifiers (feature-level fusion).

Shapes: N examples; C classes; E1, E2 widths of the hidden states of both classifiers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import AnyArray, Array
from imagist.classifiers.calibration import check_targets
from imagist.classifiers.fusion import FeatureFusion
from imagist.errors import UsageError
from imagist.records import LabelSet
from imagist.training.classifiers.feed_forward import Network, learn
from imagist.training.classifiers.history import Fitted


@dataclass(frozen=True)
class Features:
    """Feature-level fusion.

    Attributes:
        kind: ``features``.
        network: Over both hidden states side by side.
    """

    kind: Literal["features"] = "features"
    network: Network = field(default_factory=Network)


def fit_feature_fusion(
    settings: Features,
    image: Array,
    text: Array,
    targets: AnyArray,
    labels: LabelSet,
    dev: tuple[Array, Array, AnyArray] | None = None,
    seed: int = 0,
) -> Fitted[FeatureFusion]:
    """Learns from hidden states of items that neither classifier was trained on, or the network trusts both too much.

    Args:
        settings: Of the network and its training.
        image: float32 ``[N, E1]``.
        text: float32 ``[N, E2]``.
        targets: Integers ``[N]``, 0..C-1.
        labels: C names.
        dev: The same three of items on which epochs are compared.
        seed: Of the first weights, the order and the dropout.

    Raises:
        UsageError: Shapes or targets that make no sense, or a feature that is not finite.
    """
    x, t = _side_by_side(image, text), np.asarray(targets)
    check_targets(np.broadcast_to(np.float32(0), (len(x), len(labels))), t)
    truth = torch.from_numpy(t.astype(np.int64))

    def loss(logits: Tensor, rows: Tensor) -> Tensor:
        return F.cross_entropy(logits, truth[rows])

    held_out = None if dev is None else (_side_by_side(*dev[:2]), dev[2])
    network, history = learn(settings.network, x, truth, loss, len(labels), held_out, seed)
    return Fitted(FeatureFusion(network, image.shape[1], labels), history)


def _side_by_side(image: Array, text: Array) -> Array:
    if image.ndim != 2 or text.ndim != 2 or len(image) != len(text):
        raise UsageError(f"needs hidden states [N, E1] and [N, E2], got {list(image.shape)} and {list(text.shape)}")
    return np.concatenate([image, text], axis=1, dtype=np.float32)
