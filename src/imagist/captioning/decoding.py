"""One loop from a model that gives the next word to sentences: beam search, greedy with one beam, nucleus sampling.

Shapes: N photos, of which n are still open; B beams; K candidates a beam; L cells of the grid; T words.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from imagist.arrays import Array, Bools, Floats, Ints
from imagist.captioning.reranking.mbr import agreement
from imagist.errors import SettingError
from imagist.records import Photo

END, START = 0, 1  # the special words of the vocabularies that are trained here, first in every one
NUCLEUS = 256  # most candidates that sampling draws from

RerankerScore = Callable[[int, Sequence[Ints]], Floats]  # of a photo, by its number, and K of its hypotheses: ``[K]``


class NextWord(Protocol):
    """A captioner's model over a batch of photos, with a state for each beam."""

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
        """V, how many words there are."""
        ...

    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array | None]:
        """Takes one word a beam ``[n, B]``; gives the K best next, best first: log-probabilities and ids ``[n, B, K]``.

        The third is the attention ``[n, B, L]`` paid for them, where the model has any.
        """
        ...

    def keep(self, photos: Ints, beams: Ints) -> None:
        """From now on only these photos ``[m]`` (rows of the n), their beams going on from those of ``[m, B]``."""
        ...


@dataclass(frozen=True)
class Decoding:
    """Settings of the loop.

    Attributes:
        beam: B, hypotheses followed at a time, or drawn; 1 is greedy where nothing is drawn.
        nbest: Hypotheses returned, 1 to ``beam``.
        max_length: Most words of a sentence.
        length_penalty: Hypotheses are ranked by log-probability / words ** length_penalty; 0 favours short ones.
        mbr: Finishes all B hypotheses and reranks them by minimum Bayes risk (`imagist.captioning.reranking.mbr`) and,
            where the model detects concepts, by expected CIDEr-D (`imagist.captioning.reranking.concepts`). Useful with
            5 beams or more.
        no_repeat_ngram_size: No n-gram of this many words occurs twice in a sentence; 0 allows repeats. A word never
            follows itself directly.
        top_p: Draw from the likeliest words that together have this probability, in (0, 1]; None searches instead
            (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration").
        temperature: Of the draw, > 0; below 1 it keeps closer to the likeliest words.
        seed: Of the draw, together with the photo.

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
            raise SettingError(f"at least one hypothesis must be followed, not {self.beam}", item="beam")
        if not 1 <= self.nbest <= self.beam:
            raise SettingError(
                f"{self.nbest} captions cannot come of {self.beam} hypotheses", item="nbest", remedy="widen the beam"
            )
        if self.max_length < 1:
            raise SettingError(f"a sentence has at least one word, not {self.max_length}", item="max_length")
        if self.length_penalty < 0:
            raise SettingError(f"0 or more, not {self.length_penalty}", item="length_penalty")
        if self.no_repeat_ngram_size < 0:
            raise SettingError(f"{self.no_repeat_ngram_size} words cannot be repeated", item="no_repeat_ngram_size")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise SettingError(f"a probability over 0 and up to 1, not {self.top_p}", item="top_p")
        if not self.temperature > 0:
            raise SettingError(f"over 0, not {self.temperature}", item="temperature")

    def returning(self, nbest: int, beam: int | None = None) -> Decoding:
        """The same with so many hypotheses returned; of a beam as wide as is asked, or else wide enough for them."""
        return replace(self, nbest=nbest, beam=max(self.beam, nbest) if beam is None else beam)

    def __str__(self) -> str:
        """What goes into a captioner's id: only what makes a difference."""
        told = f"beam={self.beam},nbest={self.nbest},max_length={self.max_length},power={self.length_penalty}"
        told += ",consensus" if self.mbr else ""
        told += f",no_repeat_ngram_size={self.no_repeat_ngram_size}" if self.no_repeat_ngram_size else ""
        draw = f",top_p={self.top_p},temperature={self.temperature},seed={self.seed}"
        return told if self.top_p is None else told + draw


@dataclass(frozen=True, eq=False)
class Sentence:
    """One finished hypothesis: word ids ``[T]``, sum of log-probabilities with the end's, attention ``[T, L]``."""

    words: Ints
    logprob: float
    attention: Array | None


def seeds_of(photos: Sequence[Photo]) -> list[int]:
    """For each photo a number that depends on its pixels alone."""
    return [zlib.crc32(photo.pixels.tobytes()) for photo in photos]


def generate(
    model: NextWord,
    photos: int,
    settings: Decoding,
    seeds: Sequence[int] | None = None,
    reranker_score: RerankerScore | None = None,
) -> list[list[Sentence]]:
    """The ``nbest`` sentences of each photo, best first and all different.

    No sentence is empty, and none depends on the other photos. A search is done with a photo when B of its hypotheses
    have ended, or when none of the open ones could still be among the best; what is open at ``longest`` words stops
    there.

    Args:
        model: Fresh from its photos, with B equal states each.
        photos: N.
        settings: How to choose.
        seeds: Of each photo, for drawing; see `seeds_of`.
        reranker_score: What each hypothesis is worth beside its agreement with the others; asked for consensus alone.
    """
    if not photos:
        return []
    pick = _Search(settings) if settings.top_p is None else _Draw(settings, seeds or [0] * photos)
    candidates = min(pick.candidates, model.words)
    trace = _Trace(photos, settings)
    rows = np.arange(photos)
    said: Ints = np.full((photos, settings.beam, 1), model.start)
    totals = pick.first(photos)
    for t in range(settings.max_length):
        scores, ids, attention = model.step(said[:, :, -1], candidates)
        scores = _guarded(scores, ids, said, settings.no_repeat_ngram_size, model.end)
        best, word, beam = pick(scores, ids, totals, rows, t)
        ends = (word == model.end) & np.isfinite(best)
        for i, rank in np.argwhere(ends[:, : settings.beam]):
            trace.end(rows[i], said[i, beam[i, rank]], t, beam[i, rank], best[i, rank])
        follow = pick.follow(ends)
        totals = np.take_along_axis(np.where(ends, -np.inf, best), follow, 1)
        words, parents = (np.take_along_axis(x, follow, 1) for x in (word, beam))
        trace.add(t, rows, parents, attention)
        wanting = [pick.open(trace.ranks(int(row)), total) for row, total in zip(rows, totals, strict=True)]
        still = np.flatnonzero(wanting)
        if not len(still):
            break
        rows, totals, parents = rows[still], totals[still], parents[still]
        said = np.concatenate([said[still[:, None], parents], words[still][..., None]], 2)
        model.keep(still, parents)
    else:
        for i, b in np.argwhere(np.isfinite(totals)):
            trace.end(rows[i], said[i, b], settings.max_length, b, totals[i, b])
    return [trace.sentences(photo, reranker_score) for photo in range(photos)]


def _guarded(scores: Array, ids: Ints, said: Ints, no_repeat_ngram_size: int, end: int) -> Array:
    """The scores ``[n, B, K]``, -inf where a candidate may not follow what was said, ``[n, B, 1 + t]`` with the start.

    A beam that would be left without any keeps its likeliest, for better a repetition than no sentence.
    """
    t = said.shape[2] - 1
    if t == 0:
        return np.where(ids != end, scores, -np.inf)
    allowed = ids != said[:, :, -1:]
    if 1 <= no_repeat_ngram_size <= t:
        before = said[:, :, said.shape[2] - no_repeat_ngram_size + 1 :]
        for begin in range(1, t - no_repeat_ngram_size + 2):
            stop = begin + no_repeat_ngram_size - 1
            same = (said[:, :, begin:stop] == before).all(2)
            allowed &= ~(same[:, :, None] & (ids == said[:, :, stop, None]))
    allowed[:, :, 0] |= ~(allowed & np.isfinite(scores)).any(2)
    return np.where(allowed, scores, -np.inf)


class _Search:
    """The best continuations over all beams of a photo."""

    def __init__(self, settings: Decoding) -> None:
        self._settings = settings
        repeats = (
            settings.max_length if settings.no_repeat_ngram_size else 1
        )  # most words that may be forbidden to a beam
        self.candidates = 2 * settings.beam + repeats

    def first(self, number: int) -> Array:
        totals = np.full((number, self._settings.beam), -np.inf, np.float32)
        totals[:, 0] = 0  # the beams of a photo begin equal: follow one
        return totals

    def __call__(self, scores: Array, ids: Ints, totals: Array, rows: Ints, t: int) -> tuple[Array, Ints, Ints]:
        """The 2B best ``[n, 2B]``, as B of them may be ends: log-probabilities, words, the beams that they continue."""
        flat = (scores + totals[:, :, None]).reshape(len(rows), -1)
        order = np.argsort(-flat, axis=1, kind="stable")[:, : 2 * self._settings.beam]
        words = np.take_along_axis(ids.reshape(len(rows), -1), order, 1)
        return np.take_along_axis(flat, order, 1), words, order // ids.shape[2]

    def follow(self, ends: Bools) -> Ints:
        return np.argsort(ends, axis=1, kind="stable")[:, : self._settings.beam]

    def open(self, ranks: list[float], totals: Array) -> bool:
        settings = self._settings
        if not np.isfinite(totals[0]) or len(ranks) >= settings.beam:
            return False
        wanted = settings.beam if settings.mbr else settings.nbest
        within_reach = float(totals[0]) / settings.max_length**settings.length_penalty
        return len(ranks) < wanted or sorted(ranks)[-wanted] < within_reach


class _Draw:
    """For each beam a word drawn from its own nucleus."""

    def __init__(self, settings: Decoding, seeds: Sequence[int]) -> None:
        self._settings = settings
        self.candidates = NUCLEUS
        shape = (settings.max_length, settings.beam)
        self._chances = np.stack([np.random.default_rng((settings.seed, seed)).random(shape) for seed in seeds])

    def first(self, number: int) -> Array:
        return np.zeros((number, self._settings.beam), np.float32)

    def __call__(self, scores: Array, ids: Ints, totals: Array, rows: Ints, t: int) -> tuple[Array, Ints, Ints]:
        """One a beam ``[n, B]``: log-probabilities so far, words, the beams themselves."""
        weights = np.exp((scores - scores.max(2, keepdims=True)).astype(np.float64) / self._settings.temperature)
        weights /= weights.sum(2, keepdims=True)
        below = weights.cumsum(2) - weights
        weights[below >= self._settings.top_p] = 0
        sums = weights.cumsum(2)
        drawn = (sums <= self._chances[rows, t][:, :, None] * sums[:, :, -1:]).sum(2, keepdims=True)
        best, words = np.take_along_axis(scores, drawn, 2)[..., 0], np.take_along_axis(ids, drawn, 2)[..., 0]
        return best + totals, words, np.broadcast_to(np.arange(self._settings.beam), words.shape)

    def follow(self, ends: Bools) -> Ints:
        return np.broadcast_to(np.arange(ends.shape[1]), ends.shape)

    def open(self, ranks: list[float], totals: Array) -> bool:
        return bool(np.isfinite(totals).any())


class _Trace:
    """The beams that each step continued, and where hypotheses ended."""

    def __init__(self, photos: int, settings: Decoding) -> None:
        self._settings = settings
        self._parents = np.zeros((settings.max_length, photos, settings.beam), np.int64)
        self._attention: list[tuple[Ints, Array | None]] = []
        self._ended: list[list[tuple[float, float, Ints, int]]] = [[] for _ in range(photos)]

    def add(self, t: int, rows: Ints, parents: Ints, attention: Array | None) -> None:
        """The beams ``[n, B]`` that step t continued, and the attention that it paid."""
        self._parents[t, rows] = parents
        self._attention.append((rows, attention))

    def end(self, photo: int, said: Ints, length: int, beam: int, logprob: float) -> None:
        """What beam ``beam`` of a photo said, ``length`` words after the start, is a whole sentence."""
        rank = float(logprob) / length**self._settings.length_penalty
        self._ended[photo].append((rank, float(logprob), said[1 : length + 1].copy(), int(beam)))

    def ranks(self, photo: int) -> list[float]:
        """Of the sentences of a photo."""
        return [ended[0] for ended in self._ended[photo]]

    def sentences(self, photo: int, reranker_score: RerankerScore | None) -> list[Sentence]:
        """The best different sentences of a photo."""
        different: dict[bytes, tuple[float, Ints, int]] = {}
        for _, logprob, words, beam in sorted(self._ended[photo], key=lambda ended: -ended[0]):
            different.setdefault(words.tobytes(), (logprob, words, beam))
        ended = list(different.values())
        if self._settings.mbr:
            ended = ended[: self._settings.beam]
            logprobs, sentences = [logprob for logprob, _, _ in ended], [words for _, words, _ in ended]
            ranks = agreement(sentences, logprobs, self._settings.length_penalty)
            if reranker_score is not None:
                ranks = ranks + reranker_score(photo, sentences)
            order = np.argsort(-ranks, kind="stable")
            ended = [ended[i] for i in order]
        return [
            Sentence(words, logprob, self._looked(photo, len(words), beam))
            for logprob, words, beam in ended[: self._settings.nbest]
        ]

    def _looked(self, photo: int, length: int, beam: int) -> Array | None:
        maps: list[Array] = []
        for t in reversed(range(length)):
            beam = self._parents[t, photo, beam]
            rows, attention = self._attention[t]
            if attention is None:
                return None
            maps.append(attention[np.searchsorted(rows, photo), beam])
        return np.stack(maps[::-1])
