"""Grids that a frozen encoder computes of the views of images, once, on disk.

Shapes: N images, V views, L cells, D channels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch

from imagist.arrays import Array, Halves
from imagist.images.photo import ImageSource
from imagist.training.checkpoint import weights_key
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.encoders.row_cache import RowCache, fill
from imagist.training.encoders.runtimes import Encode, runner
from imagist.training.encoders.views import Views
from imagist.training.parallel import parallel_map


def cached_grids(
    encoder: GridEncoder, images: Sequence[ImageSource], views: Views, folder: Path, device: torch.device
) -> Halves:
    """Grids of all views of all images, float16 ``[N, V, L, D]``, computed once for this encoder, images and views.

    Args:
        encoder: Frozen.
        images: N of them.
        views: How to make the views of each.
        folder: Of the cache; a file's name is a hash of what its content depends on.
        device: Where the encoder runs.
    """
    parts = [encoder.architecture, weights_key(encoder), asdict(views), images_key(images)]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    with torch.no_grad():
        cells = encoder(torch.zeros(1, views.side, views.side, 3, dtype=torch.uint8)).shape[1]
    rows = RowCache(folder / f"grids-{key[:16]}.npy", (len(images), views.number, cells, encoder.channels))

    @cache  # a complete cache needs no export
    def encode() -> Encode:
        return runner(encoder, views.side, device)

    def compute(start: int, end: int) -> Array:
        pixels = parallel_map(lambda i: views.of(images[i], i), range(start, end))
        return encode()(np.concatenate(pixels))

    return fill(rows, compute, f"grids of {len(images)} images")


def images_key(images: Sequence[ImageSource]) -> str:
    """A sha256 over the images in their order: over their bytes, or a file's name, size and time of change."""
    digest = hashlib.sha256()
    for image in images:
        if image.content is not None:
            digest.update(hashlib.sha256(image.content).digest())
        else:
            status = Path(image.image).stat()
            digest.update(f"{image.image}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()
