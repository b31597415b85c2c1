"""Which accounts fit a sentence, and which are like another.

Shapes: N posts; A accounts; C categories; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from imagist.arrays import AnyArray, Array, Floats, Ints
from imagist.errors import UnknownName, UsageError
from imagist.matching.background import Background
from imagist.profiles.posts import Posts
from imagist.profiles.profile import Profile

_LEAST_BETWEEN = 1e-3  # variance between accounts, in variances within them: some order is left where there is none


@dataclass(frozen=True, eq=False)
class BriefScores:
    """How well posts and accounts fit a sentence.

    Attributes:
        brief: The sentence.
        of_posts: float64 ``[N]``, the cosine of each post with it: in standard deviations above that of images of all
            sorts where the matcher knows these, else as it is.
        of_accounts: By account, the expected score of its posts and the ends of the credible interval.
    """

    brief: str
    of_posts: Floats
    of_accounts: Mapping[str, tuple[float, float, float]]


def score_brief(
    posts: Posts, brief: str, vector: Array, background: Background | None, *, level: float = 0.95, texts: bool = False
) -> BriefScores:
    """Scores of a sentence. An account of few posts is expected to be nearer to the mean of all.

    Args:
        posts: With embeddings.
        brief: The sentence.
        vector: float32 ``[D]``, its embedding.
        background: What cosines are by chance; None where the matcher does not know.
        level: Probability that the intervals hold.
        texts: Whether the posts' embeddings are of captions and not of images.

    Raises:
        UsageError: The posts have no embeddings, or of another width.
    """
    if not len(posts.embeddings) or posts.embeddings.shape[1] != len(vector):
        raise UsageError("the posts have no embeddings of this matcher", item=brief)
    rows = posts.embeddings / np.maximum(np.linalg.norm(posts.embeddings, axis=1, keepdims=True), 1e-9)
    scores = rows.astype(np.float64) @ vector
    if background is not None:
        mean, spread = (background.of_texts if texts else background.of_images)(vector[None])
        scores = (scores - mean[0]) / spread[0]
    names = [*dict.fromkeys(posts.accounts)]
    number = {name: i for i, name in enumerate(names)}
    mean, spread = shrunken_means(scores, np.array([number[name] for name in posts.accounts]))
    half = NormalDist().inv_cdf((1 + level) / 2) * spread
    ends = zip(mean, mean - half, mean + half, strict=True)
    return BriefScores(brief, scores, {name: tuple(map(float, each)) for name, each in zip(names, ends, strict=True)})  # type: ignore[misc]


def shrunken_means(values: AnyArray, groups: Ints) -> tuple[Floats, Floats]:
    """The mean of each group and its standard deviation, given that groups vary around a mean of all.

    Source: Morris 1983, "Parametric empirical Bayes inference", with the variances by the method of moments.

    Args:
        values: ``[N]``.
        groups: int64 ``[N]``, 0..A-1, each with a value.

    Returns:
        float64 ``[A]`` each.
    """
    values = np.asarray(values, np.float64)
    sizes = np.bincount(groups).astype(np.float64)
    means = np.bincount(groups, values) / sizes
    count, number = len(values), len(sizes)
    within = float(((values - means[groups]) ** 2).sum() / (count - number)) if count > number else float(values.var())
    within = max(within, 1e-12)
    if number == 1:
        return means, np.sqrt(within / sizes)
    middle = float(values.mean())
    among = float((sizes * (means - middle) ** 2).sum() / (number - 1))
    typical = (count - (sizes**2).sum() / count) / (number - 1)
    between = max((among - within) / typical, _LEAST_BETWEEN * within)
    kept = between / (between + within / sizes)
    middle = float((kept * means).sum() / kept.sum())
    return middle + kept * (means - middle), np.sqrt(kept * within / sizes)


def similarities(profiles: Sequence[Profile], account: str, posts: Posts) -> dict[str, float]:
    """How like an account each account is, by name: 1 is itself.

    Where posts have embeddings it is the cosine, -1 to 1, of the accounts' mean embeddings less the mean of all
    accounts; else the affinity of their expected shares, 0 to 1 (Bhattacharyya 1943).

    Args:
        profiles: Of all accounts.
        account: The name of one of them.
        posts: Those that they were made from.

    Raises:
        UnknownName: There is no such account.
    """
    names = [each.account for each in profiles]
    if account not in names:
        near = sorted(names, key=lambda name: (account.lower() not in name.lower(), name))[:5]
        raise UnknownName("no account of that name", item=account, remedy=f"such as {', '.join(near)}")
    own = names.index(account)
    if len(posts.embeddings) and len(names) > 2:
        rows = np.stack([posts.embeddings[each.places].mean(axis=0) for each in profiles]).astype(np.float64)
        rows -= rows.mean(axis=0)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        found = rows @ rows[own]
    else:
        roots = np.sqrt(np.stack([each.shares for each in profiles]))
        found = roots @ roots[own]
    return dict(zip(names, np.clip(found, -1, 1).tolist(), strict=True))
