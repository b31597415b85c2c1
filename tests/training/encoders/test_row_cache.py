"""Arrays on disk that a resumed run completes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from imagist.training.encoders import row_cache
from imagist.training.encoders.row_cache import RowCache, fill

pytestmark = pytest.mark.torch

ROWS = 150


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch):
    monkeypatch.setattr(row_cache, "BATCH", 2)


def row_numbers(start, end):
    return np.arange(start, end, dtype=np.float32)[:, None].repeat(3, 1)


def test_it_is_filled_and_remembered(tmp_path):
    rows = RowCache(tmp_path / "deep" / "a.npy", (ROWS, 3))
    array = fill(rows, row_numbers, "rows")
    assert array.dtype == np.float16
    np.testing.assert_array_equal(array, row_numbers(0, ROWS))
    assert rows.done == ROWS
    again = fill(rows, lambda start, end: pytest.fail("computed again"), "rows")
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize(("killed_at", "done"), [(10, 0), (64, 64), (100, 64), (149, 128)])
def test_a_killed_run_goes_on_and_gives_the_same(tmp_path, killed_at, done):
    rows = RowCache(tmp_path / "a.npy", (ROWS, 3))

    def killed(start, end):
        if end > killed_at:
            raise KeyboardInterrupt
        return row_numbers(start, end)

    with pytest.raises(KeyboardInterrupt):
        fill(rows, killed, "rows")
    assert rows.done == done
    begun = []

    def counted(start, end):
        begun.append(start)
        return row_numbers(start, end)

    np.testing.assert_array_equal(fill(rows, counted, "rows"), row_numbers(0, ROWS))
    assert begun[0] == done


def test_a_count_without_its_array_is_zero(tmp_path):
    rows = RowCache(tmp_path / "a.npy", (ROWS, 3))
    fill(rows, row_numbers, "rows")
    rows.path.unlink()
    assert rows.done == 0
