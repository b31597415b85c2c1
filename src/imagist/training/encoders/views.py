"""Square views of an image for training: the whole image, its mirror image, random crops.

Shapes: V views, S side in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from imagist.arrays import Pixels
from imagist.images.photo import ImageSource, photo_of
from imagist.images.views import square
from imagist.records import Photo

COARSE_SIDES = (64, 128)  # pixels; only images with a longer short side are made coarse
MAX_STRETCH = 0.29  # of the logarithm of a crop's proportions


@dataclass(frozen=True)
class Views:
    """Makes V views of an image: the whole image, optionally its mirror image, then random crops.

    Attributes:
        side: S.
        number: V.
        min_area: The smallest share of the image's area that a crop keeps, in (0, 1].
        coarse: Share of crops that are first reduced to 64-128 pixels, in [0, 1]. Where the corpora differ in
            sharpness, this keeps a model from recognising the corpus instead of the content.
        mirror: Whether the second view is the mirror image of the first.
        seed: Of the crops.
    """

    side: int
    number: int = 1
    min_area: float = 0.5
    coarse: float = 0.0
    mirror: bool = True
    seed: int = 0

    def of(self, image: ImageSource, index: int) -> Pixels:
        """The views of one image, uint8 ``[V, S, S, 3]``; the crops depend on the seed and ``index`` alone."""
        photo = photo_of(image)
        whole = square(photo.pixels, self.side)
        views = [whole, whole[:, :, ::-1]] if self.mirror else [whole]
        views = views[: self.number]
        for view in range(len(views), self.number):
            views.append(self.crop(photo, np.random.default_rng((self.seed, index, view)))[None])
        return np.ascontiguousarray(np.concatenate(views))

    def crop(self, photo: Photo, rng: np.random.Generator) -> Pixels:
        """A random crop, uint8 ``[S, S, 3]``: mirrored or not, its contrast and brightness changed."""
        (whole,) = square(photo.pixels, self.side)
        left, top, width, height = self._box(rng)
        x = torch.from_numpy(np.array(whole[top : top + height, left : left + width])).permute(2, 0, 1)[None].float()
        low, high = COARSE_SIDES
        if rng.random() < self.coarse and min(photo.pixels.shape[:2]) > high:
            x = F.interpolate(x, (int(rng.integers(low, high + 1)),) * 2, mode="bilinear", antialias=True)
        x = F.interpolate(x, (self.side, self.side), mode="bicubic")
        if rng.random() < 0.5:
            x = x.flip(3)
        contrast, brightness = rng.uniform(0.8, 1.2), rng.uniform(-0.15, 0.15)
        x = ((x / 127.5 - 1) * contrast + brightness).clamp(-1, 1)
        pixels: Pixels = ((x[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        return pixels

    def _box(self, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Left, top, width and height of a crop, in pixels."""
        area, ratio = rng.uniform(self.min_area, 1), math.exp(rng.uniform(-MAX_STRETCH, MAX_STRETCH))
        width, height = (min(self.side, round(self.side * math.sqrt(area * r))) for r in (ratio, 1 / ratio))
        return int(rng.integers(self.side - width + 1)), int(rng.integers(self.side - height + 1)), width, height
