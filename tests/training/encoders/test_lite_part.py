"""The part of ``lite``: tensors found in a pickled file without unpickling it, and the graph that takes them."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime

from imagist.bundle import CARD, SHIPPED
from imagist.images import lite
from imagist.images.encoder import GRAPH
from imagist.protocols import PartOptions
from imagist.training.encoders import lite_part

pytestmark = pytest.mark.torch
installed = pytest.mark.skipif(find_spec(lite.PACKAGE) is None, reason="needs the lite extra")
SHIPPED_PART = SHIPPED / "encoders" / "lite"


def saved(path, tensors):
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


def test_every_tensor_is_found(tmp_path):
    torch.manual_seed(0)
    whole = torch.randn(4, 6)
    tensors = torch.nn.BatchNorm2d(3).state_dict()
    tensors["turned.weight"] = torch.randn(3, 3, 2, 5).permute(3, 2, 0, 1)
    tensors |= {"first.half": whole[:2], "second.half": whole[2:], "column": whole[:, 3]}
    content = saved(tmp_path / "a.pth", tensors)
    found = lite_part.tensors(content)
    assert {*found} == {*tensors} - {"num_batches_tracked"}
    for name, at in found.items():
        assert at.shape == tuple(tensors[name].shape)
        read = np.ndarray(at.shape, "<f4", content, at.offset, tuple(4 * stride for stride in at.strides))
        np.testing.assert_array_equal(read, tensors[name].numpy())


def test_a_file_that_is_cut_or_longer_is_refused(tmp_path):
    content = saved(tmp_path / "a.pth", torch.nn.Linear(3, 2).state_dict())
    with pytest.raises(ValueError, match="bytes"):
        lite_part.tensors(content + b"?")
    with pytest.raises(ValueError, match="bytes"):
        lite_part.tensors(content[:-1])


@pytest.fixture(scope="module")
def table():
    """The tensors of the package."""
    content = lite.weights_file().read_bytes()
    return {name: lite.read(content, at) for name, at in lite_part.tensors(content).items()}


def noise(number):
    """Images of large squares: uint8 ``[N, 224, 224, 3]``."""
    squares = np.random.default_rng(0).integers(0, 256, (number, 32, 32, 3), np.uint8)
    return squares.repeat(7, 1).repeat(7, 2)


def run(model, pixels):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"pixels": one[None]})[0] for one in pixels])


@installed
def test_a_part_that_it_writes_sees_what_the_float_graph_sees(table, tmp_path):
    pixels = noise(4)
    lite_part.write(tmp_path / "lite", pixels)
    assert (tmp_path / "lite" / lite.TENSORS).read_bytes() == (SHIPPED_PART / lite.TENSORS).read_bytes()
    cards = [(folder / CARD).read_text("utf-8").partition("[files]")[0] for folder in (tmp_path / "lite", SHIPPED_PART)]
    assert cards[0] == cards[1]
    floats = run(lite_part.graph(table)[0], pixels)
    for folder in (tmp_path / "lite", SHIPPED_PART):
        found = lite.load(str(folder), PartOptions()).encode(pixels)
        assert np.sum(found * floats) > 0.97 * np.linalg.norm(found) * np.linalg.norm(floats)


@installed
@pytest.mark.data
def test_the_float_graph_is_the_published_network(table, data):
    """The reference has the same weights in float16: with ours rounded likewise there is no difference left."""
    timm = pytest.importorskip("timm")
    load_file = pytest.importorskip("safetensors.torch").load_file
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    state = load_file(data / "weights" / "tf_efficientnet_lite0.imagenet.fp16.safetensors")
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    pixels = noise(4)
    with torch.no_grad():
        expected = network.forward_features(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1)
    halves = {name: x.astype(np.float16).astype(np.float32) for name, x in table.items()}
    found = run(lite_part.graph(halves)[0], pixels)
    np.testing.assert_allclose(found, expected.flatten(2).transpose(1, 2).numpy(), atol=5e-4)


def test_the_shipped_graph_has_no_kernels():
    graph = onnx.load(SHIPPED_PART / GRAPH, load_external_data=False).graph
    table = dict(map(lite.from_line, (SHIPPED_PART / lite.TENSORS).read_text("utf-8").splitlines()))
    outside = {tensor.name for tensor in graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL}
    assert outside == {f"{name}_quantized" for name in {*table} - {*lite.HEAD}}
    assert (SHIPPED_PART / GRAPH).stat().st_size < 500_000
