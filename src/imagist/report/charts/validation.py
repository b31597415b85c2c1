"""Checks the values of a chart before it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imagist.arrays import AnyArray
from imagist.errors import UsageError
from imagist.metrics.significance import Interval


def check_shares(what: str, values: AnyArray, shape: tuple[int, ...], *, item: str) -> None:
    """Checks that all values are finite and in 0..1, in an array of that shape.

    Raises:
        UsageError: They are not.
    """
    array = np.asarray(values)
    if array.shape != shape:
        raise UsageError(f"{what} must be {list(shape)}, got {list(array.shape)}", item=item)
    if array.dtype.kind not in "fiub" or not ((array >= 0) & (array <= 1)).all():
        raise UsageError(f"{what} must be shares 0..1", item=item)


def check_counts(what: str, values: AnyArray, shape: tuple[int, ...], *, item: str) -> None:
    """Checks that all values are integers >= 0, in an array of that shape.

    Raises:
        UsageError: They are not.
    """
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind not in "iu" or (array < 0).any():
        raise UsageError(f"{what} must be counts >= 0 of shape {list(shape)}", item=item)


def check_flags(what: str, values: AnyArray, shape: tuple[int, ...], *, item: str) -> None:
    """Checks that all values are booleans, in an array of that shape.

    Raises:
        UsageError: They are not.
    """
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind != "b":
        raise UsageError(f"{what} must be booleans of shape {list(shape)}", item=item)


def check_interval(what: str, interval: Interval, *, item: str) -> None:
    """Checks that 0 <= low <= value <= high <= 1.

    Raises:
        UsageError: It does not.
    """
    if not 0 <= interval.low <= interval.value <= interval.high <= 1:
        raise UsageError(f"{what} must have 0 <= low <= value <= high <= 1, got {interval}", item=item)


def check_any(what: str, data: Sequence[Any]) -> None:
    """Checks that there is something to draw.

    Raises:
        UsageError: There is nothing.
    """
    if not data:
        raise UsageError(f"there are no {what} to draw")
