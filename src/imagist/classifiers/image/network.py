"""`network`: a published network over photos with a last layer of one's own, in PyTorch.

What the last layer sees are a photo's *hidden states*, one row a photo: the mean over its views. As the last layer is
linear, that is the mean over the views of its logits.

Shapes: N photos; V views of a photo; S side in pixels; D channels of the last map; E width of the hidden states;
C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imagist.arrays import Array, Pixels
from imagist.bundle import fingerprint, open_part, write_part
from imagist.errors import BundleError, MissingExtra, UsageError
from imagist.images.views import by_photo, view
from imagist.protocols import PartOptions
from imagist.records import LabelSet, Photo

try:
    import torch
    from safetensors.torch import load as load_tensors
    from safetensors.torch import save
    from torch import Tensor, nn
except ImportError as _error:
    raise MissingExtra(
        "image networks need a library that is not installed", item=_error.name, remedy="pip install 'imagist[torch]'"
    ) from _error

TORCHVISION = "torchvision:"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pixels, 0 to 1, a channel
KIND, WEIGHTS = "network", "weights.safetensors"
AT_ONCE = 16  # photos

ViewName = Literal["square", "letterbox", "crops"]


@dataclass(frozen=True)
class Architecture:
    """A network without its weights.

    Attributes:
        name: Of a timm model, or of a torchvision one with ``features`` and ``classifier``: ``torchvision:alexnet``.
        options: Further arguments of the model.
        side: S.
        mean: Of the pixels, 0 to 1, a channel.
        std: The same of their spread.
        features: ``penultimate``, what the network's own last layer sees: of AlexNet and VGG 4,096 numbers after two
            fully connected layers; or ``pooled``, the mean of the last map: of these 256 and 512. Of networks that
            end in a pooling, such as ResNet, Inception, MobileNet and EfficientNet, both are the same.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    side: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    features: Literal["penultimate", "pooled"] = "penultimate"


class Network(nn.Module):
    """uint8 ``[N, S, S, 3]`` to logits ``[N, C]``, by way of hidden states ``[N, E]``.

    Args:
        whole: The network with its own last layer, which is kept where it fits: always but for pooled features.
        architecture: What it is.

    Attributes:
        body: Normalised ``[N, 3, S, S]`` to hidden states.
        last: A linear layer over them.

    Raises:
        UsageError: The network does not end in one linear layer.
    """

    def __init__(self, whole: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.body, self.last = _parted(whole, architecture)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(architecture.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(architecture.std).view(1, 3, 1, 1) * 255)

    def hidden(self, pixels: Tensor) -> Tensor:
        """float32 ``[N, E]`` of uint8 or float pixels ``[N, S, S, 3]``, 0 to 255."""
        found: Tensor = self.body((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``[N, C]``."""
        logits: Tensor = self.last(self.hidden(pixels))
        return logits

    def train(self, mode: bool = True) -> Network:
        """Batch norms keep the statistics that they were published with, also while the weights are tuned."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def with_classes(self, classes: int) -> Network:
        """Itself, with a new last layer of zeros for so many classes."""
        self.last = nn.Linear(self.last.in_features, classes)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        return self


def _parted(whole: nn.Module, architecture: Architecture) -> tuple[nn.Module, nn.Linear]:
    """A network's body and its last layer."""
    of_torchvision = architecture.name.startswith(TORCHVISION)
    last = _torchvision_last(whole) if of_torchvision else whole.get_classifier()  # type: ignore[operator]
    if not isinstance(last, nn.Linear):
        raise UsageError("does not end in one linear layer", item=architecture.name, remedy="choose another network")
    if not of_torchvision:
        whole.reset_classifier(0)  # type: ignore[operator]
    if architecture.features == "penultimate":
        return whole, last
    if of_torchvision:
        body: nn.Module = nn.Sequential(whole.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # type: ignore[arg-type]
    else:
        if hasattr(whole, "pre_logits"):
            whole.pre_logits = nn.Identity()  # of VGG nine tenths of the weights, which nothing runs
        body = _Pooled(whole, int(whole.num_features))  # type: ignore[arg-type]
    with torch.no_grad():
        width = body.eval()(torch.zeros(1, 3, architecture.side, architecture.side)).shape[1]
    return body, nn.Linear(width, last.out_features)


def _torchvision_last(whole: nn.Module) -> object:
    """Takes the last layer out of ``classifier``, which thereafter gives what that layer saw."""
    last = getattr(whole, "classifier", None)
    if isinstance(last, nn.Sequential):
        layers, last = last, last[-1]
        layers[-1] = nn.Identity()
    elif hasattr(whole, "features"):
        whole.classifier = nn.Identity()
    return last


class _Pooled(nn.Module):
    """The mean of the last map ``[N, D, h, w]``, ``[N, h, w, D]`` or tokens ``[N, L, D]``."""

    def __init__(self, whole: nn.Module, channels: int) -> None:
        super().__init__()
        self.whole, self.channels = whole, channels

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.whole.forward_features(x)  # type: ignore[operator]
        if found.ndim == 3:
            return found.mean(1)
        return found.mean((2, 3) if found.shape[1] == self.channels else (1, 2))


def timm_library() -> Any:
    """The module ``timm``, imported where it is first needed: that takes longer than all other imports together.

    Raises:
        MissingExtra: It is not installed, or does not go with this torch.
    """
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(
            f"networks by name need timm: {error}", item="timm", remedy="pip install 'imagist[torch]'"
        ) from error
    return timm


def untrained(architecture: Architecture, classes: int) -> Network:
    """The network with weights that mean nothing yet, in eval mode.

    Raises:
        UsageError: No such network.
    """
    name, options = architecture.name, dict(architecture.options)
    try:
        if name.startswith(TORCHVISION):
            import torchvision

            whole = torchvision.models.get_model(name.removeprefix(TORCHVISION), weights=None, **options)
        else:
            whole = timm_library().create_model(name, pretrained=False, exportable=True, **options)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UsageError(f"no such network: {error}", item=name) from error
    return Network(whole, architecture).with_classes(classes).eval()


def views_of(pixels: Pixels, side: int, views: str = "square", mirror: bool = False) -> Pixels:
    """The views of a photo that are classified: uint8 ``[V, S, S, 3]``.

    Args:
        pixels: uint8 ``[H, W, 3]``.
        side: S.
        views: ``square``, ``letterbox`` or ``crops``, as `imagist.images.views` has them.
        mirror: Whether the mirror image of each is a further view.
    """
    found = view(views)(pixels, side)
    return np.concatenate([found, found[:, :, ::-1]]) if mirror else found


class NetworkClassifier:
    """Implements `imagist.protocols.ImageClassifier`.

    Args:
        network: From views to logits; moved to the device and put in eval mode.
        labels: One for each of its C classes.
        views: Which views of a photo are classified, see `views_of`.
        mirror: As well.
        device: As torch names it.

    Raises:
        UsageError: Not as many labels as classes; no such view.
    """

    concurrent = False  # torch already uses every core

    def __init__(
        self, network: Network, labels: LabelSet, *, views: str = "square", mirror: bool = False, device: str = "cpu"
    ) -> None:
        if network.last.out_features != len(labels):
            raise UsageError(f"{len(labels)} labels for a network of {network.last.out_features} classes")
        view(views)
        self.labels, self.views, self.mirror = labels, views, mirror
        self._device = torch.device(device)
        self.network = network.to(self._device).eval()

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.hidden(photos))

    @torch.inference_mode()
    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, E]``, what the last layer sees; the mean over each photo's views."""
        rows = [np.zeros((0, self.network.last.in_features), np.float32)]
        side = self.network.architecture.side
        for start in range(0, len(photos), AT_ONCE):
            taken = [views_of(photo.pixels, side, self.views, self.mirror) for photo in photos[start : start + AT_ONCE]]
            pixels = np.concatenate(taken)
            parts = [torch.from_numpy(pixels[at : at + AT_ONCE]) for at in range(0, len(pixels), AT_ONCE)]
            found = torch.cat([self.network.hidden(part.to(self._device)) for part in parts]).float().cpu()
            rows.append(by_photo(found.numpy(), taken))
        return np.concatenate(rows)

    @torch.inference_mode()
    def scores_of(self, features: Array) -> Array:
        """float32 ``[N, C]`` of hidden states ``[N, E]``."""
        given = torch.from_numpy(np.asarray(features, np.float32)).to(self._device)
        scores: Array = torch.softmax(self.network.last(given).float(), -1).cpu().numpy()
        return scores

    @cached_property
    def id(self) -> str:
        """Changes with weights, labels and views."""
        weights = (weight.cpu().numpy() for weight in self.network.state_dict().values())
        own = fingerprint(self.labels.names, self.views, self.mirror, asdict(self.network.architecture), *weights)
        return f"{KIND}-{own}"

    def save(self, folder: Path) -> None:
        """Writes weights and card."""
        content = save({name: weight.cpu().contiguous() for name, weight in self.network.state_dict().items()})
        card = {
            "labels": list(self.labels),
            "views": self.views,
            "mirror": self.mirror,
            "architecture": asdict(self.network.architecture),
        }
        write_part(folder, KIND, card, weights__safetensors=content)


def load(model: str, options: PartOptions) -> NetworkClassifier:
    """Loads a saved classifier, from its folder or a model.

    Raises:
        BundleTampered: The weights are not those that the card describes.
        BundleError: Card or weights cannot be understood.
    """
    folder = open_part(model, "image_classifier")
    try:
        labels = folder.labels
        network = untrained(_architecture(folder.card["architecture"]), len(labels))
        network.load_state_dict(load_tensors(folder.read(WEIGHTS)))
        views, mirror = folder.card["views"], folder.card["mirror"]
        return NetworkClassifier(network, labels, views=views, mirror=mirror, device=options.device)
    except (TypeError, RuntimeError, UsageError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"cannot be loaded: {type(error).__name__}: {reason}", item=str(folder.path)) from error


def _architecture(table: Mapping[str, Any]) -> Architecture:
    known: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in table.items()}
    return Architecture(**known | {"options": dict(known.get("options", {}))})
