"""Photo to grid by a named network, the views of photos, and grids that are computed once."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("onnxscript")

from safetensors.torch import save_file
from torch import nn

from imagist.datasets.captions import Record
from imagist.errors import BundleNotFound, DataError, UsageError
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders import backbone
from imagist.training.encoders.backbone import (
    GridEncoder,
    Images,
    Views,
    cached_grids,
    grid_of,
    on_device,
    open_backbone,
    records_key,
    weights_key,
)

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def record(seed, size=(40, 30), name=None):
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return Record(name or f"{seed}.png", ("a photo",), content=content.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), made / "w.safetensors")
    return made


@pytest.fixture(scope="module")
def encoder(folder):
    return open_backbone(Backbone("test_efficientnet", "w.safetensors", side=64), folder)


def photos(number, side=64):
    return torch.randint(0, 256, (number, side, side, 3), dtype=torch.uint8)


@torch.no_grad()
def test_it_is_the_network_s_last_map_of_normalised_pixels(encoder, folder):
    network = timm.create_model("test_efficientnet", pretrained=False).eval()
    network.load_state_dict(encoder.network.network.state_dict())
    pixels = photos(2)
    mean, std = (torch.tensor(network.default_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    expected = network.forward_features((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
    found = encoder(pixels)
    assert found.shape == (2, 4, encoder.channels)
    torch.testing.assert_close(found, expected.flatten(2).transpose(1, 2), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_pixels_can_be_normalised_otherwise(folder):
    config = Backbone("test_efficientnet", "w.safetensors", side=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    inner = {}
    encoder = open_backbone(config, folder)
    encoder.network.register_forward_pre_hook(lambda _, given: inner.update(x=given[0]))
    encoder(torch.full((1, 64, 64, 3), 255, dtype=torch.uint8))
    torch.testing.assert_close(inner["x"], torch.full((1, 3, 64, 64), 2.0))


@pytest.mark.parametrize("shape", [(2, 6, 3, 3), (2, 3, 3, 6), (2, 9, 6)], ids=str)
def test_a_map_in_any_layout_is_a_grid(shape):
    x = torch.arange(2 * 9 * 6.0).view(2, 9, 6)
    given = {
        (2, 6, 3, 3): x.transpose(1, 2).unflatten(2, (3, 3)), (2, 3, 3, 6): x.unflatten(1, (3, 3)), (2, 9, 6): x
    }[shape]  # fmt: skip
    assert given.shape == shape
    torch.testing.assert_close(grid_of(given, 6), x)


@pytest.mark.parametrize("shape", [(2, 6), (2, 5, 3, 3), (2, 9, 5)], ids=str)
def test_what_is_no_grid_is_named(shape):
    with pytest.raises(UsageError, match=r"backbone\.name.*6 channels"):
        grid_of(torch.zeros(shape), 6)


def test_batch_norms_keep_their_statistics_while_all_else_is_tuned(folder):
    encoder = open_backbone(Backbone("test_efficientnet", "w.safetensors", side=64), folder)
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [m.running_mean.clone() for m in norms]
    encoder.train()(photos(3)).mean().backward()
    assert encoder.training
    assert encoder.network.network.conv_stem.training
    assert all(torch.equal(m.running_mean, mean) for m, mean in zip(norms, before, strict=True))
    assert encoder.network.network.conv_stem.weight.grad.abs().sum() > 0


@pytest.mark.slow
def test_torchvision_s_alexnet_is_one_of_them(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    network = torchvision.models.alexnet(weights=None)
    save_file(network.state_dict(), tmp_path / "alexnet.safetensors")
    encoder = open_backbone(Backbone("torchvision:alexnet", "alexnet.safetensors"), tmp_path)
    with torch.no_grad():
        assert encoder(photos(1, 224)).shape == (1, 36, 256)


def test_an_unknown_name_is_answered_with_some_that_are_known(tmp_path):
    with pytest.raises(UsageError, match="no network of that name") as caught:
        open_backbone(Backbone("resnet_of_mine"), tmp_path)
    assert "resnet" in caught.value.remedy
    with pytest.raises(UsageError):
        open_backbone(Backbone("torchvision:nothing"), tmp_path)


def test_options_that_the_network_does_not_take_are_the_user_s_mistake(folder):
    with pytest.raises(UsageError, match=r"backbone\.options"):
        open_backbone(Backbone("test_efficientnet", "w.safetensors", options={"sides": 3}), folder)


def test_published_weights_that_cannot_be_had_are_an_error_with_the_remedy(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(BundleNotFound) as caught:
        open_backbone(Backbone("test_efficientnet"), tmp_path)
    assert "backbone.weights" in caught.value.remedy


@pytest.mark.parametrize(
    "content", [None, b"no tensors", {"other.weight": torch.zeros(2)}], ids=["none", "bad", "other"]
)
def test_weights_that_are_not_the_network_s_are_named(tmp_path, content):
    if isinstance(content, bytes):
        (tmp_path / "w.safetensors").write_bytes(content)
    elif content:
        save_file(content, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"w\.safetensors") as caught:
        open_backbone(Backbone("test_efficientnet", "w.safetensors"), tmp_path)
    assert caught.value.remedy == "see backbone.weights"


def test_the_views_are_the_whole_its_mirror_image_and_crops():
    found = Views(32, 5, seed=3).of(record(1), 0)
    assert found.shape == (5, 32, 32, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[1], found[0][:, ::-1])
    assert len({view.tobytes() for view in found}) == 5
    np.testing.assert_array_equal(Views(32, 1).of(record(1), 0)[0], found[0])  # fewer are the first of more
    np.testing.assert_array_equal(Views(32, 3, seed=3).of(record(1), 0), found[:3])


def test_crops_depend_on_place_and_seed_alone():
    one = Views(32, 4).of(record(1), 7)
    np.testing.assert_array_equal(Views(32, 4).of(record(1), 7), one)
    for other in (Views(32, 4).of(record(1), 8), Views(32, 4, seed=1).of(record(1), 7)):
        np.testing.assert_array_equal(other[:2], one[:2])
        assert not np.array_equal(other[2:], one[2:])


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
        patched.setattr(backbone, "on_cpu", lambda *_: lambda pixels: pytest.fail("computed again"))
        np.testing.assert_array_equal(cached_grids(encoder, records, views, tmp_path, CPU), grids)
    cached_grids(encoder, records[::-1], views, tmp_path, CPU)
    cached_grids(encoder, records, replace(views, seed=1), tmp_path, CPU)
    assert len([*tmp_path.glob("*.npy")]) == 3


def test_networks_of_the_same_weights_that_compute_otherwise_keep_grids_of_their_own(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(backbone, "on_cpu", lambda encoder, _: on_device(encoder, CPU))  # without an export

    def of(**options):
        config = Backbone("test_efficientnet", "w.safetensors", options=options, side=64)
        return cached_grids(open_backbone(config, folder), [record(1)], Views(64), tmp_path, CPU)

    as_named, padded = of(), of(pad_type="same")
    assert np.abs(as_named - padded).max() > 0.01
    np.testing.assert_array_equal(of(), as_named)
    of(pad_type="same", drop_rate=0.1)
    of(drop_rate=0.1, pad_type="same")
    assert len([*tmp_path.glob("*.npy")]) == 3


def test_the_name_of_a_network_is_of_its_architecture(folder):
    named = open_backbone(Backbone("test_efficientnet", "w.safetensors"), folder)
    assert "test_efficientnet" in named.architecture


def test_keys_change_with_what_they_stand_for(encoder, tmp_path):
    key = weights_key(encoder)
    with torch.no_grad():
        bias = next(m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)).running_mean
        bias[0] += 1
        assert weights_key(encoder) != key
        bias[0] -= 1
    assert weights_key(encoder) == key
    one, two = record(1), record(2)
    assert records_key([one, two]) != records_key([two, one])
    assert records_key([one]) == records_key([replace(one, image="renamed.png")])  # what it holds tells, not its name
    path = tmp_path / "a.png"
    path.write_bytes(one.content)
    on_disk = Record(str(path), ("a photo",))
    before = records_key([on_disk])
    assert records_key([on_disk]) == before
    path.write_bytes(two.content + b"more")
    assert records_key([on_disk]) != before


def test_an_encoder_that_is_tuned_is_given_the_photos_themselves():
    records = [record(i, (50, 40 + i)) for i in range(4)]
    images = Images(records, Views(32))
    assert len(images) == 4
    whole = images.whole(1, 3)
    assert whole.dtype == torch.uint8
    np.testing.assert_array_equal(whole, np.concatenate([Views(32).of(r, 0) for r in records[1:3]]))
    drawn = [images.some(np.array([2, 2, 0]), np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert drawn[0].shape == (3, 32, 32, 3)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0][0], drawn[0][1])  # the same photo, seen twice

    dark = images.changed(lambda given: given // 2).changed(lambda given: given.float())
    assert len(dark) == 4
    assert torch.equal(dark.whole(1, 3), (whole // 2).float())
    assert torch.equal(dark.some(np.array([2, 2, 0]), np.random.default_rng(5)), (drawn[0] // 2).float())


def test_a_photo_on_disk_is_read_from_there(tmp_path):
    one = record(3)
    (tmp_path / "a.png").write_bytes(one.content)
    on_disk = Record(str(tmp_path / "a.png"), ("a photo",))
    np.testing.assert_array_equal(Views(32, 3).of(on_disk, 0), Views(32, 3).of(one, 0))


def test_an_encoder_of_one_s_own_is_a_grid_encoder():
    class Halves(nn.Module):
        def forward(self, x):
            return nn.functional.avg_pool2d(x, 2)

    encoder = GridEncoder(Halves(), 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    pixels = photos(1, 4)
    expected = nn.functional.avg_pool2d(pixels.permute(0, 3, 1, 2) / 255, 2).flatten(2).transpose(1, 2)
    torch.testing.assert_close(encoder(pixels), expected)
