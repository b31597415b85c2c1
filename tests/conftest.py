"""What tests of several floors share: the shipped model, opened once, and images made from nothing."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from imagist.records import Photo

# Other examples every time where people work, the same ones where a failure would stop somebody else's change.
settings.register_profile("imagist", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("imagist")

# Tests export many small models to ONNX: the cache of torch costs more there than it saves.
os.environ.setdefault("TORCH_FAKE_TENSOR_DISPATCH_CACHE", "0")

SKIMAGE_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="session", autouse=True)
def shared_bundles(tmp_path_factory):
    """Caches of all test processes of a run: what `tiny_bundles` exported, which takes seconds each, and our own."""
    base = tmp_path_factory.getbasetemp()
    os.environ["IMAGIST_CACHE"] = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache")
    os.environ["IMAGIST_TINY_BUNDLES"] = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny")


@pytest.fixture(scope="session")
def data():
    """The folder of images."""
    if "IMAGIST_DATA" not in os.environ:
        pytest.skip("IMAGIST_DATA is not set")
    return Path(os.environ["IMAGIST_DATA"])


@pytest.fixture(scope="session")
def pipeline():
    """The shipped model on one thread."""
    import imagist

    return imagist.load(threads=1)


@pytest.fixture(scope="session")
def photos():
    """About ten images of many sizes that have nothing in common; some are real where scikit-image is installed."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:120, :160]
    disc = np.where((x - 80) ** 2 + (y - 60) ** 2 < 40**2, 230, 30)
    pixels = {
        "noise": rng.integers(0, 256, (97, 131, 3)),
        "gradient": np.stack([x * 255 // 159, y * 255 // 119, 255 - x], 2),
        "disc": np.stack([disc, disc // 2, 255 - disc], 2),
        "stripes": np.repeat((x // 8 % 2 * 255)[..., None], 3, 2),
        "panorama": np.repeat((np.arange(600) // 3)[None, :, None], 60, 0).repeat(3, 2),
        "tower": np.repeat((np.arange(500) // 2)[:, None, None], 50, 1).repeat(3, 2),
        "black": np.zeros((224, 224, 3)),
        "dot": np.full((1, 1, 3), 200),
    }
    made = [Photo(values.astype(np.uint8), name) for name, values in pixels.items()]
    return made + [Photo(np.asarray(Image.open(file).convert("RGB")), file.name) for file in _skimage_photos()]


def _skimage_photos():
    spec = find_spec("skimage")
    folders = [Path(place) / "data" for place in spec.submodule_search_locations or ()] if spec else []
    return [folder / name for folder in folders for name in SKIMAGE_PHOTOS if (folder / name).is_file()]
