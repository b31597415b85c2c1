"""One bootstrap for many metrics and systems, with the same items drawn with replacement for all.

A metric that depends on its items only through sums (a mean; BLEU or METEOR through their counts) is resampled by one
matrix product. All systems share the draws, so their differences are paired (Koehn 2004).

Shapes: N items; B resamples; K columns of sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imagist.arrays import AnyArray, Floats
from imagist.errors import UsageError

_DRAWN_AT_ONCE = 1 << 22  # items; bounds the memory of one product


class Resamples:
    """B times N of N items, drawn with replacement.

    Draws are not stored; each call repeats them from the seed.

    Args:
        items: N, >= 1.
        count: B, >= 1.
        seed: Of the draws.

    Raises:
        UsageError: No items, no resamples, or a negative seed.
    """

    def __init__(self, items: int, count: int = 1000, *, seed: int = 0) -> None:
        if seed < 0:
            raise UsageError(f"a seed is 0 or more, got {seed}")
        if items < 1 or count < 1:
            raise UsageError(f"{count} resamples of {items} items", remedy="both must be at least 1")
        self.items, self.count, self.seed = items, count, seed

    def totals(self, rows: AnyArray) -> Floats:
        """Sums over each resample, float64 ``[B, K]``, of rows ``[N, K]``."""
        values = np.asarray(rows, dtype=np.float64)
        return np.concatenate([times @ values for times in self._times()])

    def _times(self) -> Iterator[Floats]:
        """How often each item was drawn, ``[some, N]``, in blocks of B rows in total."""
        random = np.random.default_rng(self.seed)
        at_once = max(1, _DRAWN_AT_ONCE // self.items)
        for start in range(0, self.count, at_once):
            some = min(at_once, self.count - start)
            drawn = random.integers(self.items, size=(some, self.items))
            drawn += np.arange(some)[:, None] * self.items
            yield np.bincount(drawn.ravel(), minlength=some * self.items).reshape(some, -1).astype(np.float64)
