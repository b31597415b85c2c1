"""What the tests of captioned data share: a folder of small images."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def jpeg():
    """Makes an encoded image of a seed: smooth, so that its hash means something."""

    def make(seed, size=(96, 64), quality=90):
        coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((240, 160), Image.Resampling.BICUBIC).resize(size)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality)
        return out.getvalue()

    return make


@pytest.fixture
def folder(tmp_path, jpeg):
    """``a.jpg`` to ``d.jpg``, all different."""
    for seed, name in enumerate("abcd"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(seed))
    return tmp_path
