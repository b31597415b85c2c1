"""Names for the arrays that the parts exchange, scores and probabilities, unit vectors, and products of matrices.

Shapes: ``...`` any leading axes; C classes, D channels, always the last axis.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sized
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]
Array = NDArray[np.float32]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Halves = NDArray[np.float16]
Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]

MIN_PROBABILITY = 1e-12  # a probability of 0 counts as this in a logarithm, so that no loss is infinite
_BLOCK = 8  # rows


def log_probabilities(probabilities: AnyArray) -> Floats:
    """Natural logarithms of probabilities, each at least `MIN_PROBABILITY`: float64 of the same shape."""
    return np.asarray(np.log(np.maximum(probabilities, MIN_PROBABILITY, dtype=np.float64)))


def softmax(logits: AnyArray) -> Floats:
    """Scores ``[..., C]`` to probabilities over the last axis: float64 ``[..., C]``, each row sums to 1.

    A score of minus infinity gives a probability of 0, as long as its row has a finite one.
    """
    scores = np.asarray(logits, np.float64)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def unit(vectors: AnyArray) -> Array:
    """Scales vectors ``[..., D]`` to length 1: float32 of the same shape; zeros stay zeros."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def unit_sums(rows: AnyArray, groups: Iterable[Sized]) -> Array:
    """The sums of neighbouring vectors, scaled to length 1.

    Args:
        rows: ``[W, D]``, the vectors of N groups, one group after the other.
        groups: For each group something of its length, at least 1.

    Returns:
        float32 ``[N, D]``.
    """
    return unit(np.add.reduceat(rows, np.cumsum([0, *map(len, groups)])[:-1], axis=0))


def product(rows: AnyArray, matrix: AnyArray) -> AnyArray:
    """``rows @ matrix``, in blocks of a fixed size, so that no row depends on how many others there are.

    Libraries of linear algebra add up in another order for one row than for many.

    Args:
        rows: ``[N, D]``.
        matrix: ``[D, C]`` of the same type.

    Returns:
        ``[N, C]`` of that type.
    """
    whole = np.zeros((-(-len(rows) // _BLOCK), _BLOCK, rows.shape[1]), rows.dtype)
    whole.reshape(-1, rows.shape[1])[: len(rows)] = rows
    return (whole @ matrix).reshape(-1, matrix.shape[1])[: len(rows)]


class _OneThread:
    """Keeps numpy's linear algebra to the thread that calls it, in the whole process, until the last user has left.

    For work that runs in a thread for each core already: the library's own threads would wait in a loop for their next
    product, and take a fifth of the processor from that work.
    """

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._limit: Any = None

    @cached_property
    def _libraries(self) -> Any:
        from threadpoolctl import ThreadpoolController  # not at the start of each command: few need it

        return ThreadpoolController()

    def renew_lock(self) -> None:
        """For a process just forked, in which nobody will release a lock that another thread held."""
        self._lock = Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limit = self._libraries.limit(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()


one_thread = _OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_thread.renew_lock)
