"""How photos are varied while a network is tuned on them.

Shapes: H, W height and width of a photo; S side in pixels; R photos of a batch; C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Pixels


class Augmentation:
    """One varied view of a photo: a crop, mirrored or not, its light and colour changed.

    It draws from torch's own generator.

    Args:
        side: S.
        min_crop_area: Smallest share of the photo that a crop keeps, in (0, 1].
        colour: How far brightness, contrast and saturation may go off, in [0, 1].
    """

    def __init__(self, side: int, min_crop_area: float, colour: float) -> None:
        from torchvision.transforms import v2  # here, for it takes as long to import as torch

        self._varied = v2.Compose(
            [
                v2.RandomResizedCrop(side, scale=(min_crop_area, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour),
            ]
        )

    def __call__(self, pixels: Pixels) -> Tensor:
        """uint8 ``[H, W, 3]`` to uint8 ``[S, S, 3]``."""
        varied: Tensor = self._varied(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))
        return varied.permute(1, 2, 0)


def mixed(pixels: Tensor, goals: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each photo of a batch mixed with another, and their labels in the same proportion (mixup, Zhang et al. 2018).

    Args:
        pixels: ``[R, S, S, 3]``.
        goals: float32 ``[R, C]``, rows sum to 1.
        alpha: Of the beta distribution of the proportion; 0 mixes nothing.
        rng: Source of the randomness.

    Returns:
        float32 of the same shapes; the larger part is always that of the photo in its own place.
    """
    if not alpha:
        return pixels.float(), goals
    drawn = float(rng.beta(alpha, alpha))
    own, other = max(drawn, 1 - drawn), torch.from_numpy(rng.permutation(len(pixels)))
    return own * pixels.float() + (1 - own) * pixels[other].float(), own * goals + (1 - own) * goals[other]
