"""Simulated accounts: mixtures of categories from a Dirichlet distribution, whose posts are drawn from labelled images.

Shapes: N labelled images; A accounts; C categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints
from imagist.errors import UsageError
from imagist.profiles.posts import Posts

SKEWED = 0.2
"""Share of the accounts that prefer the rare categories, by .8 to .2."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """Accounts whose shares are known.

    Attributes:
        shares: float64 ``[A, C]``, the true ones, rows sum to 1.
        sizes: int64 ``[A]``, posts of each.
        posts: Those of the first account, then of the second, and so on, with their labels.
    """

    shares: Floats
    sizes: Ints
    posts: Posts


def simulate(
    pool: Posts,
    sizes: Sequence[int] | Ints,
    *,
    total: float = 3.0,
    rare: Sequence[str] = (),
    shares: AnyArray | None = None,
    seed: int = 0,
) -> Simulated:
    """Accounts that post images of a pool, drawn with replacement.

    Args:
        pool: N classified images with labels.
        sizes: Posts of each of A accounts, 1 or more.
        total: The sum of the concentrations of the Dirichlet distribution, > 0: C makes all mixtures equally probable,
            less makes accounts keep to few categories.
        rare: Categories that `SKEWED` of the accounts prefer; none are by default.
        shares: ``[A, C]``, the true shares, where they are not to be drawn.
        seed: Of the random numbers.

    Raises:
        UsageError: No image of the pool is labelled with a category.
    """
    random = np.random.default_rng(seed)
    names, sizes = pool.categories, np.asarray(sizes, np.int64)
    targets = np.array([names.index(label) if label in names else -1 for label in pool.labels])
    known = np.isin(np.arange(len(names)), targets)
    if not known.any():
        raise UsageError("no image has a label that is one of the categories", item="pool")
    if shares is None:
        liked = known & np.isin(names, list(rare))
        even = total * known / known.sum()
        skewed = total * (0.8 * liked / max(liked.sum(), 1) + 0.2 * (known & ~liked) / max((known & ~liked).sum(), 1))
        drawn = np.zeros((len(sizes), len(names)))
        for row in drawn:
            row[known] = random.dirichlet((skewed if liked.any() and random.random() < SKEWED else even)[known])
        shares = drawn
    accounts = np.repeat(np.arange(len(sizes)), sizes)
    levels = np.asarray(shares).cumsum(axis=1)[accounts]
    categories = (levels <= random.random(len(accounts))[:, None] * levels[:, -1:]).sum(axis=1)
    places = [np.flatnonzero(targets == c) for c in range(len(names))]
    chosen = np.array([random.choice(places[c]) for c in categories], np.int64)
    posts = Posts(
        tuple(f"account {a}" for a in accounts),
        pool.probabilities[chosen],
        names,
        captions=tuple(pool.captions[i] for i in chosen),
        labels=tuple(names[c] for c in categories),
        embeddings=pool.embeddings[chosen] if len(pool.embeddings) else pool.embeddings,
    )
    return Simulated(np.asarray(shares, np.float64), sizes, posts)
