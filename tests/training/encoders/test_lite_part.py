"""The part of ``lite``: tensors found in a pickled file without unpickling it, and the graph that takes them."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from imagist.bundle import CARD, SHIPPED
from imagist.images import lite
from imagist.images.encoder import GRAPH
from imagist.training.encoders import lite_part

pytestmark = pytest.mark.torch
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


@pytest.mark.skipif(find_spec(lite.PACKAGE) is None, reason="needs the lite extra")
def test_the_shipped_part_is_what_it_writes(tmp_path):
    lite_part.write(tmp_path / "lite")
    assert (tmp_path / "lite" / lite.TENSORS).read_bytes() == (SHIPPED_PART / lite.TENSORS).read_bytes()
    ours, shipped = (
        onnx.load(folder / GRAPH, load_external_data=False) for folder in (tmp_path / "lite", SHIPPED_PART)
    )
    assert ours == shipped
    cards = [(folder / CARD).read_text("utf-8").partition("[files]")[0] for folder in (tmp_path / "lite", SHIPPED_PART)]
    assert cards[0] == cards[1]


def test_the_shipped_graph_has_no_weights():
    graph = onnx.load(SHIPPED_PART / GRAPH, load_external_data=False).graph
    table = dict(map(lite.from_line, (SHIPPED_PART / lite.TENSORS).read_text("utf-8").splitlines()))
    outside = {tensor.name for tensor in graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL}
    assert outside == {*table} - {*lite.HEAD}
    assert (SHIPPED_PART / GRAPH).stat().st_size < 40_000
