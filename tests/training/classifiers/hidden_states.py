"""Hidden states of two classifiers, each of which knows one bit of the class."""

from __future__ import annotations

import numpy as np


def hidden_states(items: int, seed: int = 0, noise: float = 0.5):
    """The image's states tell the first bit of the class, the words' the second; scales and offsets are awkward."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(4, size=items)
    first, second = ((2 * bit - 1)[:, None] for bit in (targets // 2, targets % 2))
    image = 100 + 30 * (np.array([[1, -1, 0]]) * first + noise * draw.normal(size=(items, 3)))
    text = 0.01 * (np.array([[1, 0]]) * second + noise * draw.normal(size=(items, 2)))
    return image.astype(np.float32), text.astype(np.float32), targets
