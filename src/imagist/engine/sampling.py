"""A few rows of many, at random."""

from __future__ import annotations

import random
from collections.abc import Iterable

from imagist.records import Row


def drawn(rows: Iterable[Row], size: int, seed: int) -> tuple[list[Row], int]:
    """Rows drawn at random, each as likely as any other, in their order; and how many there are in all.

    All rows are read, and as many as are drawn are held (reservoir sampling, Vitter 1985).

    Args:
        rows: To draw from.
        size: How many, at most.
        seed: The same rows and the same seed give the same sample.
    """
    choice, kept, number = random.Random(seed), list[tuple[int, Row]](), 0
    for number, row in enumerate(rows, start=1):
        if len(kept) < size:
            kept.append((number, row))
        elif (place := choice.randrange(number)) < size:
            kept[place] = (number, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])], number
