"""Images of random pixels, for tests of encoders."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from imagist.datasets.entries import Record


def record(seed, size=(40, 30), name=None):
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return Record(name or f"{seed}.png", ("a photo",), content=content.getvalue())
