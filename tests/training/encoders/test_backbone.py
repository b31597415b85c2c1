"""Encoders that are opened by name."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from safetensors.torch import load_file, save_file
from torch import nn

from imagist.errors import BundleNotFound, DataError, UsageError
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders import lite_part
from imagist.training.encoders.backbone import IMAGIST, open_backbone, open_class_head
from imagist.training.networks.efficientnet_lite import EfficientNetLite

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), made / "w.safetensors")
    return made


@pytest.fixture(scope="module")
def encoder(folder):
    return open_backbone(Backbone("test_efficientnet", "w.safetensors", image_size=64), folder)


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
    config = Backbone("test_efficientnet", "w.safetensors", image_size=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    inner = {}
    encoder = open_backbone(config, folder)
    encoder.network.register_forward_pre_hook(lambda _, given: inner.update(x=given[0]))
    encoder(torch.full((1, 64, 64, 3), 255, dtype=torch.uint8))
    torch.testing.assert_close(inner["x"], torch.full((1, 3, 64, 64), 2.0))


def test_batch_norms_keep_their_statistics_while_all_else_is_tuned(folder):
    encoder = open_backbone(Backbone("test_efficientnet", "w.safetensors", image_size=64), folder)
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


def test_the_name_of_a_network_is_of_its_architecture(folder):
    named = open_backbone(Backbone("test_efficientnet", "w.safetensors"), folder)
    assert "test_efficientnet" in named.architecture


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An encoder as the distillation trains it, and the file of its weights."""
    torch.manual_seed(1)
    network, path = EfficientNetLite().eval(), tmp_path_factory.mktemp("trained") / "e.safetensors"
    save_file(network.state_dict(), path)
    return network, str(path)


@torch.no_grad()
def test_the_encoder_that_imagist_trains_is_one_of_them(trained, tmp_path):
    network, path = trained
    encoder = open_backbone(Backbone(IMAGIST, path), tmp_path)
    pixels = photos(2)
    expected = network(pixels.permute(0, 3, 1, 2) / 127.5 - 1).flatten(2).transpose(1, 2)
    torch.testing.assert_close(encoder(pixels), expected, atol=1e-4, rtol=1e-4)
    assert not [name for name in encoder.state_dict() if "head" in name]
    with pytest.raises(UsageError, match="no published weights"):
        open_backbone(Backbone(IMAGIST), tmp_path)


def test_the_class_head_is_the_network_s_own(folder):
    config = Backbone("test_efficientnet", "w.safetensors", image_size=64)
    head, encoder = open_class_head(config, folder), open_backbone(config, folder)
    assert head.weight.shape == (1000, encoder.channels)
    assert not head.weight.requires_grad
    network = timm.create_model("test_efficientnet", pretrained=False)
    network.load_state_dict(load_file(folder / "w.safetensors"))
    torch.testing.assert_close(head.weight, network.get_classifier().weight, check_stride=False)


def test_a_network_without_a_class_head_is_refused(tmp_path):
    models = pytest.importorskip("torchvision.models")
    save_file(models.alexnet().state_dict(), tmp_path / "alexnet.safetensors")
    with pytest.raises(UsageError, match="no class head"):
        open_class_head(Backbone("torchvision:alexnet", "alexnet.safetensors"), tmp_path)


def test_its_features_are_those_of_lite_with_classes(trained, tmp_path):
    network, path = trained
    space = open_backbone(Backbone(IMAGIST, path), tmp_path).space
    assert space.name == lite_part.SPACE
    hidden = torch.randn(2, 1280)
    found = hidden.numpy() @ space.head.weight + space.head.bias
    np.testing.assert_allclose(found, network.head(hidden).detach(), atol=1e-4)


@pytest.mark.parametrize("change", [{"finetune": True}, {"mean": (0.4, 0.4, 0.4)}, {"std": (0.2, 0.2, 0.2)}])
def test_its_features_are_its_own_once_it_is_tuned_or_sees_other_pixels(trained, tmp_path, change):
    assert open_backbone(Backbone(IMAGIST, trained[1], **change), tmp_path).space is None


def test_other_sides_are_other_spaces(trained, folder, tmp_path):
    assert open_backbone(Backbone(IMAGIST, trained[1], image_size=96), tmp_path).space.name.endswith("@96")
    assert open_backbone(Backbone("test_efficientnet", "w.safetensors"), folder).space is None
