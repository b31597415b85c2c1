"""Shares of categories an account, from soft evidence, by Gibbs sampling under a prior learnt from all accounts.

The model: an account is of one of a few kinds; its shares come from the Dirichlet distribution of its kind; each post's
category comes from its account's shares; its evidence is the likelihood of each category. The prior, which is how
common the kinds are and the distribution of each, is learnt first (stochastic EM: kinds and categories drawn, then one
step of Minka's fixed point); then kinds, shares and categories are drawn in turn.

Shapes: N posts, those of an account adjacent; A accounts; C categories; K kinds; S draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imagist.arrays import AnyArray, Array, Bools, Floats, Ints
from imagist.errors import UsageError
from imagist.profiles.dirichlet import dirichlet, fixed_point, log_evidence
from imagist.profiles.evidence import mix_of, posterior

_BLOCK = 1 << 15  # posts sampled together, which bounds memory
_LEARN = 1 << 15  # posts that the prior is learnt from, of accounts at random
_KINDS = 3
_ENOUGH = 60  # accounts from which several kinds are learnt; of fewer, one
_FEW = 30  # posts of an account whose sampling also jumps
_MEANS = 10  # rounds of k-means, where kinds begin


@dataclass(frozen=True)
class Settings:
    """How shares are sampled.

    Attributes:
        draws: Draws that are kept of each account's shares, 100 or more.
        warmup: Draws before them that are not kept, 0 or more.
        learning: Steps in which the prior is learnt, 2 or more; the mean of the later half is the prior.
        seed: Of the random numbers. The same posts and settings give the same profiles.
        level: Probability that intervals hold, over 0 and under 1.
        sure: Probability of leading at which an account's first category counts as sure, over .5 and under 1.

    Raises:
        UsageError: A value out of its range.
    """

    draws: int = 400
    warmup: int = 40
    learning: int = 60
    seed: int = 0
    level: float = 0.95
    sure: float = 0.95

    def __post_init__(self) -> None:
        ranges = {
            "draws": self.draws >= 100,
            "warmup": self.warmup >= 0,
            "learning": self.learning >= 2,
            "level": 0 < self.level < 1,
            "sure": 0.5 < self.sure < 1,
        }
        if wrong := [name for name, right in ranges.items() if not right]:
            raise UsageError(f"out of range: {', '.join(wrong)}", item="settings")


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of some accounts' shares.

    Attributes:
        first: The place of the first account.
        shares: float64 ``[S, A, C]``, each of the last axis sums to 1.
        change: float64 ``[S, A, C]``, the share in the later posts minus that in the earlier ones, -1..1.
    """

    first: int
    shares: Floats
    change: Floats


@dataclass(frozen=True, eq=False)
class Prior:
    """The prior of accounts' shares: a mixture of Dirichlet distributions, one for each kind of account.

    Attributes:
        alpha: float64 ``[K, C]``, concentrations over 0.
        common: float64 ``[K]``, how common the kinds are, sums to 1.
    """

    alpha: Floats
    common: Floats

    @property
    def mean(self) -> Floats:
        """The expected shares of an account, float64 ``[C]``."""
        return np.asarray(self.common @ (self.alpha / self.alpha.sum(axis=1, keepdims=True)))

    def kinds(self, counts: AnyArray, random: np.random.Generator) -> Ints:
        """A kind drawn for each account, given counts ``[A, C]`` of its posts: int64 ``[A]``."""
        if len(self.common) == 1:
            return np.zeros(len(counts), np.int64)
        logs = self.log_kinds(counts)
        return np.asarray((logs + random.gumbel(size=logs.shape)).argmax(axis=1))

    def log_kinds(self, counts: AnyArray) -> Floats:
        """Logarithms of how probable each kind and counts ``[A, C]`` are together, up to a constant: ``[A, K]``."""
        return np.asarray(np.log(self.common) + log_evidence(self.alpha, counts))


def learn_prior(evidence: AnyArray, sizes: Ints, settings: Settings) -> Prior:
    """The prior that makes all accounts' posts most probable, by stochastic EM.

    It has one kind of accounts more as long as Schwarz's criterion (1978) is for it.

    Args:
        evidence: ``[N, C]``, as `likelihoods` returns them.
        sizes: int64 ``[A]``, posts of each account, in order; they sum to N.
        settings: How.
    """
    evidence, sizes = _some(evidence, sizes, np.random.default_rng((settings.seed, 1)))
    best, criterion = _with_kinds(1, evidence, sizes, settings)
    for number in range(2, 1 + (_KINDS if len(sizes) >= _ENOUGH else 1)):
        other, its = _with_kinds(number, evidence, sizes, settings)
        if its >= criterion:
            break
        best, criterion = other, its
    return best


def _with_kinds(number: int, evidence: AnyArray, sizes: Ints, settings: Settings) -> tuple[Prior, float]:
    """The prior of at most so many kinds, and Schwarz's criterion, which is least where it is best."""
    random = np.random.default_rng((settings.seed, 1, number))
    count = evidence.shape[1]
    sampler = _Sampler(evidence, sizes, np.zeros(len(evidence), bool), random)
    # Saerens' EM has the mix right but for few posts; one more post of each category keeps it off 0.
    mix = (mix_of(evidence) * len(evidence) + 1) / (len(evidence) + count)
    counts = sampler.categories(posterior(evidence, mix), None)[0]
    kinds = _first_kinds(counts, number)
    number = int(kinds.max()) + 1
    prior = Prior(np.tile(mix * count / 2, (number, 1)), _frequency(kinds, number))
    kept, fits = [], []
    for step in range(settings.learning):
        shares = sampler.jumped(dirichlet(counts + prior.alpha[kinds], random), prior)
        counts = sampler.categories(None, shares)[0]
        alpha = [fixed_point(own, counts[kinds == k]) for k, own in enumerate(prior.alpha)]
        prior = Prior(np.array(alpha), _frequency(kinds, number))
        logs = prior.log_kinds(counts)
        kinds = np.asarray((logs + random.gumbel(size=logs.shape)).argmax(axis=1))
        if step >= settings.learning // 2:
            kept.append((np.log(prior.alpha), prior.common))
            fits.append(np.logaddexp.reduce(logs, axis=1).sum())
    logs, common = (np.mean(each, axis=0) for each in zip(*kept, strict=True))
    free = number * count + number - 1
    return Prior(np.exp(logs), common), float(free * np.log(len(sizes)) - 2 * np.mean(fits))


def _first_kinds(counts: Floats, most: int) -> Ints:
    """Kinds of accounts to begin with, by k-means of the roots of shares: int64 ``[A]``, each kind has accounts."""
    points = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    middles = points.mean(axis=0, keepdims=True)
    for _ in range(most - 1):  # each next one is the account farthest from those so far
        gaps = ((points[:, None] - middles) ** 2).sum(axis=2).min(axis=1)
        middles = np.vstack([middles, points[gaps.argmax()]])
    for _ in range(_MEANS):
        kinds = ((points[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
        middles = np.stack([points[kinds == k].mean(axis=0) for k in np.unique(kinds)])
    return np.asarray(np.unique(kinds, return_inverse=True)[1]).reshape(-1)


def _frequency(kinds: Ints, number: int) -> Floats:
    """How common kinds are, with one more account of each."""
    counts = np.bincount(kinds, minlength=number) + 1.0
    return np.asarray(counts / counts.sum())


def sample(evidence: AnyArray, sizes: Ints, late: Bools, prior: Prior, settings: Settings) -> Iterator[Draws]:
    """Draws of all accounts' shares, some accounts at a time.

    Args:
        evidence: ``[N, C]``, as `likelihoods` returns them.
        sizes: int64 ``[A]``, posts of each account, in order; they sum to N.
        late: bool ``[N]``, posts that belong to the later half of their account.
        prior: Of the shares.
        settings: How.
    """
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        begin = int(ends[first] - sizes[first])
        last = max(first + 1, int(np.searchsorted(ends, begin + _BLOCK, side="right")))
        part = slice(begin, int(ends[last - 1]))
        random = np.random.default_rng((settings.seed, 2, first))
        sampler = _Sampler(evidence[part], sizes[first:last], late[part], random)
        yield Draws(first, *_chain(sampler, prior, settings, random))
        first = last


def _chain(sampler: _Sampler, prior: Prior, settings: Settings, random: np.random.Generator) -> tuple[Floats, Floats]:
    counts, late = sampler.categories(posterior(sampler.evidence.T, prior.mean), None)
    shape = (settings.draws, *counts.shape)
    shares, change = np.empty(shape), np.empty(shape)
    for step in range(-settings.warmup, settings.draws):
        alpha = prior.alpha[prior.kinds(counts, random)]
        drawn = sampler.jumped(dirichlet(counts + alpha, random), prior)
        counts, late = sampler.categories(None, drawn)
        if step >= 0:
            # Each half varies around its account's shares as much as accounts vary around the prior.
            around = np.maximum(drawn * alpha.sum(axis=1, keepdims=True), 1e-9)
            halves = dirichlet(np.stack([around + late, around + counts - late]), random)
            shares[step], change[step] = drawn, halves[0] - halves[1]
    return shares, change


class _Sampler:
    """Draws categories of posts.

    Args:
        evidence: ``[N, C]``.
        sizes: int64 ``[A]``.
        late: bool ``[N]``.
        random: Gives the random numbers.
    """

    def __init__(self, evidence: AnyArray, sizes: Ints, late: Bools, random: np.random.Generator) -> None:
        self.evidence: Array = np.ascontiguousarray(evidence.T, np.float32)  # [C, N]: whole rows at a time
        self._accounts = np.repeat(np.arange(len(sizes)), sizes)
        self._places = (self._accounts + late * len(sizes)) * len(self.evidence)
        self._shape = (2, len(sizes), len(self.evidence))
        self._random = random
        self._few = np.flatnonzero(sizes <= _FEW)
        own = np.isin(self._accounts, self._few)
        self._jumping: Array = self.evidence[:, own]
        self._jumpers = np.repeat(np.arange(len(self._few)), sizes[self._few])

    def jumped(self, shares: Floats, prior: Prior) -> Floats:
        """The shares ``[A, C]`` after one Metropolis step of accounts of few posts, which proposes shares of the prior.

        Where posts are ambiguous and accounts keep to few categories, Gibbs sampling alone hardly ever gets from one
        category to another.
        """
        if not len(self._few):
            return shares
        kinds = self._random.choice(len(prior.common), len(self._few), p=prior.common)
        proposed, old = dirichlet(prior.alpha[kinds], self._random), shares[self._few]
        gain = self._fit(proposed) - self._fit(old)
        taken = np.log(self._random.random(len(gain))) < gain
        shares[self._few[taken]] = proposed[taken]
        return shares

    def _fit(self, shares: Floats) -> Floats:
        """How probable the posts of accounts of few posts are with these shares: logarithms, one an account."""
        each = np.einsum("cn,cn->n", self._jumping, np.asarray(shares, np.float32).T[:, self._jumpers])
        fits = np.bincount(self._jumpers, np.log(np.maximum(each, 1e-30)), minlength=len(shares))
        return np.asarray(fits, np.float64)

    def categories(self, probabilities: Floats | None, shares: Floats | None) -> tuple[Floats, Floats]:
        """Counts of drawn categories: of all posts, and of the late ones, each float64 ``[A, C]``.

        Args:
            probabilities: ``[N, C]`` of the posts; or None, where shares are given.
            shares: ``[A, C]`` of the accounts.
        """
        if shares is None:
            assert probabilities is not None
            levels = np.array(probabilities.T, np.float32, order="C")
        else:
            levels = np.take(np.ascontiguousarray(shares.T, np.float32), self._accounts, axis=1)
            levels *= self.evidence
        for before, row in pairwise(levels):  # category by category: four times as fast as a cumulative sum
            row += before
        chosen = self._random.random(levels.shape[1], np.float32) * levels[-1]
        drawn = np.zeros(levels.shape[1], np.int32)
        for row in levels[:-1]:
            drawn += row <= chosen
        counts = np.bincount(self._places + drawn, minlength=int(np.prod(self._shape))).reshape(self._shape)
        return np.asarray(counts.sum(axis=0), np.float64), np.asarray(counts[1], np.float64)


def _some(evidence: AnyArray, sizes: Ints, random: np.random.Generator) -> tuple[AnyArray, Ints]:
    """The posts of accounts at random, no more than enough to learn a prior from, and their sizes."""
    if len(evidence) <= _LEARN:
        return evidence, sizes
    order = random.permutation(len(sizes))
    kept = np.sort(order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), _LEARN, side="right")))])
    starts = np.cumsum(sizes) - sizes
    places = np.concatenate([np.arange(starts[i], starts[i] + sizes[i]) for i in kept])
    return evidence[places], sizes[kept]
