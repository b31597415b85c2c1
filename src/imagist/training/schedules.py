"""Learning rates over a run."""

from __future__ import annotations

import math


def rate_at(peak: float, step: int, steps: int, *, warm: int) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak.

    Args:
        peak: The highest rate.
        step: Steps already made.
        steps: Of the whole run.
        warm: Of the warm-up.
    """
    return peak * min(1.0, (step + 1) / warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
