"""Grids that are computed once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("onnxscript")

from safetensors.torch import save_file
from tiny_images import record

from imagist.datasets.entries import Record
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders import grid_cache
from imagist.training.encoders.backbone import open_backbone
from imagist.training.encoders.grid_cache import cached_grids, images_key
from imagist.training.encoders.runtimes import on_device
from imagist.training.encoders.views import Views

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), made / "w.safetensors")
    return made


@pytest.fixture(scope="module")
def encoder(folder):
    return open_backbone(Backbone("test_efficientnet", "w.safetensors", image_size=64), folder)


def test_grids_are_computed_once_for_these_weights_views_and_photos(encoder, tmp_path, monkeypatch):
    records, views = [record(i) for i in range(3)], Views(64, 3)
    grids = cached_grids(encoder, records, views, tmp_path, CPU)
    assert grids.shape == (3, 3, 4, encoder.channels)
    assert grids.dtype == np.float16
    with torch.no_grad():
        for i, one in enumerate(records):
            expected = encoder(torch.from_numpy(views.of(one, i))).numpy()
            np.testing.assert_allclose(grids[i], expected, atol=2e-2, rtol=2e-3)
    files = {file.name for file in tmp_path.glob("*.npy")}
    assert len(files) == 1
    with monkeypatch.context() as patched:
        patched.setattr(grid_cache, "runner", lambda *_: lambda pixels: pytest.fail("computed again"))
        np.testing.assert_array_equal(cached_grids(encoder, records, views, tmp_path, CPU), grids)
    cached_grids(encoder, records[::-1], views, tmp_path, CPU)
    cached_grids(encoder, records, replace(views, seed=1), tmp_path, CPU)
    assert len([*tmp_path.glob("*.npy")]) == 3


def test_networks_of_the_same_weights_that_compute_otherwise_keep_grids_of_their_own(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(grid_cache, "runner", lambda encoder, side, device: on_device(encoder, CPU))

    def of(**options):
        config = Backbone("test_efficientnet", "w.safetensors", options=options, image_size=64)
        return cached_grids(open_backbone(config, folder), [record(1)], Views(64), tmp_path, CPU)

    as_named, padded = of(), of(pad_type="same")
    assert np.abs(as_named - padded).max() > 0.01
    np.testing.assert_array_equal(of(), as_named)
    of(pad_type="same", drop_rate=0.1)
    of(drop_rate=0.1, pad_type="same")
    assert len([*tmp_path.glob("*.npy")]) == 3


def test_keys_of_images_change_with_what_they_stand_for(tmp_path):
    one, two = record(1), record(2)
    assert images_key([one, two]) != images_key([two, one])
    assert images_key([one]) == images_key([replace(one, image="renamed.png")])  # what it holds tells, not its name
    path = tmp_path / "a.png"
    path.write_bytes(one.content)
    on_disk = Record(str(path), ("a photo",))
    before = images_key([on_disk])
    assert images_key([on_disk]) == before
    path.write_bytes(two.content + b"more")
    assert images_key([on_disk]) != before


def test_an_encoder_that_runs_on_a_device_stays_where_it_is(encoder):
    on_device(encoder, torch.device("meta"))
    assert {each.device for each in encoder.state_dict().values()} == {CPU}
