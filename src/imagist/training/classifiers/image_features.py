"""What a frozen network makes of photos, computed once for these weights, this photo and these views.

Any set of examples takes from the cache what other sets left there, so that folds, tasks and subsets of one pool of
photos cost one pass over the pool.

Shapes: N examples; V views of one; S side in pixels; E width of the hidden states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import Tensor, nn

from imagist.arrays import Array, Pixels
from imagist.classifiers.image.network import IMAGENET_MEAN, IMAGENET_STD, TORCHVISION, Architecture, Network, views_of
from imagist.errors import UsageError
from imagist.images.photo import ImageSource, photo_of
from imagist.images.views import by_photo
from imagist.records import Photo
from imagist.training.captioners.recipe import Backbone
from imagist.training.checkpoint import weights_key
from imagist.training.classifiers.image_settings import Pretrained
from imagist.training.devices import device_of
from imagist.training.encoders.backbone import fill_weights, timm_network, torchvision_network
from imagist.training.encoders.grid_cache import images_key
from imagist.training.encoders.row_cache import RowCache, fill
from imagist.training.encoders.runtimes import runner

TABLE = "network"  # what messages call a classifier's `Pretrained`
AT_ONCE = 64  # photos that are decoded together


def photos_of(images: Sequence[ImageSource]) -> Iterator[list[Photo]]:
    """The images, decoded some at a time."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), AT_ONCE):
            yield list(pool.map(photo_of, images[start : start + AT_ONCE]))


def open_network(settings: Pretrained, data: Path = Path()) -> Network:
    """The network with its weights and its own last layer, in eval mode.

    Args:
        settings: Which.
        data: Folder in which ``weights`` is looked for.

    Raises:
        ImagistError: As `imagist.training.encoders.backbone.open_backbone`.
    """
    given = Backbone(settings.name, settings.weights, settings.options, settings.side, settings.mean, settings.std)
    mean: Any = IMAGENET_MEAN
    std: Any = IMAGENET_STD
    if settings.name.startswith(TORCHVISION):
        whole, _ = torchvision_network(given, TABLE)
        if not hasattr(whole, "classifier"):
            raise UsageError("has no classifier", item=settings.name, remedy="such as torchvision:alexnet")
    else:
        whole, _, mean, std = timm_network(given, TABLE)
    if settings.weights:
        fill_weights(whole, data / settings.weights, TABLE)
    architecture = Architecture(
        settings.name, dict(settings.options), settings.side,
        tuple(settings.mean or mean), tuple(settings.std or std), settings.features,
    )  # fmt: skip
    return Network(whole, architecture).eval()


def cached_features(
    network: Network, settings: Pretrained, images: Sequence[ImageSource], folder: Path | None = None
) -> Array:
    """Hidden states float32 ``[N, E]`` of images, the mean over the views of each.

    They are kept as float16, in files named by what they depend on. A killed run resumes where it was, but for the
    last few hundred photos.

    Args:
        network: Opened by ``settings``; frozen.
        settings: The views, and the device: on a processor ONNX Runtime runs the network, several times as fast as
            eager PyTorch.
        images: N of them.
        folder: Of the cache; None keeps nothing.

    Raises:
        ItemError: An image cannot be read.
    """
    if folder is None:
        with TemporaryDirectory() as passing:
            return cached_features(network, settings, images, Path(passing))
    keys = [images_key([image]) for image in images]
    family = features_key(network, settings)
    known = _known(folder, family)
    missing = {key: image for key, image in zip(keys, images, strict=True) if key not in known}
    if missing:
        made = hashlib.sha256("".join(missing).encode()).hexdigest()
        path = folder / f"features-{family[:16]}-{made[:16]}.npy"
        folder.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".keys").write_text("\n".join(missing))
        kept = RowCache(path, (len(missing), network.last.in_features))
        rows = fill(kept, _compute(network, settings, [*missing.values()]), f"features of {len(missing)} photos")
        known |= dict(zip(missing, rows, strict=True))
    return np.array([known[key] for key in keys], np.float32).reshape(len(keys), network.last.in_features)


def features_key(network: Network, settings: Pretrained) -> str:
    """Changes with anything that the features of a photo depend on, but for the photo."""
    identity = [asdict(network.architecture), settings.views, settings.mirror, weights_key(network.body)]
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


def _known(folder: Path, family: str) -> dict[str, Any]:
    """The rows that earlier runs left, mapped from disk, by the keys of their photos."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob(f"features-{family[:16]}-*.npy")):
        done = RowCache(path, ()).done
        if done and path.with_suffix(".keys").exists():
            keys = path.with_suffix(".keys").read_text().splitlines()[:done]
            found |= dict(zip(keys, np.load(path, mmap_mode="r"), strict=False))
    return found


def _compute(network: Network, settings: Pretrained, images: Sequence[ImageSource]) -> Callable[[int, int], Array]:
    """``compute(start, end)`` of these images, for `imagist.training.encoders.row_cache.fill`."""
    side, device = network.architecture.side, device_of(settings.device)
    module: Any = _Hidden(network)
    encode = runner(module, side, device)

    def viewed(image: ImageSource) -> Pixels:
        return views_of(photo_of(image).pixels, side, settings.views, settings.mirror)

    def compute(start: int, end: int) -> Array:
        with ThreadPoolExecutor() as pool:
            views = [*pool.map(viewed, images[start:end])]
        return by_photo(encode(np.concatenate(views)), views)

    return compute


class _Hidden(nn.Module):
    """`Network.hidden` as a module, for export."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.hidden(pixels)
