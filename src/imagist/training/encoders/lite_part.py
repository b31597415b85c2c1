"""Writes the part of the encoder ``lite``: EfficientNet-Lite0's graph without weights, and where the weights lie.

    python -m imagist.training.encoders.lite_part src/imagist/models/encoders/lite

The weights stay in the file of the package that `imagist.images.lite` reads. This module finds the place of each tensor
in that file: it reads the opcodes of the pickled header one by one and executes none of them. Run it again only when
the graph changes. The network: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

Shapes: N images; S side in pixels; L cells; D channels; C classes.
"""

from __future__ import annotations

import hashlib
import pickletools
import struct
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from onnx import GraphProto, NodeProto, TensorProto, helper

from imagist.bundle import write_part
from imagist.images.encoder import GRAPH
from imagist.images.lite import KIND, Tensor, to_line, weights_file

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


class _Nodes:
    """Collects the nodes of the graph; each method returns the name of its output."""

    def __init__(self, table: dict[str, Tensor]) -> None:
        self.table, self.nodes, self.weights = table, list[NodeProto](), list[TensorProto]()

    def add(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str) -> str:
        """A tensor whose content comes when the graph is opened."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=self.table[name].shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="elsewhere")
        self.weights.append(tensor)
        return name

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
            "Conv", [x, self.weight(f"{convolution}.weight")], kernel_shape=[height, height],
            strides=[stride, stride], pads=pads, group=out if into == 1 else 1,
        )  # fmt: skip
        parts = [self.weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        x = self.add("BatchNormalization", [x, *parts], epsilon=EPSILON)
        return self.add("Clip", [x, "zero", "six"]) if clip else x

    def block(self, x: str, name: str, *, expanded: bool, stride: int, residual: bool) -> str:
        """An inverted residual block."""
        inner = self.unit(x, f"{name}._expand_conv", f"{name}._bn0") if expanded else x
        inner = self.unit(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        inner = self.unit(inner, f"{name}._project_conv", f"{name}._bn2", clip=False)
        return self.add("Add", [x, inner]) if residual else inner


def graph(table: dict[str, Tensor]) -> bytes:
    """The ONNX graph: ``pixels``, uint8 ``[N, S, S, 3]``, to ``grid``, float32 ``[N, L, D]``; its weights are empty.

    Args:
        table: The tensors, by name.
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
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return bytes(model.SerializeToString())


def write(folder: Path) -> None:
    """Writes the part.

    Args:
        folder: Replaced where it exists.

    Raises:
        MissingExtra: The package with the weights is not installed.
    """
    content = weights_file().read_bytes()
    table = tensors(content)
    card = {"name": KIND, "space": SPACE, "sha256": hashlib.sha256(content).hexdigest()}
    lines = "".join(f"{to_line(name, tensor)}\n" for name, tensor in table.items())
    write_part(folder, KIND, card, None, **{GRAPH.replace(".", "__"): graph(table), "tensors__txt": lines.encode()})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
