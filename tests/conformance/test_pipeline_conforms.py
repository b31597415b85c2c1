"""Every row that goes in comes out exactly once, in order, whatever stands beside it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imagist.errors import CorruptImage, EmptyFile, SourceNotFound
from imagist.records import Failure, Prediction, Row


@pytest.fixture(scope="module")
def mixed(photos, tmp_path_factory):
    """Good and bad inputs of all sorts, with what each of them must become."""
    folder = tmp_path_factory.mktemp("mixed")
    file = io.BytesIO()
    Image.fromarray(photos[0].pixels).save(file, "JPEG")
    whole = file.getvalue()
    good = folder / "good.jpg"
    good.write_bytes(whole)
    return [
        (str(good), Prediction),
        (whole[: len(whole) // 3], CorruptImage),
        (photos[1], Prediction),
        (folder / "missing.jpg", SourceNotFound),
        (b"", EmptyFile),
        (whole, Prediction),
        (Row("table.csv#4", whole), Prediction),
        (Row("table.csv#5", error=SourceNotFound("the cell is empty", item="table.csv#5")), SourceNotFound),
        (photos[2].pixels, Prediction),
        (Image.fromarray(photos[3].pixels), Prediction),
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_bad_items_take_no_others_down(pipeline, mixed, batch_size):
    results = list(pipeline((item for item, _ in mixed), batch_size=batch_size))
    assert len(results) == len(mixed)
    for result, (_, expected) in zip(results, mixed, strict=True):
        assert isinstance(result, Prediction) or type(result.error) is expected
        assert isinstance(result, Prediction) is (expected is Prediction)


def test_what_comes_out_names_what_went_in(pipeline, mixed):
    results = list(pipeline(item for item, _ in mixed))
    for place in (0, 3):
        assert results[place].source == str(mixed[place][0])
    assert [results[place].source for place in (2, 6, 7)] == ["gradient", "table.csv#4", "table.csv#5"]
    assert isinstance(results[3], Failure)
    assert str(mixed[3][0]) in str(results[3].error)


def test_good_items_get_what_they_get_alone(pipeline, mixed):
    results = list(pipeline(item for item, _ in mixed))
    for result, (item, expected) in zip(results, mixed, strict=True):
        if expected is Prediction:
            (alone,) = pipeline([item])
            assert alone.caption.text == result.caption.text
            np.testing.assert_allclose(alone.probabilities, result.probabilities, atol=1e-5)
