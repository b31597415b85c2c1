"""What frozen networks make of photos, once a photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("onnxscript")

from labelled_colours import SIDE, examples, image, tiny_network

from imagist.classifiers.image.network import NetworkClassifier
from imagist.datasets.entries import Record
from imagist.errors import BundleNotFound, DataError, ItemError, UsageError
from imagist.images.photo import photo_of
from imagist.records import LabelSet
from imagist.training.captioners.recipe import Backbone
from imagist.training.classifiers import image_features
from imagist.training.classifiers.image_features import (
    cached_features,
    features_key,
    open_network,
    photos_of,
)
from imagist.training.encoders import row_cache
from imagist.training.encoders.backbone import open_backbone
from imagist.training.encoders.runtimes import on_device

pytestmark = pytest.mark.torch

IMAGES = examples(6)[0]
IMAGENET = LabelSet(tuple(map(str, range(1000))))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def settings(data):
    return tiny_network(data)


@pytest.fixture(scope="module")
def network(settings, data):
    return open_network(settings, data)


@pytest.fixture
def computed(monkeypatch):
    """How many photos each call had to compute; in PyTorch, for to export a network takes longer than to run it."""
    monkeypatch.setattr(image_features, "runner", lambda module, side, device: on_device(module, device))
    asked, compute = [], image_features._compute

    def counted(network, settings, images):
        asked.append(len(images))
        return compute(network, settings, images)

    monkeypatch.setattr(image_features, "_compute", counted)
    return asked


@torch.no_grad()
def test_a_network_is_opened_with_its_weights_and_its_last_layer(network, data):
    whole = timm.create_model("test_resnet", pretrained=False).eval()
    from safetensors.torch import load_file

    whole.load_state_dict(load_file(data / "w.safetensors"))
    pixels = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(whole.default_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    expected = whole((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
    torch.testing.assert_close(network(pixels), expected, atol=1e-4, rtol=1e-4)
    assert not network.training


@torch.no_grad()
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_pooled_features_are_the_mean_of_the_captioners_grid(name, tmp_path):
    from safetensors.torch import save_file

    options = {"img_size": SIDE} if name == "test_vit" else {}
    save_file(timm.create_model(name, pretrained=False, **options).state_dict(), tmp_path / "w.safetensors")
    network = open_network(tiny_network(tmp_path, name=name, options=options, features="pooled"), tmp_path)
    encoder = open_backbone(Backbone(name, "w.safetensors", options, image_size=SIDE), tmp_path)
    pixels = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    torch.testing.assert_close(network.hidden(pixels), encoder(pixels).mean(1), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@torch.no_grad()
def test_torchvision_s_alexnet_gives_both_kinds_of_features(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    whole = torchvision.models.alexnet(weights=None).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    settings = tiny_network(tmp_path, name="torchvision:alexnet", side=64)
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = whole((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
    torch.testing.assert_close(open_network(settings, tmp_path)(pixels), expected, atol=1e-4, rtol=1e-4)
    pooled = open_network(replace(settings, features="pooled"), tmp_path)
    assert pooled.hidden(pixels).shape == (2, 256)


def test_networks_and_weights_that_cannot_be_are_named(data, tmp_path):
    with pytest.raises(UsageError, match="no network of that name"):
        open_network(tiny_network(data, name="resnet_of_mine"), data)
    with pytest.raises(DataError, match=r"w\.safetensors") as caught:
        open_network(tiny_network(data), tmp_path)
    assert caught.value.remedy == "see network.weights"
    with pytest.raises(UsageError, match=r"network\.options"):
        open_network(tiny_network(data, options={"sides": 3}), data)


@pytest.mark.parametrize("name", ["test_resnet", "torchvision:alexnet"])
def test_a_network_without_published_weights_names_the_setting_of_a_classifier(data, monkeypatch, name):
    torchvision = pytest.importorskip("torchvision")

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(BundleNotFound) as caught:
        open_network(tiny_network(data, name=name, weights=None), data)
    assert caught.value.remedy.endswith("name a safetensors file as network.weights")


@pytest.mark.parametrize(("views", "mirror"), [("square", False), ("crops", True)])
def test_features_are_what_the_classifier_sees(network, settings, tmp_path, views, mirror):
    settings = replace(settings, views=views, mirror=mirror)
    images = [*IMAGES, image(50, size=(40, 150))]  # a wide one has several crops
    found = cached_features(network, settings, images, tmp_path)
    assert found.dtype == np.float32
    expected = NetworkClassifier(network, IMAGENET, views=views, mirror=mirror).hidden([*map(photo_of, images)])
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=2e-3)


def test_a_photo_is_looked_at_once(network, settings, tmp_path, computed):
    first = cached_features(network, settings, IMAGES[:4], tmp_path)
    again = cached_features(network, settings, [IMAGES[2], IMAGES[0], IMAGES[2]], tmp_path)
    np.testing.assert_array_equal(again, first[[2, 0, 2]])
    assert computed == [4]
    more = cached_features(network, settings, IMAGES, tmp_path)
    np.testing.assert_array_equal(more[:4], first)
    assert computed == [4, 2]
    assert cached_features(network, settings, [], tmp_path).shape == (0, network.last.in_features)
    twice = cached_features(network, settings, [image(77)] * 3, tmp_path)
    assert computed == [4, 2, 1]
    np.testing.assert_array_equal(twice[0], twice[2])


def test_without_a_folder_nothing_is_kept(network, settings, tmp_path, computed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = cached_features(network, settings, IMAGES[:2])
    np.testing.assert_array_equal(cached_features(network, settings, IMAGES[:2]), first)
    assert computed == [2, 2]
    assert not [*tmp_path.iterdir()]


def test_what_features_depend_on_is_part_of_their_name(network, settings, data):
    key = features_key(network, settings)
    assert features_key(open_network(settings, data), replace(settings, device="cuda")) == key
    assert len({key, features_key(network, replace(settings, mirror=True))}) == 2
    others = [{"views": "crops"}, {"side": 48}, {"mean": (0.1, 0.2, 0.3)}, {"features": "pooled"}]
    others += [{"options": {"drop_rate": 0.1}}]  # no weight differs
    made = [replace(settings, **change) for change in others]
    assert len({key, *(features_key(open_network(each, data), each) for each in made)}) == 1 + len(made)
    changed = open_network(settings, data)
    with torch.no_grad():
        next(changed.body.parameters()).view(-1)[0] += 1
    assert features_key(changed, settings) != key
    assert features_key(open_network(settings, data).with_classes(3), settings) == key  # the last layer has no part


def test_a_killed_run_resumes_where_it_stopped(network, settings, tmp_path, computed, monkeypatch):
    monkeypatch.setattr(row_cache, "BATCH", 1)  # so that 32 images are saved
    images = examples(40)[0]
    broken = [*images[:36], Record("broken.png", ("x",), content=b"no image"), *images[36:]]
    with pytest.raises(ItemError):
        cached_features(network, settings, broken, tmp_path)
    found = cached_features(network, settings, images, tmp_path)
    assert computed == [41, 8]
    monkeypatch.setattr(row_cache, "BATCH", 16)
    np.testing.assert_allclose(found, cached_features(network, settings, images), atol=1e-3, rtol=2e-3)


def test_images_on_disk_are_those_they_hold(network, settings, tmp_path):
    (tmp_path / "a.png").write_bytes(IMAGES[0].content)
    on_disk = Record(str(tmp_path / "a.png"), ("a photo",))
    found = cached_features(network, settings, [on_disk, IMAGES[0]], tmp_path)
    np.testing.assert_array_equal(found[0], found[1])
    photos = [photo for some in photos_of([on_disk, IMAGES[0]] * 40) for photo in some]
    assert len(photos) == 80
    np.testing.assert_array_equal(photos[78].pixels, photos[79].pixels)
