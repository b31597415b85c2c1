"""One loop from a model that gives the next word to sentences: beam search, greedy with one beam.

Shapes: N photos, of which n are still open; B beams; K candidates a beam; L cells of the grid; T words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imagist.records import Array

Ints = NDArray[np.int64]

END, START = 0, 1  # the special words, first in every vocabulary


class NextWord(Protocol):
    """A captioner's model over a batch of photos, with a state for each beam."""

    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array]:
        """Takes one word a beam ``[n, B]``; gives the K best next: log-probabilities and ids ``[n, B, K]``.

        The third is the attention ``[n, B, L]`` paid for them.
        """
        ...

    def keep(self, photos: Ints, beams: Ints) -> None:
        """From now on only these photos ``[m]`` (rows of the n), their beams going on from those of ``[m, B]``."""
        ...


@dataclass(frozen=True)
class Decoding:
    """Settings of the loop.

    Attributes:
        beam: B, hypotheses followed at a time, >= 1; 1 is greedy.
        nbest: Hypotheses returned, 1 to ``beam``.
        longest: Most words of a sentence.
        length_power: Hypotheses are ranked by log-probability / words ** length_power; 0 favours short ones.
    """

    beam: int = 3
    nbest: int = 1
    longest: int = 20
    length_power: float = 0.7


@dataclass(frozen=True, eq=False)
class Sentence:
    """One finished hypothesis: word ids ``[T]``, sum of log-probabilities with the end's, attention ``[T, L]``."""

    words: Ints
    logprob: float
    attention: Array


def beam_search(model: NextWord, photos: int, settings: Decoding) -> list[list[Sentence]]:
    """The ``nbest`` sentences of each photo, best first.

    A word never follows itself and no sentence is empty. A photo is done when B of its hypotheses have ended; what is
    open at ``longest`` words stops there.

    Args:
        model: Fresh from its photos, with B equal states each.
        photos: N.
        settings: How wide and how long to search.
    """
    if not photos:
        return []
    trace = _Trace(photos, settings)
    rows = np.arange(photos)
    words: Ints = np.full((photos, settings.beam), START)
    totals = np.full((photos, settings.beam), -np.inf, np.float32)
    totals[:, 0] = 0  # the beams of a photo begin equal: follow one
    for t in range(settings.longest):
        scores, ids, attention = model.step(words, 2 * settings.beam + 1)
        scores = np.where((ids == words[:, :, None]) | ((t == 0) & (ids == END)), -np.inf, scores) + totals[:, :, None]
        order = np.argsort(-scores.reshape(len(rows), -1), axis=1, kind="stable")[:, : 2 * settings.beam]
        best = np.take_along_axis(scores.reshape(len(rows), -1), order, 1)
        word = np.take_along_axis(ids.reshape(len(rows), -1), order, 1)
        beam = order // ids.shape[2]
        ends = (word == END) & np.isfinite(best)
        for i, rank in np.argwhere(ends[:, : settings.beam]):
            trace.end(rows[i], t, beam[i, rank], best[i, rank])
        follow = np.argsort(ends, axis=1, kind="stable")[:, : settings.beam]
        totals, words, parents = (np.take_along_axis(x, follow, 1) for x in (best, word, beam))
        trace.add(t, rows, words, parents, attention)
        still = trace.open(rows)
        if not len(still):
            break
        model.keep(still, parents[still])
        rows, words, totals = rows[still], words[still], totals[still]
    else:
        for i, beam_ in np.argwhere(np.isfinite(totals)):
            trace.end(rows[i], settings.longest, beam_, totals[i, beam_])
    return [trace.sentences(photo) for photo in range(photos)]


class _Trace:
    """What was chosen at each step, and where hypotheses ended."""

    def __init__(self, photos: int, settings: Decoding) -> None:
        self._settings = settings
        shape = (settings.longest, photos, settings.beam)
        self._words = np.zeros(shape, np.int64)
        self._parents = np.zeros(shape, np.int64)
        self._attention: list[tuple[Ints, Array]] = []
        self._ended: list[list[tuple[float, float, int, int]]] = [[] for _ in range(photos)]

    def add(self, t: int, rows: Ints, words: Ints, parents: Ints, attention: Array) -> None:
        """The words ``[n, B]`` chosen at step t, and the beams that they continue."""
        self._words[t, rows] = words
        self._parents[t, rows] = parents
        self._attention.append((rows, attention))

    def end(self, photo: int, length: int, beam: int, logprob: float) -> None:
        """Beam ``beam`` of a photo ends after ``length`` words."""
        rank = float(logprob) / length**self._settings.length_power
        self._ended[photo].append((rank, float(logprob), length, int(beam)))

    def open(self, rows: Ints) -> Ints:
        """Positions in ``rows`` of the photos that want more hypotheses."""
        return np.flatnonzero([len(self._ended[row]) < self._settings.beam for row in rows])

    def sentences(self, photo: int) -> list[Sentence]:
        """The best ended hypotheses of a photo."""
        ranked = sorted(self._ended[photo], key=lambda ended: -ended[0])[: self._settings.nbest]
        return [self._follow(photo, logprob, length, beam) for _, logprob, length, beam in ranked]

    def _follow(self, photo: int, logprob: float, length: int, beam: int) -> Sentence:
        words, maps = [], []
        for t in reversed(range(length)):
            words.append(self._words[t, photo, beam])
            beam = self._parents[t, photo, beam]
            rows, attention = self._attention[t]
            maps.append(attention[np.searchsorted(rows, photo), beam])
        return Sentence(np.array(words[::-1], np.int64), logprob, np.stack(maps[::-1]))
