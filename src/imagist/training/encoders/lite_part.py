"""Writes the part of the encoder ``lite``: EfficientNet-Lite0's graph without kernels, and where the kernels lie.

    python -m imagist.training.encoders.lite_part src/imagist/models/encoders/lite IMAGES...

The kernels stay in the file of the package that `imagist.images.lite` reads, which rounds them to 8 bits by the factors
of the part. This module finds the place of each tensor in that file: it reads the opcodes of the pickled header one by
one and executes none of them. It measures the ranges of activations on images (a folder or a table), some of Flickr8k's
training images and of others for the part that ships. Run it again only when the graph changes. The network:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

Shapes: N images; S side in pixels; L cells; D channels; C classes.
"""

from __future__ import annotations

import copy
import hashlib
import pickletools
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from imagist.arrays import Array, Pixels
from imagist.bundle import npz, write_part
from imagist.images import load, rows
from imagist.images.encoder import GRAPH
from imagist.images.lite import FACTORS, HEAD, KIND, TENSORS, Tensor, read, rounded, to_line, weights_file
from imagist.images.views import square
from imagist.records import Photo
from imagist.training.export.quantization import QUANTIZED, SCALE, quantize_convolutions

SPACE = "efficientnet-lite0@224"
SIDE, CELLS, CHANNELS = 224, 49, 1280
STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
"""Of each stage: the stride of its first block, and the number of blocks. Other sizes are those of the tensors."""
EPSILON = 1e-3  # of the batch norms, TensorFlow's
OPSET = 17
_MARK = object()
_BUILDERS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK}
_LITERALS = ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "GLOBAL")


def tensors(content: bytes) -> dict[str, Tensor]:
    """The float32 tensors of a file that PyTorch before 1.6 wrote, by name.

    Such a file holds three short pickles, one of the tensors by name, one of the keys of their storages, and then for
    each key the number of its elements (int64) and the elements.

    Args:
        content: Of the file, little-endian.
    """
    stream = BytesIO(content)
    *_, described, keys = (list(pickletools.genops(stream)) for _ in range(5))
    named = {
        name: (storage, int(offset), shape, strides)
        for name, (storage, offset, shape, strides) in _named_tensors((op.name, arg) for op, arg, _ in described)
    }
    types = {storage[2]: storage[1] for storage, *_ in named.values()}
    lengths = {"torch FloatStorage": 4, "torch LongStorage": 8}
    begins, at = {}, stream.tell()
    for key in (arg for op, arg, _ in keys if op.name == "BINUNICODE"):
        (elements,) = struct.unpack_from("<q", content, at)
        begins[key] = at + 8
        at += 8 + elements * lengths[types[key]]
    if at != len(content):
        raise ValueError(f"the storages end at {at:,} of {len(content):,} bytes")
    return {
        name: Tensor(begins[storage[2]] + 4 * offset, tuple(shape), tuple(strides))
        for name, (storage, offset, shape, strides) in named.items()
        if storage[1] == "torch FloatStorage"
    }


def _named_tensors(ops: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each name with storage, offset, shape and strides: what a pickle would call ``_rebuild_tensor_v2`` with."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for name, arg in ops:
        if name in _LITERALS:
            stack.append(arg)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("EMPTY_TUPLE", "EMPTY_DICT"):
            stack.append(())
        elif name in _BUILDERS:
            stack[-_BUILDERS[name] :] = [tuple(stack[-_BUILDERS[name] :])]
        elif name == "TUPLE":
            begin = len(stack) - 1 - stack[::-1].index(_MARK)
            stack[begin:] = [tuple(stack[begin + 1 :])]
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[arg] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[arg])
        elif name == "REDUCE":
            function, given = stack[-2:]
            stack[-2:] = [given]
            if function == "torch._utils _rebuild_tensor_v2":
                yield stack[-2], given[:4]
        elif name in ("SETITEMS", "BUILD"):
            return  # the tensors are all told; what follows describes the modules
        elif name not in ("PROTO", "BINPERSID"):
            raise ValueError(f"an opcode that no table of tensors has: {name}")


def norm_scale(table: Mapping[str, Array], norm: str) -> Array:
    """What a batch norm multiplies each channel by: float32 ``[O]``."""
    scale: Array = table[f"{norm}.weight"] / np.sqrt(table[f"{norm}.running_var"] + np.float32(EPSILON))
    return scale


class _Nodes:
    """Collects the nodes of the graph.

    Attributes:
        norms: For each kernel the batch norm that is folded into it.
    """

    def __init__(self, table: Mapping[str, Array]) -> None:
        self.table, self.nodes, self.weights = table, list[NodeProto](), list[TensorProto]()
        self.norms: dict[str, str] = {}

    def add(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def convolution(self, name: str, norm: str) -> list[str]:
        """Kernel and bias of a convolution with the batch norm after it folded in; named as in the package's file."""
        scale = norm_scale(self.table, norm)
        kernel = self.table[f"{name}.weight"] * scale[:, None, None, None]
        bias = self.table[f"{norm}.bias"] - self.table[f"{norm}.running_mean"] * scale
        self.weights += [
            numpy_helper.from_array(kernel, f"{name}.weight"),
            numpy_helper.from_array(bias, f"{name}.bias"),
        ]
        self.norms[f"{name}.weight"] = norm
        return [f"{name}.weight", f"{name}.bias"]

    def constant(self, name: str, values: Any, kind: int = TensorProto.FLOAT) -> str:
        values = values if isinstance(values, list) else [values]
        self.weights.append(helper.make_tensor(name, kind, [len(values)], values))
        return name

    def unit(self, x: str, convolution: str, norm: str, stride: int = 1, *, clip: bool = True) -> str:
        """Convolution with TensorFlow's padding "SAME", batch norm and, where asked for, ReLU6."""
        out, into, height, _ = self.table[f"{convolution}.weight"].shape
        spare = height - stride  # of an even side; all sides here that a stride of 2 halves are even
        pads = [spare // 2, spare // 2, spare - spare // 2, spare - spare // 2]
        x = self.add(
            "Conv", [x, *self.convolution(convolution, norm)], kernel_shape=[height, height],
            strides=[stride, stride], pads=pads, group=out if into == 1 else 1,
        )  # fmt: skip
        return self.add("Clip", [x, "zero", "six"]) if clip else x

    def block(self, x: str, name: str, *, expanded: bool, stride: int, residual: bool) -> str:
        """An inverted residual block."""
        inner = self.unit(x, f"{name}._expand_conv", f"{name}._bn0") if expanded else x
        inner = self.unit(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        inner = self.unit(inner, f"{name}._project_conv", f"{name}._bn2", clip=False)
        return self.add("Add", [x, inner]) if residual else inner


def graph(table: Mapping[str, Array]) -> tuple[ModelProto, dict[str, str]]:
    """The ONNX graph in float32: ``pixels``, uint8 ``[N, S, S, 3]``, to ``grid``, float32 ``[N, L, D]``.

    Args:
        table: The tensors of the package's file, by name.

    Returns:
        The graph, and for each kernel the batch norm that is folded into it, by the names of that file.
    """
    net = _Nodes(table)
    for name, value in (("zero", 0.0), ("six", 6.0), ("half", 127.5), ("one", 1.0)):
        net.weights.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    x = net.add("Cast", [net.add("Transpose", ["pixels"], perm=[0, 3, 1, 2])], to=TensorProto.FLOAT)
    x = net.add("Sub", [net.add("Div", [x, "half"]), "one"])
    x = net.unit(x, "_conv_stem", "_bn0", 2)
    strides = [stride if first else 0 for stride, blocks in STAGES for first in (True, *(False,) * (blocks - 1))]
    for number, stride in enumerate(strides):
        x = net.block(x, f"_blocks.{number}", expanded=number > 0, stride=stride or 1, residual=not stride)
    x = net.unit(x, "_conv_head", "_bn1")
    x = net.add("Reshape", [x, net.constant("shape", [0, CHANNELS, CELLS], TensorProto.INT64)])
    net.add("Transpose", [x], "grid", perm=[0, 2, 1])
    made = GraphProto(name="lite", node=net.nodes, initializer=net.weights)
    made.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3]))
    made.output.append(helper.make_tensor_value_info("grid", TensorProto.FLOAT, ["n", CELLS, CHANNELS]))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9), net.norms


def without_kernels(
    model: ModelProto, table: Mapping[str, Array], norms: Mapping[str, str]
) -> tuple[ModelProto, dict[str, Array]]:
    """A quantized graph whose kernels come when it is opened, and how they are made of the published ones.

    Args:
        model: Quantized.
        table: The published tensors, by name.
        norms: As `graph` returns them.

    Returns:
        The graph, and for each kernel float32 ``[O]``: the published kernel times it, rounded, is that of the graph. It
        holds the scale of the batch norm and the step of the integers.
    """
    hollow = copy.deepcopy(model)
    stored = {tensor.name: tensor for tensor in hollow.graph.initializer}
    factors = {}
    for name, norm in norms.items():
        kernel, steps = stored[name + QUANTIZED], numpy_helper.to_array(stored[name + SCALE])
        factors[name] = norm_scale(table, norm) / steps
        apart = rounded(table[name], factors[name]).astype(int) - numpy_helper.to_array(kernel)
        if np.abs(apart).max() > 1:  # a half may be rounded either way
            raise ValueError(f"the factors of {name} give another kernel")
        outside = TensorProto(name=kernel.name, data_type=TensorProto.INT8, dims=kernel.dims)
        outside.data_location = TensorProto.EXTERNAL
        outside.external_data.add(key="location", value="elsewhere")
        kernel.CopyFrom(outside)
    return hollow, factors


def write(folder: Path, images: Pixels) -> None:
    """Writes the part.

    Args:
        folder: Replaced where it exists.
        images: uint8 ``[N, S, S, 3]``, on which the ranges of activations are measured.

    Raises:
        MissingExtra: The package with the weights is not installed.
    """
    content = weights_file().read_bytes()
    places = tensors(content)
    table = {name: read(content, at) for name, at in places.items()}
    model, norms = graph(table)
    hollow, factors = without_kernels(quantize_convolutions(model, images), table, norms)
    card = {"name": KIND, "space": SPACE, "sha256": hashlib.sha256(content).hexdigest()}
    lines = "".join(f"{to_line(name, places[name])}\n" for name in (*factors, *HEAD))
    files = {GRAPH: hollow.SerializeToString(), TENSORS: lines.encode(), FACTORS: npz(**factors)}
    write_part(folder, KIND, card, None, **{name.replace(".", "__"): held for name, held in files.items()})


def main(arguments: Sequence[str]) -> None:
    """From the command line: the folder to write, and folders or tables of images."""
    folder, *sources = arguments
    photos = [photo for _, photo in load(rows(sources)) if isinstance(photo, Photo)]
    write(Path(folder), np.concatenate([square(photo.pixels, SIDE) for photo in photos]))


if __name__ == "__main__":
    main(sys.argv[1:])
