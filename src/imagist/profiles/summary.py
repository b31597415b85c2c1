"""From draws of an account's shares to what is said of it: intervals, the leading category, specialisation.

Shapes: S draws; A accounts; C categories.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats, Ints

MOST_POSTS = 10_000  # more posts than this are no practical number
_FUTURES = 80
_LOOKS = 50  # numbers of posts, each about a fifth more than that before it


def intervals(draws: AnyArray, level: float, low: float = 0, high: float = 1) -> tuple[Floats, Floats]:
    """The shortest intervals that hold a share of the draws: two of ``[...]`` for draws ``[S, ...]``.

    Args:
        draws: ``[S, ...]``.
        level: Probability that they hold, over 0 and under 1.
        low: The smallest possible value: an interval that begins at the smallest draw begins here.
        high: The largest possible value.
    """
    ordered = np.sort(draws, axis=0)
    inside = min(math.ceil(level * len(ordered)), len(ordered) - 1)
    widths = ordered[inside:] - ordered[: len(ordered) - inside]
    start = widths.argmin(axis=0)[None]
    lower = np.take_along_axis(ordered, start, axis=0)[0]
    upper = np.take_along_axis(ordered, start + inside, axis=0)[0]
    at_low, at_high = start[0] == 0, start[0] + inside == len(ordered) - 1
    return np.where(at_low & ~at_high, low, lower), np.where(at_high & ~at_low, high, upper)


def leading(shares: Floats, named: Bools) -> tuple[Ints, Floats]:
    """The category that leads in most draws, and the share of the draws in which it does.

    Args:
        shares: ``[S, A, C]``.
        named: bool ``[C]``, the categories that can lead; none of these cannot.

    Returns:
        int64 ``[A]`` and float64 ``[A]``, 0..1.
    """
    first = np.where(named, shares, -1).argmax(axis=2)
    counts = np.stack([(first == c).sum(axis=0) for c in range(shares.shape[2])], axis=1)
    return counts.argmax(axis=1), counts.max(axis=1) / len(shares)


def entropies(shares: Floats) -> Floats:
    """How evenly shares ``[..., C]`` are spread, 0 (one category) to 1 (all alike): ``[...]``."""
    if shares.shape[-1] == 1:
        return np.zeros(shares.shape[:-1])
    terms = -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=-1)
    return np.asarray(np.clip(terms / math.log(shares.shape[-1]), 0, 1))


def posts_needed(
    shares: Floats, certain: Floats, posts: Ints, named: Bools, sure: float, random: np.random.Generator
) -> list[int | None]:
    """How many more posts would make it sure which category leads: the median over futures that the draws expect.

    In a future, a draw's shares are the true ones, and the lead of its first category over its second goes on from the
    lead so far as a random walk; it is sure once that is over 0 as surely as asked.

    Args:
        shares: ``[S, A, C]``.
        certain: ``[A]``, the probabilities that the leading categories lead.
        posts: int64 ``[A]``, posts so far.
        named: bool ``[C]``, the categories that can lead.
        sure: The probability of leading to reach, over .5.
        random: Gives the random numbers.

    Returns:
        A number for each account, 0 where it is sure already; None where it is more than `MOST_POSTS`.
    """
    if named.sum() < 2:
        return [0] * len(posts)
    draws = shares[:: max(1, len(shares) // _FUTURES)][:, :, named]
    pair = np.argsort(draws, axis=2)[:, :, -2:]
    second, first = np.moveaxis(np.take_along_axis(draws, pair, 2), 2, 0)
    mean = np.broadcast_to(shares.mean(axis=0)[:, named], draws.shape)
    behind, ahead = np.moveaxis(np.take_along_axis(mean, pair, 2), 2, 0)
    lead = first - second
    spread = np.sqrt(np.maximum(first + second - lead**2, 1e-12))[..., None]
    more = np.unique(np.geomspace(1, MOST_POSTS, _LOOKS).round())
    steps = np.diff(more, prepend=0)
    walk = np.cumsum(
        lead[..., None] * steps + spread * np.sqrt(steps) * random.normal(size=(*lead.shape, len(more))), 2
    )
    walk += ((ahead - behind) * posts)[..., None]
    reached = np.abs(walk) >= NormalDist().inv_cdf(sure) * spread * np.sqrt(posts[:, None] + more)
    counts = np.where(reached.any(axis=2), more[reached.argmax(axis=2)], np.inf)
    middle = np.sort(counts, axis=0)[len(counts) // 2]
    found = zip(middle, certain, strict=True)
    return [0 if p >= sure else int(count) if math.isfinite(count) else None for count, p in found]
