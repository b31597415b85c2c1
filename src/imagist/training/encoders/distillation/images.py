"""The images of a distillation: decoded once, changed at every step on the device that trains.

Shapes: N images; n images of a batch; s side of the images in memory, S side of the input, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.errors import DataError
from imagist.images.photo import as_photo
from imagist.images.views import square
from imagist.records import Row
from imagist.training.encoders.distillation.recipe import Augmentation, DistillationRecipe
from imagist.training.image_rows import read_rows
from imagist.training.parallel import parallel_map

# half of the width of each range; colours are in -1..1
STRETCH = 0.35  # of the logarithm of a crop's width over its height
CONTRAST, SATURATION, BRIGHTNESS, TINT = 0.3, 0.45, 0.2, 0.06  # about 1, 1, 0 and, for each channel, 0
GREY = 0.05  # share of images without colour
PATCH = 0.3, 0.7  # side of the square that cutmix replaces, as a share of the image's


def read_pixels(rows: Sequence[Row], side: int) -> Tensor:
    """Decodes whole images: uint8 ``[N, 3, s, s]``.

    Raises:
        ItemError: An image cannot be read.
    """
    pixels = torch.empty((len(rows), 3, side, side), dtype=torch.uint8)

    def fill(number: int) -> None:
        pixels[number] = torch.from_numpy(square(as_photo(rows[number]).pixels, side)[0].copy()).permute(2, 0, 1)

    parallel_map(fill, range(len(rows)))
    return pixels


def read_classes(rows: Sequence[Row]) -> Tensor:
    """The numbers in the column ``index``: int64 ``[N]``.

    Raises:
        DataError: A row has none.
    """
    try:
        return torch.tensor([int(str(row.columns["index"])) for row in rows], dtype=torch.int64)
    except (KeyError, ValueError) as error:
        item = rows[0].source if rows else None
        raise DataError("needs the number of a class in every row", item=item, remedy="see its column index") from error


def normalised(pixels: Tensor) -> Tensor:
    """Numbers 0..255 ``[n, 3, s, s]`` to float32 in -1..1, channels last in memory."""
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class Pool:
    """All training images.

    Attributes:
        corpora: Of each uint8 ``[N, 3, s, s]``, on the device that trains.
        shares: Their shares of a batch.
        side: The side to which smaller images are enlarged before they are cropped.
    """

    corpora: tuple[Tensor, ...]
    shares: tuple[float, ...]
    side: int

    @classmethod
    def read(cls, recipe: DistillationRecipe, data: Path, device: torch.device) -> Pool:
        """Decodes the images of a recipe.

        Raises:
            DataError: A source cannot be read or has no image of its split.
            ItemError: An image cannot be read.
        """
        found = []
        for corpus in recipe.data.train:
            side = min(corpus.side or recipe.image_size, recipe.image_size)
            found.append(read_pixels(read_rows(corpus.sources, data), side).to(device))
        return cls(tuple(found), tuple(corpus.share for corpus in recipe.data.train), recipe.image_size)

    def batch(self, size: int, side: int, settings: Augmentation, seed: Sequence[int]) -> Tensor:
        """Some changed images, which depend on the arguments alone: float32 ``[n, 3, S, S]`` in -1..1.

        Args:
            size: n.
            side: S.
            settings: How they are changed.
            seed: Numbers from 0.
        """
        rng = np.random.default_rng(seed)
        chosen = []
        for images, count in zip(self.corpora, rng.multinomial(size, self.shares), strict=True):
            rows = torch.from_numpy(rng.integers(len(images), size=count)).to(images.device)
            x = images[rows].float()
            if count and x.shape[2] != self.side:
                x = F.interpolate(x, (self.side, self.side), mode="bicubic").clamp(0, 255)
            chosen.append(x.reshape(-1, 3, self.side, self.side))
        draw = Draw(self.corpora[0].device, int(rng.integers(2**62)))
        x = recoloured(cropped(normalised(torch.cat(chosen)), side, settings, draw), draw)
        return mixed(x, settings, draw).contiguous(memory_format=torch.channels_last)


class Draw:
    """Draws uniform random numbers on a device."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device, self.generator = device, torch.Generator(device).manual_seed(seed)

    def __call__(self, low: float, high: float, *shape: int) -> Tensor:
        """float32 of this shape, from ``low`` to ``high``."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)


def cropped(x: Tensor, side: int, settings: Augmentation, draw: Draw) -> Tensor:
    """Random crops ``[n, 3, S, S]`` of images ``[n, 3, s, s]``, half of them mirrored."""
    n = len(x)
    whole = draw(0, 1, n) < settings.whole
    area = draw(settings.min_crop_area, 1, n).masked_fill(whole, 1)
    stretch = draw(-STRETCH, STRETCH, n).exp().masked_fill(whole, 1)
    width, height = ((area * ratio).sqrt().clamp(max=1) for ratio in (stretch, 1 / stretch))
    boxes = torch.zeros(n, 2, 3, device=x.device)  # from the crop's corners, -1 and 1, to those of the image
    boxes[:, 0, 0] = torch.where(draw(0, 1, n) < 0.5, -width, width)
    boxes[:, 0, 2] = (1 - width) * draw(-1, 1, n)
    boxes[:, 1, 1] = height
    boxes[:, 1, 2] = (1 - height) * draw(-1, 1, n)
    places = F.affine_grid(boxes, [n, 3, side, side], align_corners=False)
    return F.grid_sample(x, places, mode="bilinear", padding_mode="reflection", align_corners=False)


def recoloured(x: Tensor, draw: Draw) -> Tensor:
    """Images ``[n, 3, S, S]`` of another saturation, contrast, brightness and tint, in -1..1."""
    n = len(x)
    mean, grey = x.mean((1, 2, 3), keepdim=True), x.mean(1, keepdim=True)
    saturation = draw(1 - SATURATION, 1 + SATURATION, n, 1, 1, 1)
    saturation = saturation.masked_fill(draw(0, 1, n, 1, 1, 1) < GREY, 0)
    x = torch.lerp(grey.expand_as(x), x, saturation)
    x = torch.lerp(mean.expand_as(x), x, draw(1 - CONTRAST, 1 + CONTRAST, n, 1, 1, 1))
    return (x + draw(-BRIGHTNESS, BRIGHTNESS, n, 1, 1, 1) + draw(-TINT, TINT, n, 3, 1, 1)).clamp(-1, 1)


def mixed(x: Tensor, settings: Augmentation, draw: Draw) -> Tensor:
    """Images ``[n, 3, S, S]``, some mixed with another one of the batch, with a weight of the other of at most a half.

    Sources: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"; Yun et al. 2019, "CutMix".
    """
    n, side = len(x), x.shape[2]
    other = x[torch.randperm(n, generator=draw.generator, device=x.device)]
    blend = torch.lerp(x, other, draw(0, 0.5, n, 1, 1, 1))
    size = draw(*PATCH, n, 1, 1, 1)
    left, top = ((1 - size) * draw(0, 1, n, 1, 1, 1) for _ in range(2))
    place = (torch.arange(side, device=x.device) + 0.5) / side
    across, down = place.view(1, 1, 1, side), place.view(1, 1, side, 1)
    inside = (across > left) & (across < left + size) & (down > top) & (down < top + size)
    kind = draw(0, 1, n, 1, 1, 1)
    patched = torch.where(inside & (kind < settings.mixup + settings.cutmix), other, x)
    return torch.where(kind < settings.mixup, blend, patched)
