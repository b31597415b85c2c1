"""Every pretrained captioner over a tiny checkpoint of its classes."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.records import Photo

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folder of a checkpoint, by name; written at the first call."""
    import tiny_checkpoints

    made = {}

    def folder(name):
        if name not in made:
            network, _, language = name.partition("-")
            settings = (language,) if language else ()
            made[name] = getattr(tiny_checkpoints, network)(tmp_path_factory.mktemp("tiny") / name, *settings)
        return made[name]

    return folder


@pytest.fixture(scope="session")
def make(folders):
    """Opens a captioner: ``make(name, decoding, ...)``."""
    from imagist.captioning.backends import blip, blip2, git
    from imagist.captioning.decoding import Decoding
    from imagist.captioning.options import CaptionOptions

    doors = {"blip": blip.load, "git": git.load, "blip2": blip2.load}

    def captioner(name, decoding=None, *, suffix="", language=None, **settings):
        options = CaptionOptions(decoding=decoding or Decoding(), language=language)
        return doors[name.partition("-")[0]](f"{folders(name)}{suffix}", options, **settings)

    return captioner


@pytest.fixture(scope="session")
def some():
    """Images of noise in many shapes, including some that could be taken for channels first."""
    rng = np.random.default_rng(3)
    shapes = [(40, 50), (1, 1), (3, 90), (120, 70), (64, 64), (200, 33), (8, 3), (32, 32), (90, 91), (17, 45)]
    return [Photo(rng.integers(0, 256, (*shape, 3)).astype(np.uint8), f"noise {shape}") for shape in shapes]
