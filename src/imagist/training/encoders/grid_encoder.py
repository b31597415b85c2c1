"""A pretrained network as a module from pixels to a grid of features.

Shapes: N images, S side in pixels, L cells, D channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from imagist.errors import UsageError
from imagist.images.encoder import ClassHead


@dataclass(frozen=True, eq=False)
class Space:
    """The space of an encoder's features, where other encoders have the same.

    Attributes:
        name: Of the space, as on the cards of encoders.
        head: The layer that classifies the mean of a grid.
    """

    name: str
    head: ClassHead


class GridEncoder(nn.Module):
    """uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``: normalises the pixels and returns the last map before pooling.

    Args:
        network: From normalised ``[N, 3, S, S]`` to a map ``[N, D, h, w]``, ``[N, h, w, D]`` or tokens ``[N, L, D]``.
        channels: D.
        mean: Mean of the pixels in 0..1, one number a channel.
        std: Standard deviation of the pixels, likewise.
        architecture: Names what the network computes apart from its weights; part of the key of cached grids.
        space: Of its features; None where no other encoder has the same.
    """

    def __init__(
        self, network: nn.Module, channels: int, mean: Sequence[float], std: Sequence[float], architecture: str = "",
        space: Space | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.channels, self.architecture, self.space = network, channels, architecture, space
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", _of_channels(mean) * 255)
        self.register_buffer("std", _of_channels(std) * 255)

    def forward(self, pixels: Tensor) -> Tensor:
        """Encodes uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``."""
        return as_grid(self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std), self.channels)

    def train(self, mode: bool = True) -> GridEncoder:
        """Sets the training mode; batch norms keep their published statistics even while the weights are tuned."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _of_channels(values: Sequence[float]) -> Tensor:
    """``[1, 3, 1, 1]``, or ``[]`` where all are equal: ONNX Runtime takes ten times as long over a number a channel."""
    return torch.tensor(values).view(1, 3, 1, 1) if len({*values}) > 1 else torch.tensor(values[0])


def as_grid(features: Tensor, channels: int) -> Tensor:
    """Converts a map in either layout, or tokens, to ``[N, L, D]``.

    Raises:
        UsageError: No axis has D channels.
    """
    if features.ndim == 3 and features.shape[2] == channels:
        return features
    if features.ndim == 4 and features.shape[1] == channels:
        return features.flatten(2).transpose(1, 2)
    if features.ndim == 4 and features.shape[3] == channels:
        return features.flatten(1, 2)
    message = f"features of shape {list(features.shape)} are not a grid of {channels} channels"
    raise UsageError(message, item="backbone.name")
