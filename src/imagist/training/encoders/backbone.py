"""Photo to grid by a published network, named as timm names it, and the views of photos that it makes grids of.

Shapes: N photos, V views, S side in pixels, L cells, D channels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Array, Halves, Ints, Pixels
from imagist.classifiers.image.network import IMAGENET_MEAN, IMAGENET_STD, TORCHVISION, timm_library
from imagist.datasets.captions import Record
from imagist.errors import BundleNotFound, DataError, UsageError
from imagist.images.photo import ImageSource, photo_of
from imagist.images.views import square
from imagist.training.captioners.recipe import Backbone
from imagist.training.embedded.images import varied
from imagist.training.encoders.features import Change, Kept, fill
from imagist.training.export.graphs import Graph, to_onnx

log = logging.getLogger("imagist.training")

Bytes = Pixels


class GridEncoder(nn.Module):
    """uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``: normalises, and gives the last map before the pooling.

    Args:
        network: From normalised ``[N, 3, S, S]`` to a map ``[N, D, h, w]``, ``[N, h, w, D]`` or tokens ``[N, L, D]``.
        channels: D.
        mean: Of the pixels, 0 to 1, a channel.
        std: The same of their spread.
        architecture: Tells networks apart that compute otherwise with the same weights; grids are cached under it too.
    """

    def __init__(
        self, network: nn.Module, channels: int, mean: Sequence[float], std: Sequence[float], architecture: str = ""
    ) -> None:
        super().__init__()
        self.network, self.channels, self.architecture = network, channels, architecture
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def forward(self, pixels: Tensor) -> Tensor:
        """As the class says."""
        return grid_of(self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std), self.channels)

    def train(self, mode: bool = True) -> GridEncoder:
        """Batch norms keep the statistics that they were published with, also while the weights are tuned."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def grid_of(found: Tensor, channels: int) -> Tensor:
    """A map in either layout, or tokens, to ``[N, L, D]``.

    Raises:
        UsageError: No axis has D channels.
    """
    if found.ndim == 3 and found.shape[2] == channels:
        return found
    if found.ndim == 4 and found.shape[1] == channels:
        return found.flatten(2).transpose(1, 2)
    if found.ndim == 4 and found.shape[3] == channels:
        return found.flatten(1, 2)
    raise UsageError(f"features of shape {list(found.shape)} are no grid of {channels} channels", item="backbone.name")


def open_backbone(config: Backbone, data: Path) -> GridEncoder:
    """The encoder that a recipe names, in eval mode.

    Args:
        config: Its name, weights and input.
        data: Folder in which ``weights`` is looked for.

    Raises:
        UsageError: No such network, or arguments that it does not take.
        DataError: The weights cannot be read or are another network's.
        BundleNotFound: The published weights cannot be had.
    """
    if config.name.startswith(TORCHVISION):
        network, channels = torchvision_network(config, "backbone")
        mean: tuple[float, ...] = IMAGENET_MEAN
        std: tuple[float, ...] = IMAGENET_STD
    else:
        network, channels, mean, std = timm_network(config, "backbone")
    if config.weights:
        fill_weights(network, data / config.weights, "backbone")
    whole = network.features if config.name.startswith(TORCHVISION) else _Features(network)
    return GridEncoder(
        whole,  # type: ignore[arg-type]
        channels,
        config.mean or mean,
        config.std or std,
        json.dumps([config.name, dict(config.options)], sort_keys=True),
    ).eval()


class _Features(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.network.forward_features(x)  # type: ignore[operator]
        return found


def timm_network(config: Backbone, table: str) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """A network of timm, with the published weights where no file is named.

    Args:
        config: Its name and input.
        table: Of the settings that ``config`` comes from, for messages.

    Returns:
        The network, D, and the mean and spread of the pixels that it was trained on.

    Raises:
        UsageError: No such network, or arguments that it does not take.
        BundleNotFound: The published weights cannot be had.
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
            f"its published weights cannot be had ({type(error).__name__})", item=config.name,
            remedy=f"connect to the internet, or name a safetensors file as {table}.weights",
        ) from error  # fmt: skip
    found = timm.data.resolve_data_config({}, model=network)
    return network, int(network.num_features), found["mean"], found["std"]


def torchvision_network(config: Backbone, table: str) -> tuple[nn.Module, int]:
    """The same of torchvision, in eval mode: the network and D."""
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
            "its published weights cannot be had",
            item=config.name,
            remedy=f"name a safetensors file as {table}.weights",
        ) from error
    if not hasattr(network, "features"):
        raise UsageError("has no grid of features", item=config.name, remedy="such as torchvision:alexnet")
    with torch.no_grad():
        return network, int(network.eval().features(torch.zeros(1, 3, config.side, config.side)).shape[1])


def fill_weights(network: nn.Module, weights: Path, table: str) -> None:
    """Gives a network the weights of a safetensors file.

    Args:
        network: Whole, with its own last layer.
        weights: The file.
        table: Of the settings that name it, for messages.

    Raises:
        DataError: The weights cannot be read or are another network's.
    """
    try:
        found = load_file(weights)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in found.items()})
    except OSError as error:
        raise DataError(f"cannot be read: {error}", item=str(weights), remedy=f"see {table}.weights") from error
    except Exception as error:  # safetensors' and torch's own, for files of another kind or network
        raise DataError(
            f"are not weights of this network: {str(error).splitlines()[0]}", item=str(weights),
            remedy=f"see {table}.weights",
        ) from error  # fmt: skip


@dataclass(frozen=True)
class Views:
    """The views that a recipe makes of photos: the whole, its mirror image, then random crops.

    Attributes:
        side: S.
        number: V.
        least_area: Smallest share of the photo that a crop keeps.
        seed: Of the crops.
    """

    side: int
    number: int = 1
    least_area: float = 0.5
    seed: int = 0

    def of(self, record: Record, place: int) -> Bytes:
        """uint8 ``[V, S, S, 3]`` of one photo."""
        whole = square(photo_of(record).pixels, self.side)
        views = [whole, whole[:, :, ::-1]][: self.number]
        for view in range(2, self.number):
            views.append(self._crop(whole[0], np.random.default_rng((self.seed, place, view)))[None])
        return np.ascontiguousarray(np.concatenate(views))

    def _crop(self, whole: Bytes, rng: np.random.Generator) -> Bytes:
        x = varied(whole, rng, least=self.least_area, coarse=0.0)
        if self.side != x.shape[2]:
            x = F.interpolate(x, (self.side, self.side), mode="bicubic").clamp(-1, 1)
        found: Bytes = ((x[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        return found


def cached_grids(
    encoder: GridEncoder, records: Sequence[Record], views: Views, folder: Path, device: torch.device
) -> Halves:
    """Grids float16 ``[N, V, L, D]`` of all views of all photos, computed once for this network, its photos and views.

    Args:
        encoder: Frozen.
        records: The photos.
        views: Of each.
        folder: Of the cache; files are named by what they depend on.
        device: Where the network runs; on ``cpu`` ONNX Runtime runs it, several times as fast as eager PyTorch.
    """
    told = [encoder.architecture, weights_key(encoder), asdict(views), records_key(records)]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    with torch.no_grad():
        cells = encoder(torch.zeros(1, views.side, views.side, 3, dtype=torch.uint8)).shape[1]
    kept = Kept(folder / f"grids-{key[:16]}.npy", (len(records), views.number, cells, encoder.channels))

    @cache  # where all is kept nothing has to be exported
    def encode() -> Callable[[Bytes], Array]:
        return on_cpu(encoder, views.side) if device.type == "cpu" else on_device(encoder, device)

    def compute(start: int, end: int) -> Array:
        with ThreadPoolExecutor(_cores()) as pool:
            made = list(pool.map(lambda i: views.of(records[i], i), range(start, end)))
        return encode()(np.concatenate(made))

    return fill(kept, compute, f"grids of {len(records)} photos")


def on_cpu(encoder: GridEncoder, side: int) -> Callable[[Bytes], Array]:
    """Runs the encoder in ONNX Runtime, one image at a time on every core."""
    graph = Graph(encoder, [("pixels", torch.zeros(2, side, side, 3, dtype=torch.uint8), {0: "n"})], ["grid"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        to_onnx(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def encode(pixels: Bytes) -> Array:
        with ThreadPoolExecutor(_cores()) as pool:
            return np.concatenate([*pool.map(lambda one: session.run(None, {"pixels": one[None]})[0], pixels)])

    return encode


def on_device(encoder: GridEncoder, device: torch.device) -> Callable[[Bytes], Array]:
    """Runs the encoder in PyTorch."""
    encoder.to(device)

    @torch.no_grad()
    def encode(pixels: Bytes) -> Array:
        found: Array = encoder(torch.from_numpy(pixels).to(device)).float().cpu().numpy()
        return found

    return encode


def weights_key(encoder: nn.Module) -> str:
    """Changes with any weight or buffer."""
    found = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return found.hexdigest()


def records_key(records: Sequence[ImageSource]) -> str:
    """Changes with any photo or their order; files are told apart by name, size and time."""
    found = hashlib.sha256()
    for record in records:
        if record.content is not None:
            found.update(hashlib.sha256(record.content).digest())
        else:
            stat = Path(record.image).stat()
            found.update(f"{record.image}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Images:
    """`imagist.training.encoders.features.Features` for an encoder that is trained as well: the photos themselves.

    Attributes:
        records: The photos, decoded anew each time.
        views: How a view is made; a drawn one is a crop, mirrored or not.
        change: Of what is given, uint8 ``[n, S, S, 3]``.
    """

    records: Sequence[Record]
    views: Views
    change: Change = lambda given: given

    def __len__(self) -> int:
        return len(self.records)

    def some(self, photos: Ints, rng: np.random.Generator) -> Tensor:
        """As the protocol says."""
        seeds = rng.integers(2**31, size=len(photos))
        with ThreadPoolExecutor(_cores()) as pool:
            made = pool.map(lambda pair: self._drawn(*pair), zip(photos, seeds, strict=True))
            return self.change(torch.from_numpy(np.concatenate(list(made))))

    def _drawn(self, photo: int, seed: int) -> Bytes:
        views = Views(self.views.side, 3, self.views.least_area, int(seed))
        return views.of(self.records[photo], 0)[2:]

    def whole(self, start: int, end: int) -> Tensor:
        """As the protocol says."""
        views = Views(self.views.side)
        return self.change(torch.from_numpy(np.concatenate([views.of(self.records[i], i) for i in range(start, end)])))

    def changed(self, change: Change) -> Images:
        """As the protocol says; views are changed as they are drawn."""
        return replace(self, change=lambda given: change(self.change(given)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
