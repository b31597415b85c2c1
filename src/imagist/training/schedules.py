"""Learning rate schedules."""

from __future__ import annotations

import math


def warmup_cosine(peak: float, step: int, steps: int, *, warmup_steps: int) -> float:
    """The learning rate of a step: a linear warm-up, times a cosine that decreases to a hundredth.

    Args:
        peak: The highest learning rate.
        step: Steps already made.
        steps: Steps of the whole run.
        warmup_steps: Steps of the warm-up.
    """
    return peak * min(1.0, (step + 1) / warmup_steps) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
