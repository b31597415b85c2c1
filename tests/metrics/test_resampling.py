"""One bootstrap for all figures: the sums are those of the items drawn."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import UsageError
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import mean_interval

ROWS = np.random.default_rng(0).integers(0, 9, (30, 4))


def test_each_resample_has_as_many_items_as_there_are() -> None:
    totals = Resamples(30, 200).totals(np.ones((30, 1)))
    assert totals.shape == (200, 1)
    assert (totals == 30).all()


def test_sums_are_of_whole_rows() -> None:
    totals = Resamples(30, 50).totals(np.concatenate([ROWS, 2 * ROWS], axis=1))
    assert totals[:, 4:] == pytest.approx(2 * totals[:, :4])
    assert len(np.unique(totals[:, 0])) > 10


def test_one_item_is_all_that_can_be_drawn() -> None:
    assert (Resamples(1, 7).totals(ROWS[:1]) == ROWS[0]).all()


def test_the_draws_are_the_same_for_everyone_and_follow_the_seed() -> None:
    same, again, other = (Resamples(30, 20, seed=seed).totals(ROWS) for seed in (3, 3, 4))
    assert (same == again).all()
    assert not (same == other).all()


def test_drawing_in_parts_still_draws_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Resamples(30, 20).totals(ROWS)
    monkeypatch.setattr("imagist.metrics.resampling._DRAWN_AT_ONCE", 90)
    parts = Resamples(30, 20).totals(ROWS)
    assert parts.shape == whole.shape
    assert (parts == whole).all()


def test_a_mean_spreads_as_a_bootstrapped_mean_does() -> None:
    drawn = Resamples(30, 20_000).totals(ROWS[:, :1])[:, 0] / 30
    expected = mean_interval(ROWS[:, 0], resamples=20_000, seed=1, method="percentile")
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([expected.low, expected.high], abs=0.05)


@pytest.mark.parametrize(("items", "count"), [(0, 10), (10, 0)])
def test_refuses_to_draw_nothing(items: int, count: int) -> None:
    with pytest.raises(UsageError):
        Resamples(items, count)
    with pytest.raises(UsageError, match="seed"):
        Resamples(3, 3, seed=-1)
