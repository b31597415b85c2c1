"""Greedy search for the text nearest to an image: the phrase that brings it nearest is added, one after the other.

Shapes: C phrases; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from imagist.arrays import Array
from imagist.captioning.interrogation.texts import Limit, joined

Objective = Callable[[Sequence[str]], Array]
"""What is to become as large as possible: texts to float32 ``[n]``."""


@dataclass(frozen=True)
class Chain:
    """What a search found.

    Attributes:
        text: The text.
        phrases: The numbers of the phrases that were added, in order.
        value: The objective of the text.
    """

    text: str
    phrases: tuple[int, ...] = ()
    value: float = -np.inf


@dataclass(frozen=True)
class Search:
    """Settings of a search.

    Attributes:
        objective: What is maximised.
        limit: Bounds the tokens of the text; phrases that do not fit are not tried.
        most: Most phrases.
        least: So many are added even where they bring the text no nearer.
        alike: For the number of a phrase, the numbers of those that are too similar to it to be added after it.
    """

    objective: Objective
    limit: Limit
    most: int
    least: int = 0
    alike: Callable[[int], Sequence[int]] = field(default=lambda _: ())

    def run(self, phrases: Sequence[str], start: str = "") -> Chain:
        """The best text on the way, of equal ones the shortest.

        Every phrase is tried at every step; of equally good ones the first is taken.

        Args:
            phrases: C of them.
            start: What the text begins with; empty to begin with a phrase.
        """
        here = Chain(start, (), float(self.objective([start])[0]) if start else -np.inf)
        best = here
        left = [*range(len(phrases))]
        for step in range(self.most):
            fitting = self.limit.fitting(here.text, [phrases[number] for number in left])
            tried = [left[place] for place in fitting]
            if not tried:
                break
            values = self.objective([joined(here.text, phrases[number]) for number in tried])
            place = int(values.argmax())
            if not (values[place] > here.value or step < self.least):
                break
            taken = tried[place]
            here = Chain(joined(here.text, phrases[taken]), (*here.phrases, taken), float(values[place]))
            if here.value > best.value:
                best = here
            gone = {taken, *self.alike(taken)}
            left = [number for number in left if number not in gone]
        return best
