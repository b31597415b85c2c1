"""Reads the images of a distillation.

Shapes: N images, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imagist.images.photo import ImageSource as AnyImage
from imagist.images.photo import photo_of
from imagist.images.views import square
from imagist.training.image_rows import ImageSource, read_rows
from imagist.training.parallel import parallel_map


@dataclass(frozen=True)
class Image:
    """One image of a corpus, as `imagist.images.photo.photo_of` reads it."""

    image: str
    content: bytes | None = field(default=None, repr=False)


def read_images(sources: Sequence[ImageSource], data: Path) -> list[Image]:
    """The images of some sources, as `read_rows` reads them.

    Raises:
        DataError: A source cannot be read or has no image of its split.
    """
    return [Image(row.source, row.content) for row in read_rows(sources, data)]


def normalised(images: Sequence[AnyImage], side: int) -> Tensor:
    """The whole images, float32 ``[N, 3, S, S]`` in -1..1, channels last in memory."""
    pixels = np.concatenate(parallel_map(lambda image: square(photo_of(image).pixels, side), images))
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)
