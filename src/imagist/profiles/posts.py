"""Posts with their accounts and probabilities, as profiles are made from them.

Shapes: N posts; C categories.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from imagist.arrays import Array, Bools, Floats, Ints
from imagist.errors import UsageError
from imagist.images.tables.cells import spelling


@dataclass(frozen=True, eq=False)
class Posts:
    """N posts, in any order.

    Attributes:
        accounts: The account of each.
        probabilities: float64 ``[N, C]``, calibrated, one row a post.
        categories: Their C names.
        names: What each post is called; by default its number.
        times: float64 ``[N]``, seconds since 1970, NaN where unknown; by default all unknown.
        images: int64 ``[N]``, the images that each post was made from; by default 1.
        captions: Captions of the first image of each; empty text where there is none.
        sources: Path, address or name of the first image of each; empty text where it is not known.
        texts: The authors' own texts; empty text where there is none.
        likes: float64 ``[N]``, NaN where unknown.
        labels: The true category of each, by a person; empty text where it is not known. One that differs from a
            category by case or blanks alone becomes that category.
        embeddings: float32 ``[N, D]``, by a matcher, means over the images of each; ``[0, 0]`` where unknown.
        failed: Images that have no probabilities, by account.
        copies: Posts that were left out as near-duplicates, by account; without those whose images were not compared.
        videos: Video files that were left out, by account.

    Raises:
        UsageError: No posts, or numbers that do not agree.
    """

    accounts: tuple[str, ...]
    probabilities: Floats
    categories: tuple[str, ...]
    names: tuple[str, ...] = ()
    times: Floats = field(default_factory=lambda: np.zeros(0))
    images: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    captions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    likes: Floats = field(default_factory=lambda: np.zeros(0))
    labels: tuple[str, ...] = ()
    embeddings: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    failed: dict[str, int] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    videos: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.accounts)
        if not count:
            raise UsageError("there are no posts to profile")
        defaults = {
            "names": tuple(map(str, range(count))),
            "times": np.full(count, np.nan),
            "images": np.ones(count, np.int64),
            "captions": ("",) * count,
            "sources": ("",) * count,
            "texts": ("",) * count,
            "likes": np.full(count, np.nan),
            "labels": ("",) * count,
        }
        for name, default in defaults.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, default)
            if len(getattr(self, name)) != count:
                raise UsageError(f"{len(getattr(self, name))} {name} for {count} posts", item=name)
        known = {spelling(category): category for category in self.categories}
        known |= {category: category for category in self.categories}
        named = (known.get(label) or known.get(spelling(label), label) for label in self.labels)
        object.__setattr__(self, "labels", tuple(named))
        if len(self.embeddings) not in (0, count):
            raise UsageError(f"{len(self.embeddings)} embeddings for {count} posts", item="embeddings")
        if self.probabilities.shape != (count, len(self.categories)):
            shape = list(self.probabilities.shape)
            raise UsageError(f"probabilities {shape} for {count} posts of {len(self.categories)} categories")

    def __len__(self) -> int:
        return len(self.accounts)


def later_halves(accounts: Ints, times: Floats) -> Bools:
    """Which posts are in the later half of their account's dated posts, bool ``[N]``.

    Posts of one time are in one half, and posts without a time are in the earlier.

    Args:
        accounts: int64 ``[N]``, numbers of accounts.
        times: float64 ``[N]``, NaN where unknown.
    """
    late = np.zeros(len(accounts), bool)
    order = np.lexsort((times, accounts))
    bounds = np.flatnonzero(np.diff(accounts[order])) + 1
    for places in np.split(order, bounds):
        known = places[~np.isnan(times[places])]
        if len(known):
            late[known] = times[known] > (times[known[(len(known) - 1) // 2]])
    return late
