"""Whether what a classifier is to be fitted to can be fitted to.

Shapes: N examples of a set; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imagist.arrays import AnyArray
from imagist.errors import DataError


def check_labelled(sets: Mapping[str, tuple[Sequence[Any], AnyArray]], classes: int, what: str) -> None:
    """Sees that every set has examples, and one class for each.

    Args:
        sets: By name, such as ``train`` and ``dev``: N examples and their targets.
        classes: C; targets are integers ``[N]``, 0..C-1.
        what: The examples are, in the plural.

    Raises:
        DataError: Every set that is at fault, with what is wrong with it.
    """
    faults = []
    for name, (examples, targets) in sets.items():
        numbers = np.asarray(targets)
        if not len(examples):
            faults.append(f"{name} has no {what}")
        elif numbers.shape != (len(examples),):
            faults.append(f"{name} has {len(examples)} {what} and targets of the shape {list(numbers.shape)}")
        elif numbers.dtype.kind not in "iu" or not 0 <= numbers.min() <= numbers.max() < classes:
            faults.append(f"{name} has targets that are not whole numbers 0..{classes - 1}")
    if faults:
        raise DataError("; ".join(faults))
