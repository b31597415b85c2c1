"""Opens a pretrained encoder by name: a network of timm or torchvision, or one that imagist trained.

Shapes: D channels.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from imagist.classifiers.image.network import IMAGENET_MEAN, IMAGENET_STD, TORCHVISION, timm_library
from imagist.errors import BundleNotFound, DataError, UsageError
from imagist.images.encoder import ClassHead
from imagist.training.captioners.recipe import Backbone
from imagist.training.encoders.grid_encoder import GridEncoder, Space
from imagist.training.networks.efficientnet_lite import EfficientNetLite

IMAGIST = "imagist:efficientnet-lite0"  # `EfficientNetLite`, as the distillation trains it
HALF = (0.5, 0.5, 0.5)  # its mean and standard deviation


def open_backbone(config: Backbone, data: Path) -> GridEncoder:
    """Opens the encoder that a recipe names, in eval mode.

    Args:
        config: Its name, weights and input.
        data: Folder of a relative ``config.weights``.

    Raises:
        UsageError: There is no such network, or it does not take these options.
        DataError: The weights cannot be read or belong to another network.
        BundleNotFound: The published weights cannot be downloaded.
    """
    network, channels, mean, std = _open(config)
    if config.weights:
        fill_weights(network, data / config.weights, "backbone")
    space = _space(config, network) if isinstance(network, EfficientNetLite) else None
    return GridEncoder(
        _without_head(config.name, network), channels, config.mean or mean, config.std or std,
        json.dumps([config.name, dict(config.options)], sort_keys=True), space,
    ).eval()  # fmt: skip


def open_class_head(config: Backbone, data: Path) -> nn.Linear:
    """The layer that classifies the mean of an encoder's grid: ``[N, D]`` to logits ``[N, C]``; frozen.

    Args:
        config: The encoder.
        data: As `open_backbone`.

    Raises:
        UsageError: The network has no such layer.
        ImagistError: As `open_backbone`.
    """
    network, channels, *_ = _open(config)
    if config.weights:
        fill_weights(network, data / config.weights, "backbone")
    classifier = getattr(network, "get_classifier", None)  # of timm
    head = classifier() if callable(classifier) else getattr(network, "head", None)
    if not isinstance(head, nn.Linear) or head.in_features != channels:
        raise UsageError("has no class head over the mean of its grid", item=config.name, remedy="name another encoder")
    return head.requires_grad_(False)


def _open(config: Backbone) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    if config.name == IMAGIST:
        if not config.weights:
            raise UsageError(f"{IMAGIST} has no published weights", item="backbone.weights", remedy="name a file")
        return EfficientNetLite(), EfficientNetLite.channels, HALF, HALF
    if config.name.startswith(TORCHVISION):
        return *torchvision_network(config, "backbone"), IMAGENET_MEAN, IMAGENET_STD
    return timm_network(config, "backbone")


def _space(config: Backbone, network: EfficientNetLite) -> Space | None:
    """The space of the teacher's features, unless the recipe tunes the encoder or gives it other pixels."""
    if config.finetune or config.mean or config.std:
        return None
    weight, bias = (tensor.detach().numpy().copy() for tensor in network.head.parameters())
    return Space(f"efficientnet-lite0@{config.image_size}", ClassHead(weight.T, bias))


def _without_head(name: str, network: nn.Module) -> nn.Module:
    if isinstance(network, EfficientNetLite):
        network.head = nn.Identity()
        return network
    return network.features if name.startswith(TORCHVISION) else _Features(network)  # type: ignore[return-value]


class _Features(nn.Module):
    """A network of timm up to its last map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network.forward_features(x)  # type: ignore[operator]
        return features


def timm_network(config: Backbone, table: str) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """Opens a network of timm, with its published weights where the settings name no file.

    Args:
        config: Its name and input.
        table: The settings' table that ``config`` comes from, for messages.

    Returns:
        The network, D, and the mean and standard deviation of the pixels that it was trained on.

    Raises:
        UsageError: There is no such network, or it does not take these options.
        BundleNotFound: The published weights cannot be downloaded.
    """
    timm = timm_library()
    if not timm.is_model(config.name):
        close = ", ".join(timm.list_models(f"*{config.name.split('_')[0]}*")[:8]) or "see timm.list_models()"
        raise UsageError("no network of that name", item=config.name, remedy=f"such as {close}")
    try:
        network = timm.create_model(
            config.name, pretrained=config.weights is None, exportable=True, **dict(config.options)
        )
    except TypeError as error:
        raise UsageError(f"refuses {table}.options: {error}", item=config.name) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise BundleNotFound(
            f"its published weights cannot be downloaded ({type(error).__name__})", item=config.name,
            remedy=f"connect to the internet, or name a safetensors file as {table}.weights",
        ) from error  # fmt: skip
    settings = timm.data.resolve_data_config({}, model=network)
    return network, int(network.num_features), settings["mean"], settings["std"]


def torchvision_network(config: Backbone, table: str) -> tuple[nn.Module, int]:
    """Opens a network of torchvision in eval mode, likewise; returns it and D."""
    import torchvision

    name = config.name.removeprefix(TORCHVISION)
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise UsageError("no network of that name", item=config.name, remedy="such as torchvision:alexnet")
    try:
        network = torchvision.models.get_model(
            name, weights=None if config.weights else "DEFAULT", **dict(config.options)
        )
    except OSError as error:
        raise BundleNotFound(
            "its published weights cannot be downloaded",
            item=config.name,
            remedy=f"name a safetensors file as {table}.weights",
        ) from error
    if not hasattr(network, "features"):
        raise UsageError("has no grid of features", item=config.name, remedy="such as torchvision:alexnet")
    with torch.no_grad():
        return network, int(network.eval().features(torch.zeros(1, 3, config.image_size, config.image_size)).shape[1])


def fill_weights(network: nn.Module, weights: Path, table: str) -> None:
    """Loads the weights of a safetensors file into a network.

    Args:
        network: Complete, with its own last layer.
        weights: The file.
        table: The settings' table that names the file, for messages.

    Raises:
        DataError: The weights cannot be read or belong to another network.
    """
    try:
        tensors = load_file(weights)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except OSError as error:
        raise DataError(f"cannot be read: {error}", item=str(weights), remedy=f"see {table}.weights") from error
    except Exception as error:  # safetensors and torch raise their own for files of another kind or network
        raise DataError(
            f"are not weights of this network: {str(error).splitlines()[0]}", item=str(weights),
            remedy=f"see {table}.weights",
        ) from error  # fmt: skip
