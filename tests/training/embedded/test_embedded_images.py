"""Images as tensors, and their variations."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

import pyarrow as pa
import pyarrow.parquet as pq

from imagist.errors import DataError
from imagist.training.embedded.images import PhotoSet, flickr8k, labelled, normalised, varied

pytestmark = pytest.mark.torch


def png(value):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 255)).save(file, "PNG")
    return {"bytes": file.getvalue()}


def test_a_fraction_keeps_labels_and_captions_together():
    photos = PhotoSet(
        "x",
        np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(3, 3),
        tuple("abcdefghij"),
        tuple((c,) for c in "abcdefghij"),
    )
    few = photos.fraction(0.25)
    assert len(few) == len(few.labels) == len(few.captions) == 3
    assert few.labels == ("a", "e", "i")
    assert few.pixels[:, 0, 0, 0].tolist() == [0, 4, 8]
    assert few.captions == (("a",), ("e",), ("i",))
    assert len(photos.fraction(1.0)) == 10


def test_pixels_become_numbers_from_minus_one_to_one():
    x = normalised(np.array([[[[0, 255, 51]]]], np.uint8), side=2)
    assert x.shape == (1, 3, 2, 2)
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))


@pytest.mark.parametrize("side", [16, 96, 300])
def test_views_stay_in_range_and_repeat_for_a_seed(side):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    for seed in range(8):
        x = varied(pixels, np.random.default_rng(seed))
        assert x.shape == (1, 3, 224, 224)
        assert -1 <= x.min() < x.max() <= 1
        torch.testing.assert_close(x, varied(pixels, np.random.default_rng(seed)))
    assert not torch.equal(x, varied(pixels, np.random.default_rng(99)))


def test_tables_are_read_by_split(tmp_path):
    rows = [{"image": png(i), "split": "dev" if i % 2 else "train", "label": f"c{i}"} for i in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "photos15.parquet")
    photos = labelled(tmp_path, "photos15", "dev")
    assert photos.name == "photos15/dev"
    assert photos.labels == ("c1", "c3", "c5")
    assert photos.pixels[:, 0, 0].tolist() == [[1, 0, 255], [3, 0, 255], [5, 0, 255]]


def test_captions_are_read_from_every_part_in_order(tmp_path):
    (tmp_path / "flickr8k").mkdir()
    for part in range(2):
        rows = [{"image": png(10 * part + i), "captions": [f"{part} {i}"] * 5} for i in range(2)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "flickr8k" / f"train-{part}.parquet")
    photos = flickr8k(tmp_path, "train")
    assert [captions[0] for captions in photos.captions] == ["0 0", "0 1", "1 0", "1 1"]
    assert photos.pixels[:, 0, 0, 0].tolist() == [0, 1, 10, 11]


def test_a_missing_or_broken_table_is_named_with_the_remedy(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    for name in ("missing", "broken"):
        with pytest.raises(DataError, match=rf"{name}\.parquet.*IMAGIST_DATA"):
            labelled(tmp_path, name, "train")
    with pytest.raises(DataError, match="no images"):
        flickr8k(tmp_path, "train")


@pytest.mark.data
@pytest.mark.parametrize(("name", "side"), [("photos15", 96), ("tiny_imagenet", 64)])
def test_the_real_tables(data, name, side):
    photos = labelled(data, name, "dev")
    assert photos.pixels.shape == (len(photos), side, side, 3)
    assert len(photos.labels) == len(photos)
