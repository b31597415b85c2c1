"""Torch modules to the ONNX graphs of a bundle: folded, and stored in half precision.

Shapes: N photos, B beams, S side in pixels, L cells, D channels, K candidates, V words.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from imagist.training.captioners.evaluator import next_words
from imagist.training.checkpoint import weights_key
from imagist.training.networks.concepts import ConceptDetector
from imagist.training.networks.decoder import CaptionDecoder, beams_of
from imagist.training.networks.efficientnet_lite import ConvUnit

OPSET = 20

Module = TypeVar("Module", bound=nn.Module)


def folded(module: Module) -> Module:
    """A copy in eval mode with the batch norm of each `ConvUnit` folded into its convolution."""
    copied = copy.deepcopy(module).eval()
    for unit in [m for m in copied.modules() if isinstance(m, ConvUnit) and isinstance(m.norm, nn.BatchNorm2d)]:
        unit.conv = fuse_conv_bn_eval(unit.conv, unit.norm)
        unit.norm = nn.Identity()  # type: ignore[assignment]
    return copied


class BeginGraph(nn.Module):
    """`CaptionDecoder.begin` with a flat output: the tensors of the memory, then of the state."""

    def __init__(self, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, grid: Tensor) -> tuple[Tensor, ...]:
        """Encodes a grid ``[N, L, D]``."""
        memory, state = self.decoder.begin(grid)
        return (*memory.values(), *state.values())


class StepGraph(nn.Module):
    """`imagist.training.captioners.evaluator.next_words` with flat inputs and outputs.

    Args:
        decoder: The module.
        memory: The names of its memory.
        state: The names of its state.
        suppressed_tokens: Ids that are never generated.
    """

    def __init__(
        self, decoder: CaptionDecoder, memory: Sequence[str], state: Sequence[str], suppressed_tokens: Sequence[int]
    ) -> None:
        super().__init__()
        self.decoder, self.memory, self.state = decoder, tuple(memory), tuple(state)
        self.suppressed_tokens = tuple(suppressed_tokens)

    def forward(self, word: Tensor, candidates: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns log-probabilities and ids ``[N, B, K]``, attention if any, and the new state; K is ``candidates``."""
        best = cast(int, candidates.item())  # an int() would keep the exporter from tracing it as a symbol
        torch._check(best >= 1)
        torch._check(best <= self.decoder.words)
        memory = dict(zip(self.memory, given, strict=False))
        state = dict(zip(self.state, given[len(self.memory) :], strict=True))
        logprobs, ids, attention, new = next_words(self.decoder, word, memory, state, best, self.suppressed_tokens)
        attended = () if attention is None else (attention,)
        return (logprobs, ids, *attended, *(new[name] for name in self.state))


@dataclass(frozen=True)
class Graph:
    """What the exporter needs to know about a module.

    Attributes:
        module: In eval mode.
        inputs: Name, example and dynamic axes (axis number to name) of each input, in order.
        outputs: Names of what it returns.
        plain: The number of inputs that are separate arguments; the others form one tuple. None: all are separate.
    """

    module: nn.Module
    inputs: Sequence[tuple[str, Tensor, Mapping[int, str]]]
    outputs: Sequence[str]
    plain: int | None = None


def encoder_graph(encoder: nn.Module, side: int) -> Graph:
    """``encoder.onnx`` of a module from uint8 ``[N, S, S, 3]`` to ``[N, L, D]``."""
    pixels = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    return Graph(folded(encoder), [("pixels", pixels, {0: "n"})], ["grid"])


_encoders: WeakKeyDictionary[nn.Module, tuple[int, str, onnx.ModelProto]] = WeakKeyDictionary()


def encoder_onnx(encoder: nn.Module, side: int) -> onnx.ModelProto:
    """`encoder_graph` as an ONNX model in float32, exported once for a module until its weights or S change.

    The caller does not change the model in place.
    """
    key = weights_key(encoder)
    known = _encoders.get(encoder)
    if known is None or known[:2] != (side, key):
        known = _encoders[encoder] = side, key, to_onnx(encoder_graph(encoder, side))
    return known[2]


def decoder_graphs(
    decoder: CaptionDecoder, cells: int, channels: int, suppressed_tokens: Sequence[int]
) -> dict[str, Graph]:
    """``begin.onnx`` and ``step.onnx``.

    A step's outputs are ``logprobs``, ``ids``, maybe ``attention``, and the state, each part named ``new_`` and its
    name as an input. Outputs of ``begin.onnx`` that no step returns are the memory.

    Args:
        decoder: The module.
        cells: L.
        channels: D.
        suppressed_tokens: Ids that are never generated.
    """
    grid = torch.zeros(2, cells, channels)
    with torch.no_grad():
        memory, first = decoder.eval().begin(grid)
        state = {name: x.contiguous() for name, x in beams_of(first, 3).items()}
        _, attention, state = decoder.step(torch.zeros(2, 3, dtype=torch.int64), memory, state)
    beams = {0: "n", 1: "b"}
    growing = {name: beams | {axis: "t"} for name, axis in decoder.growing.items()}
    inputs: list[tuple[str, Tensor, Mapping[int, str]]] = [
        ("word", torch.zeros(2, 3, dtype=torch.int64), beams),
        ("candidates", torch.tensor([5]), {}),
        *((name, x.contiguous(), {0: "n"}) for name, x in memory.items()),
        *((name, x.contiguous(), growing.get(name, beams)) for name, x in state.items()),
    ]
    attended = [] if attention is None else ["attention"]
    outputs = ["logprobs", "ids", *attended, *(f"new_{name}" for name in state)]
    return {
        "begin.onnx": Graph(BeginGraph(decoder), [("grid", grid, {0: "n"})], [*memory, *state]),
        "step.onnx": Graph(StepGraph(decoder, [*memory], [*state], suppressed_tokens), inputs, outputs, plain=2),
    }


def detector_graph(detector: ConceptDetector, cells: int, channels: int) -> dict[str, Graph]:
    """``concepts.onnx``."""
    grid = ("grid", torch.zeros(2, cells, channels), {0: "n"})
    return {"concepts.onnx": Graph(detector, [grid], ["shares"])}


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """The module as an ONNX model in float32."""
    examples = [example for _, example, _ in graph.inputs]
    shapes = [dict(dynamic) for _, _, dynamic in graph.inputs]
    plain = len(examples) if graph.plain is None else graph.plain
    packed = plain < len(examples)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own; it also prints graphs
        program = torch.onnx.export(
            graph.module.eval(),
            (*examples[:plain], tuple(examples[plain:])) if packed else tuple(examples),
            dynamo=True,
            dynamic_shapes=(*shapes[:plain], tuple(shapes[plain:])) if packed else tuple(shapes),
            input_names=[name for name, _, _ in graph.inputs],
            output_names=list(graph.outputs),
            opset_version=OPSET,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model_proto
    for node in [*model.graph.node, model]:
        del node.metadata_props[:]  # stack traces of this machine
        node.doc_string = ""
    del model.graph.value_info[:]
    name_transposed(model, graph.module)
    return model


TRANSPOSED = ".T"


def name_transposed(model: onnx.ModelProto, module: nn.Module) -> None:
    """Names weights that the exporter transposed after their parameters, with ``.T``, so that `restore` finds them."""
    known = {p.detach().T.contiguous().numpy().tobytes(): name for name, p in module.named_parameters() if p.ndim == 2}
    names = {}
    for weight in model.graph.initializer:
        name = known.get(numpy_helper.to_array(weight).tobytes())
        if name and len(weight.dims) == 2 and weight.name not in dict(module.named_parameters()):
            names[weight.name] = name + TRANSPOSED
            weight.name = name + TRANSPOSED
    for node in model.graph.node:
        for place, used in enumerate(node.input):
            node.input[place] = names.get(used, used)


HALVED = "_half"


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its large float32 weights stored as float16; a cast to float32 follows each."""
    halves = copy.deepcopy(model)
    scales = {node.input[1] for node in halves.graph.node if node.op_type == "DequantizeLinear"}
    casts = []
    for weight in halves.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 256 or weight.name in scales:
            continue
        name, values = weight.name, numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(values, name + HALVED))
        casts.append(helper.make_node("Cast", [name + HALVED], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        halves.graph.node.insert(0, node)
    onnx.checker.check_model(halves)
    return halves


BYTES, STEP = "_bytes", "_step"
_LARGE = 8192  # elements of a weight that is worth it


def in_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its large float32 matrices ``[A, B]`` stored as 8-bit integers and a step a column.

    Only the file gets smaller: a cast and a product make float32 of them again when a session is opened. The error is
    at most half a step, 1/254 of the largest weight in the column.
    """
    smaller = copy.deepcopy(model)
    nodes = []
    for weight in [*smaller.graph.initializer]:
        if weight.data_type != TensorProto.FLOAT or len(weight.dims) != 2 or np.prod(weight.dims) < _LARGE:
            continue
        name, values = weight.name, numpy_helper.to_array(weight)
        steps = np.maximum(np.abs(values).max(0) / 127, 1e-12).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(np.rint(values / steps).astype(np.int8), name + BYTES))
        smaller.graph.initializer.append(numpy_helper.from_array(steps, name + STEP))
        cast = helper.make_node("Cast", [name + BYTES], [name + "_whole"], to=TensorProto.FLOAT)
        nodes += [cast, helper.make_node("Mul", [name + "_whole", name + STEP], [name])]
    for node in reversed(nodes):
        smaller.graph.node.insert(0, node)
    onnx.checker.check_model(smaller)
    return smaller
