"""The shipped encoder that reproduces the features of EfficientNet-Lite0 and knows ImageNet's classes."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.bundle import SHIPPED, open_folder
from imagist.classifiers.image.imagenet import imagenet_names
from imagist.classifiers.recognition import recognise
from imagist.images import rows
from imagist.images.encoder import Encoder, load
from imagist.images.photo import as_photo
from imagist.protocols import PartOptions
from imagist.records import Photo


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load(str(SHIPPED / "embedded" / "encoder"), PartOptions())


def test_it_is_of_the_space_of_lite(encoder):
    assert (encoder.name, encoder.side) == ("embedded", 224)
    assert encoder.space == open_folder(SHIPPED / "encoders" / "lite").card["space"]


def test_grids_lie_in_the_range_of_the_space(encoder):
    (grid,) = encoder.grids([Photo(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), "noise")])
    assert grid.shape == (1, 49, 1280)
    assert 0 <= grid.min() < grid.max() <= 6


def test_probabilities_of_classes_sum_to_one(encoder):
    photos = [Photo(np.full((32, 32, 3), shade, np.uint8), str(shade)) for shade in (0, 255)]
    classes = encoder.classes(encoder.grids(photos))
    assert classes.shape == (2, 1000)
    np.testing.assert_allclose(classes.sum(1), 1, atol=1e-5)


@pytest.mark.data
def test_it_recognises_images_of_imagenet(encoder, data):
    table = list(rows([str(data / "imagenet_dev.parquet")]))[::3]
    found = [recognise(encoder, [as_photo(row)])[0] for row in table]
    names = [[thing.label for thing in things] for things in found]
    labels = [list(imagenet_names())[int(str(row.columns["index"]))] for row in table]
    assert np.mean([label == best[0] for label, best in zip(labels, names, strict=True)]) >= 0.40
    assert np.mean([label in best for label, best in zip(labels, names, strict=True)]) >= 0.75
