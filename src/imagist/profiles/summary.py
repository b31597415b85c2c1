"""From draws of an account's shares to what is said of it: intervals, the leading category, specialisation.

Shapes: S draws; A accounts; C categories.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats, Ints

MOST_POSTS = 10_000  # more posts than this are no practical number
_FUTURES = 200
_LOOKS = 50  # numbers of posts, each about a fifth more than that before it
_HALVINGS = 40


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
    """The category that leads in most draws, and the share of the draws in which each does.

    Args:
        shares: ``[S, A, C]``.
        named: bool ``[C]``, the categories that can lead; none of these cannot.

    Returns:
        int64 ``[A]`` and float64 ``[A, C]``, 0..1.
    """
    first = np.where(named, shares, -1).argmax(axis=2)
    leads = np.stack([(first == c).mean(axis=0) for c in range(shares.shape[2])], axis=1)
    return leads.argmax(axis=1), leads


def entropies(shares: Floats) -> Floats:
    """How evenly shares ``[..., C]`` are spread, 0 (one category) to 1 (all alike): ``[...]``."""
    if shares.shape[-1] == 1:
        return np.zeros(shares.shape[:-1])
    terms = -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=-1)
    return np.asarray(np.clip(terms / math.log(shares.shape[-1]), 0, 1))


def nearest_shares(shares: Floats) -> Floats:
    """The shares of least expected absolute error: of each category the same quantile, that at which they sum to 1.

    The median of each category would err least alone, but medians do not sum to 1; means are too high where a category
    is rare. (The condition is Lagrange's: with a sum that is fixed, the slope of the error, 2 F(s) - 1, is equal.)

    Args:
        shares: Draws ``[S, A, C]``, each of the last axis sums to 1.

    Returns:
        float64 ``[A, C]``, 0..1, rows sum to 1.
    """
    ordered = np.sort(shares, axis=0)
    last = len(ordered) - 1
    low, high = np.zeros(shares.shape[1]), np.full(shares.shape[1], float(last))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = _at(ordered, middle).sum(axis=1) > 1
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    found = _at(ordered, (low + high) / 2)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _at(ordered: Floats, places: Floats) -> Floats:
    """Ordered draws ``[S, A, C]`` at a place of each account ``[A]``, between draws by proportion: ``[A, C]``."""
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    part = (places - below)[:, None]
    accounts = np.arange(len(places))
    return np.asarray((1 - part) * ordered[below, accounts] + part * ordered[above, accounts])


@dataclass(frozen=True)
class MorePosts:
    """How many more posts would make sure which category leads.

    Attributes:
        likely: The number that most probably is right within a factor of 2, of all posts then; 0 where it is sure, None
            where that is more than `MOST_POSTS`.
        low: Where the credible interval begins; None as above.
        high: Where it ends; the same.
    """

    likely: int | None
    low: int | None
    high: int | None


def posts_needed(
    shares: Floats,
    certain: Floats,
    posts: Ints,
    named: Bools,
    sure: float,
    level: float,
    random: np.random.Generator,
) -> list[MorePosts]:
    """How many more posts would make it sure which category leads, over futures that the draws expect.

    In a future, a draw's shares are the true ones, and the lead of its first category over its second goes on from the
    lead so far as a random walk; it is sure once that is over 0 as surely as asked.

    Args:
        shares: ``[S, A, C]``.
        certain: ``[A]``, the probabilities that the leading categories lead.
        posts: int64 ``[A]``, posts so far.
        named: bool ``[C]``, the categories that can lead.
        sure: The probability of leading to reach, over .5.
        level: Probability that the intervals hold.
        random: Gives the random numbers.
    """
    none = MorePosts(0, 0, 0)
    if named.sum() < 2:
        return [none] * len(posts)
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
    counts = np.sort(np.where(reached.any(axis=2), more[reached.argmax(axis=2)], np.inf), axis=0)
    return [none if p >= sure else _needed(counts[:, i], int(posts[i]), more, level) for i, p in enumerate(certain)]


def _needed(counts: Floats, posts: int, more: Floats, level: float) -> MorePosts:
    """What futures say of one account: its counts in order, inf where more would not do."""
    likely = np.append(more, np.inf)
    least, most = (factor * (likely + posts) - posts for factor in (0.5, 2.0))
    held = np.searchsorted(counts, most, "right") - np.searchsorted(counts, least, "left")
    best = likely[np.flatnonzero(held == held.max())]
    tail = int((1 - level) / 2 * len(counts))
    values = best[len(best) // 2], counts[tail], counts[len(counts) - 1 - tail]
    return MorePosts(*(int(value) if math.isfinite(value) else None for value in values))
