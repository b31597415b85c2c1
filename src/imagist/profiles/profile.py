"""Profiles of accounts: what the posts of each show, with intervals.

Shapes: N posts; C categories.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints
from imagist.matching.zero_shot import NONE
from imagist.profiles.care import check_impersonal
from imagist.profiles.evidence import likelihoods, posterior
from imagist.profiles.posts import Posts, later_halves
from imagist.profiles.shares import Draws, Settings, learn_prior, sample
from imagist.profiles.summary import entropies, intervals, leading, nearest_shares, posts_needed

Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Profile:
    """One account, as its posts show it.

    Attributes:
        account: Its name.
        posts: How many posts it was made from, 1 or more.
        images: Images of these.
        failed: Images that could not be used.
        copies: Posts that were left out as near-duplicates of others of the account; None where they were not compared.
        carousels: Posts of several images.
        videos: Video files that were left out.
        likes: Median of the likes of its posts; None where they are not known.
        categories: The C categories.
        shares: float64 ``[C]``, the share of each category among the account's posts, sums to 1: that of least expected
            absolute error.
        low: float64 ``[C]``, where the credible interval of each share begins.
        high: float64 ``[C]``, where it ends.
        leads: float64 ``[C]``, probability that each category has the largest share.
        leading: The category that most probably leads; never none of these.
        leading_probability: Probability that it does, 0..1.
        specialisation: 1 where all posts are of one category, 0 where all categories are equally frequent: 1 minus the
            entropy of the shares over its largest value.
        specialisation_interval: Its credible interval.
        trend: Change of the leading category's share from the earlier half of the posts to the later, -1..1; None where
            a post has no date, or all have one.
        trend_interval: Its credible interval; None as the trend.
        none_share: Share of posts of none of the categories; None where the model has no such category.
        none_interval: Its credible interval; None as the share.
        more_posts: How many more posts would make sure which category leads, as of `summary.MorePosts`; 0 where it is
            sure, None where no practical number would.
        more_posts_interval: Its credible interval; an end is None where no practical number would.
        places: int64 ``[posts]``, the places of its posts in the `Posts`.
        post_probabilities: float64 ``[posts, C]``, of each post, given what the account posts about.
    """

    account: str
    posts: int
    images: int
    failed: int
    copies: int | None
    carousels: int
    videos: int
    likes: float | None
    categories: tuple[str, ...]
    shares: Floats
    low: Floats
    high: Floats
    leads: Floats
    leading: str
    leading_probability: float
    specialisation: float
    specialisation_interval: Interval
    trend: float | None
    trend_interval: Interval | None
    none_share: float | None
    none_interval: Interval | None
    more_posts: int | None
    more_posts_interval: tuple[int | None, int | None]
    places: Ints
    post_probabilities: Floats

    def probability_of(self, category: str) -> float:
        """Probability that the account is about a category: that it leads, 0..1; 0 for a category that is none."""
        return float(self.leads[self.categories.index(category)]) if category in self.categories else 0.0


def profile(posts: Posts, settings: Settings | None = None, *, prior: AnyArray | None = None) -> list[Profile]:
    """Profiles of all accounts of some posts, in order of first appearance.

    Args:
        posts: Of any number of accounts; the more there are, the better is what they have in common known.
        settings: How shares are sampled.
        prior: ``[C]``, the mix of categories for which the probabilities are calibrated; by default all are equally
            common.

    Raises:
        UsageError: Probabilities, or a prior, that are none; or categories of who people are.
    """
    check_impersonal(posts.categories, "categories")
    settings = settings or Settings()
    names = [*dict.fromkeys(posts.accounts)]
    number = {name: i for i, name in enumerate(names)}
    accounts = np.array([number[name] for name in posts.accounts])
    order = np.argsort(accounts, kind="stable")
    sizes = np.bincount(accounts).astype(np.int64)
    evidence = likelihoods(posts.probabilities, prior)[order]
    late = later_halves(accounts, posts.times)[order]
    learnt = learn_prior(evidence, sizes, settings)
    found: list[Profile] = []
    parts = np.split(order, np.cumsum(sizes)[:-1])
    starts = np.cumsum(sizes) - sizes
    for draws in sample(evidence, sizes, late, learnt, settings):
        several = _profiles(draws, names, sizes, posts.categories, settings)
        for i, values in enumerate(several, draws.first):
            rows = slice(starts[i], starts[i] + sizes[i])
            dated = bool(late[rows].any()) and not np.isnan(posts.times[parts[i]]).any()
            found.append(_with_posts(values, posts, parts[i], evidence[rows], dated=dated))
    return found


def _profiles(
    draws: Draws, names: list[str], sizes: Ints, categories: tuple[str, ...], settings: Settings
) -> Iterable[dict[str, object]]:
    """What the draws say of each account, as attributes of a `Profile`."""
    shares, level = draws.shares, settings.level
    part = slice(draws.first, draws.first + shares.shape[1])
    named = np.array([name != NONE for name in categories])
    first, leads = leading(shares, named)
    certain = leads.max(axis=1)
    low, high = intervals(shares, level)
    spread = 1 - entropies(shares)
    ends = np.stack(intervals(spread, level))
    change = np.take_along_axis(draws.change, np.broadcast_to(first[None, :, None], (*shares.shape[:2], 1)), 2)[:, :, 0]
    change_ends = np.stack(intervals(change, level, -1, 1))
    random = np.random.default_rng((settings.seed, 3, draws.first))
    needed = posts_needed(shares, certain, sizes[part], named, settings.sure, level, random)
    nearest = nearest_shares(shares)
    for i, name in enumerate(names[part]):
        none = None if named.all() else int(np.flatnonzero(~named)[0])
        yield {
            "account": name,
            "categories": categories,
            "expected": shares[:, i].mean(axis=0),
            "shares": nearest[i],
            "low": low[i],
            "high": high[i],
            "leads": leads[i],
            "leading": categories[first[i]],
            "leading_probability": float(certain[i]),
            "specialisation": float(spread[:, i].mean()),
            "specialisation_interval": (float(ends[0, i]), float(ends[1, i])),
            "trend": float(change[:, i].mean()),
            "trend_interval": (float(change_ends[0, i]), float(change_ends[1, i])),
            "none_share": None if none is None else float(nearest[i, none]),
            "none_interval": None if none is None else (float(low[i, none]), float(high[i, none])),
            "more_posts": needed[i].likely,
            "more_posts_interval": (needed[i].low, needed[i].high),
        }


def _with_posts(values: dict[str, object], posts: Posts, places: Ints, evidence: Floats, *, dated: bool) -> Profile:
    trends = {} if dated else {"trend": None, "trend_interval": None}
    name = str(values["account"])
    mix = values.pop("expected")
    return Profile(
        **(values | trends),  # type: ignore[arg-type]
        posts=len(places),
        images=int(posts.images[places].sum()),
        failed=posts.failed.get(name, 0),
        copies=posts.copies.get(name),
        carousels=int((posts.images[places] > 1).sum()),
        videos=posts.videos.get(name, 0),
        likes=None if np.isnan(posts.likes[places]).all() else float(np.nanmedian(posts.likes[places])),
        places=places,
        post_probabilities=posterior(evidence, mix),  # type: ignore[arg-type]
    )
