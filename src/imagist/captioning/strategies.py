"""How the next words of a hypothesis are chosen: beam search and nucleus sampling.

Shapes: N images, of which n are still open; B beams; K candidates a beam.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from imagist.arrays import Array, Bools, Ints

NUCLEUS = 256  # most candidates that sampling draws from


class Strategy(Protocol):
    """Chooses among the candidates of every beam.

    Attributes:
        candidates: K, how many candidates it needs of each beam.
    """

    candidates: int

    def first(self, images: int) -> Array:
        """Log-probabilities ``[N, B]`` before the first word; minus infinity leaves a beam out."""
        ...

    def choose(self, scores: Array, ids: Ints, totals: Array, images: Ints, step: int) -> tuple[Array, Ints, Ints]:
        """Continues hypotheses by one word.

        Args:
            scores: Log-probabilities of the candidates, ``[n, B, K]``.
            ids: Their words, ``[n, B, K]``.
            totals: Log-probabilities of the hypotheses so far, ``[n, B]``.
            images: Which of the N images each row is, ``[n]``.
            step: Words so far.

        Returns:
            Log-probabilities, words and continued beams, ``[n, M]`` each, M >= B, best first where that matters.
        """
        ...

    def keep(self, ends: Bools) -> Ints:
        """Which B of the M continuations go on, ``[n, B]``, given which of them end, ``[n, M]``."""
        ...

    def is_open(self, ranks: list[float], totals: Array) -> bool:
        """Whether an image needs more words, given the ranks of its finished hypotheses and ``[B]`` totals."""
        ...


class BeamSearch:
    """Follows the B best hypotheses over all beams of an image.

    Args:
        beam: B.
        wanted: Finished hypotheses that the search must be sure of, 1 to ``beam``.
        max_length: Most words of a sentence.
        length_penalty: Hypotheses are ranked by log-probability / words ** length_penalty.
        forbidden: Most candidates of a beam that may be forbidden.
    """

    def __init__(self, beam: int, wanted: int, max_length: int, length_penalty: float, forbidden: int) -> None:
        self._beam, self._wanted = beam, wanted
        self._longest = max_length**length_penalty
        self.candidates = 2 * beam + forbidden

    def first(self, images: int) -> Array:
        """As `Strategy.first`: the beams of an image start equal, so only one is followed."""
        totals = np.full((images, self._beam), -np.inf, np.float32)
        totals[:, 0] = 0
        return totals

    def choose(self, scores: Array, ids: Ints, totals: Array, images: Ints, step: int) -> tuple[Array, Ints, Ints]:
        """As `Strategy.choose`: the 2B best, because B of them may end."""
        flat = (scores + totals[:, :, None]).reshape(len(images), -1)
        order = np.argsort(-flat, axis=1, kind="stable")[:, : 2 * self._beam]
        words = np.take_along_axis(ids.reshape(len(images), -1), order, 1)
        return np.take_along_axis(flat, order, 1), words, order // ids.shape[2]

    def keep(self, ends: Bools) -> Ints:
        """As `Strategy.keep`: the best that do not end."""
        return np.argsort(ends, axis=1, kind="stable")[:, : self._beam]

    def is_open(self, ranks: list[float], totals: Array) -> bool:
        """As `Strategy.is_open`: until B have ended, or no open one can still be among the wanted ones."""
        if not np.isfinite(totals[0]) or len(ranks) >= self._beam:
            return False
        within_reach = float(totals[0]) / self._longest
        return len(ranks) < self._wanted or sorted(ranks)[-self._wanted] < within_reach


class NucleusSampling:
    """Draws one word for each beam from its nucleus.

    Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration".

    Args:
        beam: B.
        top_p: Probability of the nucleus, in (0, 1].
        temperature: Divides the log-probabilities, > 0.
        max_length: Most words of a sentence.
        seed: Of the draw, together with each image's own.
        seeds: Of each image.
    """

    def __init__(
        self, beam: int, top_p: float, temperature: float, max_length: int, seed: int, seeds: Sequence[int]
    ) -> None:
        self._beam, self._top_p, self._temperature = beam, top_p, temperature
        self.candidates = NUCLEUS
        shape = (max_length, beam)
        self._chances = np.stack([np.random.default_rng((seed, own)).random(shape) for own in seeds])

    def first(self, images: int) -> Array:
        """As `Strategy.first`: all beams are drawn on their own."""
        return np.zeros((images, self._beam), np.float32)

    def choose(self, scores: Array, ids: Ints, totals: Array, images: Ints, step: int) -> tuple[Array, Ints, Ints]:
        """As `Strategy.choose`: one word a beam."""
        weights = np.exp((scores - scores.max(2, keepdims=True)).astype(np.float64) / self._temperature)
        weights /= weights.sum(2, keepdims=True)
        below = weights.cumsum(2) - weights
        weights[below >= self._top_p] = 0
        sums = weights.cumsum(2)
        drawn = (sums <= self._chances[images, step][:, :, None] * sums[:, :, -1:]).sum(2, keepdims=True)
        best, words = np.take_along_axis(scores, drawn, 2)[..., 0], np.take_along_axis(ids, drawn, 2)[..., 0]
        return best + totals, words, np.broadcast_to(np.arange(self._beam), words.shape)

    def keep(self, ends: Bools) -> Ints:
        """As `Strategy.keep`: all."""
        return np.broadcast_to(np.arange(ends.shape[1]), ends.shape)

    def is_open(self, ranks: list[float], totals: Array) -> bool:
        """As `Strategy.is_open`: until all have ended."""
        return bool(np.isfinite(totals).any())
