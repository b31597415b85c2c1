"""Photos to grids, each once for as long as its photo lives."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from imagist.bundle import ENCODER, SHIPPED, open_folder
from imagist.errors import UnknownName
from imagist.images.encoder import Encoder
from imagist.records import Photo

SHIPPED_ENCODER = open_folder(SHIPPED / "embedded" / ENCODER)


@pytest.fixture
def encoder():
    return Encoder(SHIPPED_ENCODER)


@pytest.fixture
def encoded(encoder, monkeypatch):
    """How many views each run of the network took."""
    runs, encode = [], encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda pixels: runs.append(len(pixels)) or encode(pixels))
    return runs


def noise(seed, height=30, width=40):
    return Photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), str(seed))


def test_a_photo_is_encoded_once(encoder, encoded):
    one, two = noise(1), noise(2)
    first = encoder.grids([one, two])
    again = encoder.grids([two, one, noise(3)])
    assert encoded == [2, 1]
    assert again[0] is first[1]
    assert again[1] is first[0]


def test_a_photo_given_twice_is_encoded_once(encoder, encoded):
    photo = noise(1)
    grids = encoder.grids([photo, noise(2), photo])
    assert encoded == [2]
    assert len(grids) == 3
    assert grids[0] is grids[2]


def test_photos_of_the_same_pixels_are_not_mixed_up(encoder):
    one, other = encoder.grids([noise(1), noise(1)])
    np.testing.assert_array_equal(one, other)
    assert one is not other


def test_a_photo_that_is_gone_is_forgotten(encoder, encoded):
    photo = noise(1)
    encoder.grids([photo])
    assert len(encoder._known) == 1
    del photo
    gc.collect()
    assert len(encoder._known) == 0


def test_nothing_gives_nothing(encoder, encoded):
    assert encoder.grids([]) == []
    assert encoded == []


def test_the_first_of_the_crops_is_the_whole():
    wide = noise(1, 40, 200)
    (whole,), (crops,) = Encoder(SHIPPED_ENCODER).grids([wide]), Encoder(SHIPPED_ENCODER, views="crops").grids([wide])
    assert len(whole) == 1 < len(crops)
    np.testing.assert_allclose(crops[0], whole[0], atol=1e-4)
    assert whole.dtype == np.float32


def test_views_of_different_photos_are_kept_apart():
    photos = [noise(1, 40, 200), noise(2), noise(3, 300, 50)]
    together = Encoder(SHIPPED_ENCODER, views="crops").grids(photos)
    for photo, grid in zip(photos, together, strict=True):
        (alone,) = Encoder(SHIPPED_ENCODER, views="crops").grids([photo])
        assert alone.shape == grid.shape
        np.testing.assert_allclose(alone, grid, atol=1e-4)


def test_threads_may_share_it(encoder):
    photos = [noise(i) for i in range(12)]
    expected = [Encoder(SHIPPED_ENCODER).grids([photo])[0] for photo in photos]
    found = {}

    def work(start):
        found[start] = encoder.grids(photos[start:] + photos[:start])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for start, grids in found.items():
        for grid, wanted in zip(grids, expected[start:] + expected[:start], strict=True):
            np.testing.assert_allclose(grid, wanted, atol=1e-4)


def test_an_unknown_way_of_looking_is_refused():
    with pytest.raises(UnknownName, match="sideways"):
        Encoder(SHIPPED_ENCODER, views="sideways")
