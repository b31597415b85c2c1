"""Generates sentences from a model that predicts the next word.

Shapes: N images, of which n are still open; B beams; K candidates a beam; L cells of the grid; T words.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from imagist.arrays import Array, Floats, Ints
from imagist.captioning.reranking.mbr import expected_similarity
from imagist.captioning.strategies import BeamSearch, NucleusSampling, Strategy
from imagist.errors import SettingError
from imagist.records import Photo

END, START = 0, 1  # the first two words of every vocabulary that is trained here

RerankerScore = Callable[[int, Sequence[Ints]], Floats]
"""Scores hypotheses: from the number of an image and the word ids of K of its hypotheses to ``[K]``."""


class NextWord(Protocol):
    """A captioner's model over a batch of images, with a state for each beam."""

    @property
    def start(self) -> int:
        """The word that every sentence begins after."""
        ...

    @property
    def end(self) -> int:
        """The word that ends a sentence."""
        ...

    @property
    def words(self) -> int:
        """V, the size of the vocabulary."""
        ...

    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array | None]:
        """Predicts the next words.

        Args:
            words: The last word of each beam, ``[n, B]``.
            candidates: K.

        Returns:
            Log-probabilities and ids of the K best next words, ``[n, B, K]``, best first; and the attention
            ``[n, B, L]`` behind them, None where the model has none.
        """
        ...

    def keep(self, images: Ints, beams: Ints, /) -> None:
        """Drops all images but ``images`` ``[m]`` (rows of the n); their new beams continue ``beams`` ``[m, B]``."""
        ...


@dataclass(frozen=True)
class Decoding:
    """Settings of `generate`.

    Attributes:
        beam: B, hypotheses followed or drawn; 1 is greedy search unless ``top_p`` is given.
        nbest: Hypotheses returned, 1 to ``beam``.
        max_length: Most words of a sentence.
        length_penalty: Hypotheses are ranked by log-probability / words ** length_penalty; 0 favours short ones.
        mbr: Finishes all B hypotheses and reranks them by minimum Bayes risk (`imagist.captioning.reranking.mbr`) and,
            where the model detects concepts, by expected CIDEr-D (`imagist.captioning.reranking.concepts`). Useful with
            5 beams or more.
        no_repeat_ngram_size: No n-gram of this many words occurs twice in a sentence; 0 allows repeats. A word never
            follows itself directly.
        top_p: Draws from the most probable words that together have this probability, in (0, 1]; None searches instead.
        temperature: Of the draw, > 0; below 1 it prefers the most probable words more.
        seed: Of the draw, together with the image.

    Raises:
        SettingError: A setting is out of its range.
    """

    beam: int = 3
    nbest: int = 1
    max_length: int = 20
    length_penalty: float = 0.7
    mbr: bool = False
    no_repeat_ngram_size: int = 0
    top_p: float | None = None
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise SettingError(f"must be at least 1, not {self.beam}", item="beam")
        if not 1 <= self.nbest <= self.beam:
            raise SettingError(
                f"{self.nbest} captions need as many hypotheses, not {self.beam}", item="nbest", remedy="widen the beam"
            )
        if self.max_length < 1:
            raise SettingError(f"must be at least 1, not {self.max_length}", item="max_length")
        if self.length_penalty < 0:
            raise SettingError(f"must be 0 or more, not {self.length_penalty}", item="length_penalty")
        if self.no_repeat_ngram_size < 0:
            raise SettingError(f"must be 0 or more, not {self.no_repeat_ngram_size}", item="no_repeat_ngram_size")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise SettingError(f"must be over 0 and at most 1, not {self.top_p}", item="top_p")
        if not self.temperature > 0:
            raise SettingError(f"must be over 0, not {self.temperature}", item="temperature")

    def returning(self, nbest: int, beam: int | None = None) -> Decoding:
        """The same settings with ``nbest`` hypotheses and this beam, by default one that is wide enough."""
        return replace(self, nbest=nbest, beam=max(self.beam, nbest) if beam is None else beam)

    def on_card(self) -> dict[str, Any]:
        """The settings as a captioner's card holds them; `from_card` makes equal ones, which return one hypothesis."""
        own = {name: getattr(self, name) for name in FIELDS}
        always = ("beam", "max_length", "length_penalty", "mbr")
        return {name: value for name, value in own.items() if name in always or value != getattr(Decoding, name)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Decoding:
        """The settings on a captioner's card, which may hold other entries, too."""
        return cls(**{name: card[name] for name in FIELDS if name in card})

    def __str__(self) -> str:
        """The part of a captioner's id: the settings that have an effect."""
        text = f"beam={self.beam},nbest={self.nbest},max_length={self.max_length},length_penalty={self.length_penalty}"
        text += ",mbr" if self.mbr else ""
        text += f",no_repeat_ngram_size={self.no_repeat_ngram_size}" if self.no_repeat_ngram_size else ""
        draw = f",top_p={self.top_p},temperature={self.temperature},seed={self.seed}"
        return text if self.top_p is None else text + draw

    def strategy(self, seeds: Sequence[int]) -> Strategy:
        """How words are chosen for images with these seeds."""
        if self.top_p is not None:
            return NucleusSampling(self.beam, self.top_p, self.temperature, self.max_length, self.seed, seeds)
        forbidden = self.max_length if self.no_repeat_ngram_size else 1
        wanted = self.beam if self.mbr else self.nbest
        return BeamSearch(self.beam, wanted, self.max_length, self.length_penalty, forbidden)


FIELDS = tuple(field.name for field in fields(Decoding) if field.name != "nbest")
"""The settings that belong on a captioner's card: how many hypotheses are returned is asked for at each opening."""


@dataclass(frozen=True, eq=False)
class Sentence:
    """A finished hypothesis.

    Attributes:
        words: Ids ``[T]``, without start and end.
        logprob: Sum of natural log-probabilities, including the end's.
        attention: ``[T, L]``; None where the model has none.
    """

    words: Ints
    logprob: float
    attention: Array | None


def seeds_of(photos: Sequence[Photo]) -> list[int]:
    """A seed for each photo, which depends on its pixels only."""
    return [zlib.crc32(photo.pixels.tobytes()) for photo in photos]


def generate(
    model: NextWord,
    images: int,
    settings: Decoding,
    seeds: Sequence[int] | None = None,
    reranker_score: RerankerScore | None = None,
) -> list[list[Sentence]]:
    """Generates the ``nbest`` sentences of each image, best first and all different.

    No sentence is empty or depends on the other images. An image is finished when B of its hypotheses have ended, or
    when no open one can still be among the best. Hypotheses of ``max_length`` words end there.

    Args:
        model: At its start, with B equal states an image.
        images: N.
        settings: How to choose words.
        seeds: One an image, for drawing; see `seeds_of`.
        reranker_score: Added to each hypothesis's expected similarity; used only with ``settings.mbr``.
    """
    if not images:
        return []
    strategy = settings.strategy(seeds or [0] * images)
    candidates = min(strategy.candidates, model.words)
    trace = _Trace(images, settings)
    rows = np.arange(images)
    words: Ints = np.full((images, settings.beam, 1), model.start)
    totals = strategy.first(images)
    for step in range(settings.max_length):
        scores, ids, attention = model.step(words[:, :, -1], candidates)
        scores = _without_repeats(scores, ids, words, settings.no_repeat_ngram_size, model.end)
        best, word, beam = strategy.choose(scores, ids, totals, rows, step)
        ends = (word == model.end) & np.isfinite(best)
        for i, rank in np.argwhere(ends[:, : settings.beam]):
            trace.end(rows[i], words[i, beam[i, rank]], step, beam[i, rank], best[i, rank])
        kept = strategy.keep(ends)
        totals = np.take_along_axis(np.where(ends, -np.inf, best), kept, 1)
        chosen, parents = (np.take_along_axis(x, kept, 1) for x in (word, beam))
        trace.add(step, rows, parents, attention)
        is_open = [strategy.is_open(trace.ranks(int(row)), total) for row, total in zip(rows, totals, strict=True)]
        still = np.flatnonzero(is_open)
        if not len(still):
            break
        rows, totals, parents = rows[still], totals[still], parents[still]
        words = np.concatenate([words[still[:, None], parents], chosen[still][..., None]], 2)
        model.keep(still, parents)
    else:
        for i, b in np.argwhere(np.isfinite(totals)):
            trace.end(rows[i], words[i, b], settings.max_length, b, totals[i, b])
    return [trace.sentences(image, reranker_score) for image in range(images)]


def _without_repeats(scores: Array, ids: Ints, words: Ints, no_repeat_ngram_size: int, end: int) -> Array:
    """The scores ``[n, B, K]``, minus infinity where a candidate may not follow ``words`` ``[n, B, 1 + t]``.

    The first word may not be the end. A beam without any allowed candidate keeps its most probable one.
    """
    t = words.shape[2] - 1
    if t == 0:
        return np.where(ids != end, scores, -np.inf)
    allowed = ids != words[:, :, -1:]
    if 1 <= no_repeat_ngram_size <= t:
        before = words[:, :, words.shape[2] - no_repeat_ngram_size + 1 :]
        for begin in range(1, t - no_repeat_ngram_size + 2):
            stop = begin + no_repeat_ngram_size - 1
            same = (words[:, :, begin:stop] == before).all(2)
            allowed &= ~(same[:, :, None] & (ids == words[:, :, stop, None]))
    allowed[:, :, 0] |= ~(allowed & np.isfinite(scores)).any(2)
    return np.where(allowed, scores, -np.inf)


class _Trace:
    """Records which beams each step continued, and which hypotheses ended."""

    def __init__(self, images: int, settings: Decoding) -> None:
        self._settings = settings
        self._parents = np.zeros((settings.max_length, images, settings.beam), np.int64)
        self._attention: list[tuple[Ints, Array | None]] = []
        self._ended: list[list[tuple[float, float, Ints, int]]] = [[] for _ in range(images)]

    def add(self, step: int, rows: Ints, parents: Ints, attention: Array | None) -> None:
        """Records the beams ``[n, B]`` that a step continued, and its attention ``[n, B, L]``."""
        self._parents[step, rows] = parents
        self._attention.append((rows, attention))

    def end(self, image: int, words: Ints, length: int, beam: int, logprob: float) -> None:
        """Records that a hypothesis of an image ended: start and ``length`` words, in ``beam``."""
        rank = float(logprob) / length**self._settings.length_penalty
        self._ended[image].append((rank, float(logprob), words[1 : length + 1].copy(), int(beam)))

    def ranks(self, image: int) -> list[float]:
        """The ranks of the finished hypotheses of an image."""
        return [ended[0] for ended in self._ended[image]]

    def sentences(self, image: int, reranker_score: RerankerScore | None) -> list[Sentence]:
        """The best different sentences of an image."""
        different: dict[bytes, tuple[float, Ints, int]] = {}
        for _, logprob, words, beam in sorted(self._ended[image], key=lambda ended: -ended[0]):
            different.setdefault(words.tobytes(), (logprob, words, beam))
        ended = list(different.values())
        if self._settings.mbr:
            ended = ended[: self._settings.beam]
            logprobs, hypotheses = [logprob for logprob, _, _ in ended], [words for _, words, _ in ended]
            ranks = expected_similarity(hypotheses, logprobs, self._settings.length_penalty)
            if reranker_score is not None:
                ranks = ranks + reranker_score(image, hypotheses)
            order = np.argsort(-ranks, kind="stable")
            ended = [ended[i] for i in order]
        return [
            Sentence(words, logprob, self._attention_of(image, len(words), beam))
            for logprob, words, beam in ended[: self._settings.nbest]
        ]

    def _attention_of(self, image: int, length: int, beam: int) -> Array | None:
        maps: list[Array] = []
        for step in reversed(range(length)):
            beam = self._parents[step, image, beam]
            rows, attention = self._attention[step]
            if attention is None:
                return None
            maps.append(attention[np.searchsorted(rows, image), beam])
        return np.stack(maps[::-1])
