"""What a captioner reads of images: cached grids, or pixels."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_images import record

from imagist.training.encoders import features
from imagist.training.encoders.features import Grids, Images
from imagist.training.encoders.views import Views

pytestmark = pytest.mark.torch


def test_an_encoder_that_is_tuned_is_given_the_photos_themselves():
    records = [record(i, (50, 40 + i)) for i in range(4)]
    images = Images(records, Views(32))
    assert len(images) == 4
    whole = images.whole(1, 3)
    assert whole.dtype == torch.uint8
    np.testing.assert_array_equal(whole, np.concatenate([Views(32).of(r, 0) for r in records[1:3]]))
    drawn = [images.some(np.array([2, 2, 0]), np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert drawn[0].shape == (3, 32, 32, 3)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0][0], drawn[0][1])  # the same photo, seen twice

    dark = images.changed(lambda given: given // 2).changed(lambda given: given.float())
    assert len(dark) == 4
    assert torch.equal(dark.whole(1, 3), (whole // 2).float())
    assert torch.equal(dark.some(np.array([2, 2, 0]), np.random.default_rng(5)), (drawn[0] // 2).float())


@pytest.fixture
def _batches_of_two(monkeypatch):
    monkeypatch.setattr(features, "BATCH", 2)


@pytest.mark.usefixtures("_batches_of_two")
def test_a_change_is_applied_to_every_view_once():
    grids = Grids(np.random.default_rng(0).normal(size=(5, 3, 4, 6)).astype(np.float16))
    shapes = []

    def mean(given):
        shapes.append(tuple(given.shape))
        return given.mean(1)

    changed = grids.changed(mean)
    assert shapes == [(6, 4, 6), (6, 4, 6), (3, 4, 6)]  # views of two photos at once
    assert len(changed) == 5
    torch.testing.assert_close(changed.whole(1, 4), grids.whole(1, 4).mean(1))
    photos = np.array([4, 0, 4, 2])
    drawn, as_before = (g.some(photos, np.random.default_rng(1)) for g in (changed, grids))
    torch.testing.assert_close(drawn, as_before.mean(1))
    assert len(shapes) == 3
