"""The images that the embedded bundle learns from, and how they are varied.

Every set is read from the folder that ``--data`` or ``IMAGIST_DATA`` names; none of it is copied into the project.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import Halves, Pixels
from imagist.errors import DataError

SIDE = 224


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """N square images of one split with what is known of each.

    Attributes:
        name: The set and its split, such as ``photos15/train``.
        pixels: uint8 ``[N, s, s, 3]``.
        labels: One class name a photo, empty where the set has none.
        captions: The sentences of each photo, empty where the set has none.
    """

    name: str
    pixels: Pixels
    labels: tuple[str, ...] = ()
    captions: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    def fraction(self, part: float) -> PhotoSet:
        """Every k-th image, about ``part`` of them; for trials."""
        keep = range(0, len(self), max(1, round(1 / part)))
        return PhotoSet(
            self.name,
            self.pixels[list(keep)],
            tuple(self.labels[i] for i in keep) if self.labels else (),
            tuple(self.captions[i] for i in keep) if self.captions else (),
        )


def flickr8k(data: Path, split: str) -> PhotoSet:
    """Flickr8k: 6,000 train or 1,000 dev images of 224 px, five sentences each."""
    files = sorted((data / "flickr8k").glob(f"{split}*.parquet"))
    rows = [row for file in files for row in _rows(file, ["image", "captions"])]
    return PhotoSet(f"flickr8k/{split}", _pixels(rows, data), captions=tuple(tuple(r["captions"]) for r in rows))


def labelled(data: Path, name: str, split: str) -> PhotoSet:
    """``photos15`` (96 px, 15 classes) or ``tiny_imagenet`` (64 px, 200 classes), split ``train`` or ``dev``."""
    rows = [r for r in _rows(data / f"{name}.parquet", ["image", "split", "label"]) if r["split"] == split]
    return PhotoSet(f"{name}/{split}", _pixels(rows, data), labels=tuple(r["label"] for r in rows))


def _rows(file: Path, columns: list[str]) -> list[dict[str, Any]]:
    try:
        return pq.read_table(file, columns=columns).to_pylist()  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        raise DataError(
            str(error), item=str(file), remedy="name the data folder with --data or IMAGIST_DATA"
        ) from error


def _pixels(rows: Sequence[dict[str, Any]], data: Path) -> Pixels:
    if not rows:
        raise DataError("no images found", item=str(data), remedy="name the data folder with --data or IMAGIST_DATA")
    images = [np.asarray(Image.open(io.BytesIO(r["image"]["bytes"])).convert("RGB")) for r in rows]
    return np.stack(images)


def normalised(pixels: Pixels, side: int = SIDE) -> Tensor:
    """uint8 ``[N, s, s, 3]`` to float32 ``[N, 3, side, side]`` in [-1, 1], channels last in memory."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
    if x.shape[2] != side:
        x = F.interpolate(x, (side, side), mode="bicubic", antialias=x.shape[2] > side)
    return (x / 127.5 - 1).clamp(-1, 1).contiguous(memory_format=torch.channels_last)


def varied(pixels: Pixels, rng: np.random.Generator, *, least: float = 0.35, coarse: float = 0.25) -> Tensor:
    """One random view of one image: cropped, mirrored, its light changed and now and then made coarse.

    Coarseness matters: the labelled sets are small and blurred, the captioned one is sharp, and a model that may tell
    the sets apart by sharpness learns to speak of the set instead of the image.

    Args:
        pixels: uint8 ``[s, s, 3]``.
        rng: Source of the randomness.
        least: Smallest share of the area that a crop keeps, in (0, 1].
        coarse: Share of views that are brought down to 64-128 px first, in [0, 1].

    Returns:
        float32 ``[1, 3, 224, 224]`` in [-1, 1].
    """
    side = pixels.shape[0]
    scale, ratio = rng.uniform(least, 1), math.exp(rng.uniform(-0.29, 0.29))
    width, height = (min(side, round(side * math.sqrt(scale * r))) for r in (ratio, 1 / ratio))
    left, top = rng.integers(side - width + 1), rng.integers(side - height + 1)
    x = torch.from_numpy(np.array(pixels[top : top + height, left : left + width]))
    x = x.permute(2, 0, 1)[None].float()
    if rng.random() < coarse and side > 128:
        x = F.interpolate(x, (int(rng.integers(64, 129)),) * 2, mode="bilinear", antialias=True)
    x = F.interpolate(x, (SIDE, SIDE), mode="bicubic")
    if rng.random() < 0.5:
        x = x.flip(3)
    contrast, light = rng.uniform(0.8, 1.2), rng.uniform(-0.15, 0.15)
    return ((x / 127.5 - 1) * contrast + light).clamp(-1, 1)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A set of images and their grids.

    Attributes:
        photos: The set.
        grids: float16 ``[N, V, L, D]``.
    """

    photos: PhotoSet
    grids: Halves


def views(photos: PhotoSet, start: int, end: int, number: int, seed: int = 0) -> Tensor:
    """The first view of each image as it is, the others varied, always the same for a seed.

    Returns:
        float32 ``[(end - start) * number, 3, 224, 224]``, the views of one image together.
    """

    def made() -> Iterator[Tensor]:
        for i in range(start, end):
            yield normalised(photos.pixels[i : i + 1])
            for view in range(1, number):
                yield varied(photos.pixels[i], np.random.default_rng((seed, i, view)))

    return torch.cat(list(made())).contiguous(memory_format=torch.channels_last)
