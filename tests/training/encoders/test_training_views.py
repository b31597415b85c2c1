"""Views of images for training."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dataclasses import replace

from tiny_images import record

from imagist.datasets.entries import Record
from imagist.images.photo import photo_of
from imagist.training.encoders.views import Views

pytestmark = pytest.mark.torch


def test_the_views_are_the_whole_its_mirror_image_and_crops():
    found = Views(32, 5, seed=3).of(record(1), 0)
    assert found.shape == (5, 32, 32, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[1], found[0][:, ::-1])
    assert len({view.tobytes() for view in found}) == 5
    np.testing.assert_array_equal(Views(32, 1).of(record(1), 0)[0], found[0])  # fewer are the first of more
    np.testing.assert_array_equal(Views(32, 3, seed=3).of(record(1), 0), found[:3])


def test_crops_depend_on_place_and_seed_alone():
    one = Views(32, 4).of(record(1), 7)
    np.testing.assert_array_equal(Views(32, 4).of(record(1), 7), one)
    for other in (Views(32, 4).of(record(1), 8), Views(32, 4, seed=1).of(record(1), 7)):
        np.testing.assert_array_equal(other[:2], one[:2])
        assert not np.array_equal(other[2:], one[2:])


def test_a_photo_on_disk_is_read_from_there(tmp_path):
    one = record(3)
    (tmp_path / "a.png").write_bytes(one.content)
    on_disk = Record(str(tmp_path / "a.png"), ("a photo",))
    np.testing.assert_array_equal(Views(32, 3).of(on_disk, 0), Views(32, 3).of(one, 0))


def test_without_the_mirror_image_crops_follow_the_whole():
    mirrored, plain = Views(32, 3), Views(32, 3, mirror=False)
    found, other = mirrored.of(record(1), 0), plain.of(record(1), 0)
    np.testing.assert_array_equal(other[0], found[0])
    np.testing.assert_array_equal(other[2], found[2])
    assert not np.array_equal(other[1], found[1])


def test_only_large_images_are_made_coarse():
    def detail(side, coarse):
        photo = photo_of(record(1, (side, side)))
        crops = [Views(64, coarse=coarse).crop(photo, np.random.default_rng(i)).astype(float) for i in range(8)]
        return np.mean([np.abs(np.diff(crop, axis=0)).mean() for crop in crops])

    assert detail(128, 1.0) == detail(128, 0.0)
    assert detail(129, 1.0) != detail(129, 0.0)


@pytest.mark.parametrize("side", [16, 96, 300])
def test_crops_of_images_of_any_size_repeat_for_a_seed(side):
    photo = photo_of(record(0, (side, side)))
    for views in (Views(64), Views(64, min_area=0.1, coarse=0.5)):
        for seed in range(8):
            crop = views.crop(photo, np.random.default_rng(seed))
            assert crop.shape == (64, 64, 3)
            assert crop.dtype == np.uint8
            np.testing.assert_array_equal(crop, views.crop(photo, np.random.default_rng(seed)))
        assert not np.array_equal(crop, views.crop(photo, np.random.default_rng(99)))
        assert not np.array_equal(crop, replace(views, min_area=1.0).crop(photo, np.random.default_rng(7)))
