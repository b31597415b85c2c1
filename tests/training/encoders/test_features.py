"""Arrays on disk that go on where a killed run stood."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from imagist.training.embedded.images import PhotoSet
from imagist.training.encoders import features
from imagist.training.encoders.features import Grids, Kept, fill, views

pytestmark = pytest.mark.torch

ROWS = 150


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch):
    monkeypatch.setattr(features, "AT_ONCE", 2)  # marked as done every 64 rows


def row_numbers(start, end):
    return np.arange(start, end, dtype=np.float32)[:, None].repeat(3, 1)


def test_it_is_filled_and_remembered(tmp_path):
    kept = Kept(tmp_path / "deep" / "a.npy", (ROWS, 3))
    array = fill(kept, row_numbers, "rows")
    assert array.dtype == np.float16
    np.testing.assert_array_equal(array, row_numbers(0, ROWS))
    assert kept.done == ROWS
    again = fill(kept, lambda start, end: pytest.fail("computed again"), "rows")
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize(("killed_at", "done"), [(10, 0), (64, 64), (100, 64), (149, 128)])
def test_a_killed_run_goes_on_and_gives_the_same(tmp_path, killed_at, done):
    kept = Kept(tmp_path / "a.npy", (ROWS, 3))

    def killed(start, end):
        if end > killed_at:
            raise KeyboardInterrupt
        return row_numbers(start, end)

    with pytest.raises(KeyboardInterrupt):
        fill(kept, killed, "rows")
    assert kept.done == done
    begun = []

    def counted(start, end):
        begun.append(start)
        return row_numbers(start, end)

    np.testing.assert_array_equal(fill(kept, counted, "rows"), row_numbers(0, ROWS))
    assert begun[0] == done


def test_a_mark_without_its_array_counts_for_nothing(tmp_path):
    kept = Kept(tmp_path / "a.npy", (ROWS, 3))
    fill(kept, row_numbers, "rows")
    kept.path.unlink()
    assert kept.done == 0


def test_the_first_view_is_the_image_and_the_others_vary_with_their_place_alone():
    photos = PhotoSet("x", np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8))
    both = views(photos, 0, 3, 2)
    assert both.shape == (6, 3, 224, 224)
    plain = torch.from_numpy(photos.pixels).permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(both[::2], plain)
    assert (both[1::2] - plain).abs().mean() > 0.1
    torch.testing.assert_close(views(photos, 1, 2, 2), both[2:4])
    assert not torch.equal(views(photos, 1, 2, 2, seed=1)[1], both[3])


def test_what_is_given_of_each_view_is_changed_once():
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
