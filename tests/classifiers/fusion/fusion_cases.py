"""Opinions that tests of fusions share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

CLASSES = 4


def normalised(raw: np.ndarray) -> np.ndarray:
    return (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)


PAIRS = arrays(
    np.float64, st.tuples(st.just(2), st.integers(1, 6), st.integers(2, 5)), elements=st.floats(1e-3, 1)
).map(normalised)


def opinions(items: int, image: float, text: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two independent opinions over 4 equally frequent classes, each as sharp as asked for and honest; the truth."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(CLASSES, size=items)
    truth = np.eye(CLASSES)[targets]
    logits = [sharp**2 * truth + sharp * draw.normal(size=(items, CLASSES)) for sharp in (image, text)]
    first, second = (normalised(np.exp(x)) for x in logits)
    return first, second, targets


def sharpened(p: np.ndarray, power: float) -> np.ndarray:
    return normalised(p.astype(np.float64) ** power)
