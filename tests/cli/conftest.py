from __future__ import annotations

import fake_pipeline
import numpy as np
import pytest
from PIL import Image

from imagist.cli.main import main


@pytest.fixture
def fake(monkeypatch):
    """The commands, over the fake pipeline."""
    monkeypatch.setattr("imagist.pipeline.load", fake_pipeline.fake_load)
    monkeypatch.setattr("imagist.captioning.loading.open_captioner", fake_pipeline.fake_open_captioner)
    return main


@pytest.fixture
def photos(tmp_path):
    """A folder of seven small images, each of one colour of its own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(7):
        pixels = np.full((16, 24, 3), (30 * n, 200 - 20 * n, 90), np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
    return folder
