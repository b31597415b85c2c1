"""Which accounts fit a sentence, and which are like another.

Shapes: N posts; A accounts; C categories; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from imagist.arrays import AnyArray, Array, Floats, Ints, unit
from imagist.errors import UnknownName, UsageError
from imagist.matching.background import Background
from imagist.matching.zero_shot import STANDARD_SCALE, settings_of
from imagist.profiles.care import check_impersonal, impersonal
from imagist.profiles.posts import Posts
from imagist.profiles.profile import Profile
from imagist.protocols import Matcher

_LEAST_BETWEEN = 1e-3  # variance between accounts, in variances within them: some order is left where there is none


@dataclass(frozen=True, eq=False)
class BriefScores:
    """How well posts and accounts fit a sentence: how many times better than the mean of all posts, 0 or more.

    Attributes:
        brief: The sentence.
        of_posts: float64 ``[N]``; their mean is 1.
        of_accounts: By account, the expected score of its posts and the ends of the credible interval.
    """

    brief: str
    of_posts: Floats
    of_accounts: Mapping[str, tuple[float, float, float]]


def score_brief(posts: Posts, brief: str, matcher: Matcher, *, level: float = 0.95) -> BriefScores:
    """Scores of a sentence, by the posts' images, by their captions, or by both where posts have both.

    Each side compares cosines with the sentence as a softmax over categories does: a post counts by the exponential of
    its cosine times the matcher's scale, over the mean of all posts. The score is the mean of the sides. An account of
    few posts is expected to be nearer to the mean of all.

    Args:
        posts: With embeddings of this matcher, with captions, or both.
        brief: The sentence.
        matcher: Embeds texts.
        level: Probability that the intervals hold.

    Raises:
        UsageError: The sentence is about who people are; or the posts have neither embeddings nor captions, or
            embeddings of another width.
    """
    check_impersonal([brief], "brief")
    settings, vector = settings_of(matcher), matcher.texts([brief])[0]
    background = getattr(matcher, "background", None)
    known = background if isinstance(background, Background) else None
    usual = matcher.scale if known is None else STANDARD_SCALE
    sides = []
    if len(posts.embeddings):
        if posts.embeddings.shape[1] != len(vector):
            raise UsageError("the posts have embeddings of another matcher", item=brief)
        by_chance = known.of_images(vector[None]) if known else None
        sides.append(_lifts(unit(posts.embeddings) @ vector, by_chance, settings.image_scale or usual))
    if all(posts.captions):
        captions = [impersonal(caption) for caption in posts.captions]
        texts = [*dict.fromkeys(captions)]
        found = dict(zip(texts, matcher.texts(texts) @ vector, strict=True))
        cosines = np.array([found[text] for text in captions])
        by_chance = known.of_texts(vector[None]) if known else None
        sides.append(_lifts(cosines, by_chance, settings.text_scale or usual))
    if not sides:
        raise UsageError("the posts have neither images nor captions", item=brief, remedy="profile their images")
    scores = np.asarray(np.mean(sides, axis=0))
    names = [*dict.fromkeys(posts.accounts)]
    number = {name: i for i, name in enumerate(names)}
    mean, spread = shrunken_means(scores, np.array([number[name] for name in posts.accounts]))
    half = NormalDist().inv_cdf((1 + level) / 2) * spread
    ends = zip(names, mean.tolist(), np.maximum(mean - half, 0).tolist(), (mean + half).tolist(), strict=True)
    return BriefScores(brief, scores, {name: (middle, low, high) for name, middle, low, high in ends})


def _lifts(cosines: Array, by_chance: tuple[Floats, Floats] | None, scale: float) -> Floats:
    """How many times more than the mean of all posts each counts, float64 ``[N]``."""
    scores = cosines.astype(np.float64)
    if by_chance is not None:
        scores = (scores - by_chance[0][0]) / by_chance[1][0]
    powers = np.exp(scale * (scores - scores.max()))
    return np.asarray(powers / powers.mean())


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


def similarities(profiles: Sequence[Profile], account: str) -> dict[str, float]:
    """How like an account each account is, by name: the affinity of their shares, 0 to 1, which is itself.

    Source: Bhattacharyya 1943, "On a measure of divergence between two statistical populations".

    Args:
        profiles: Of all accounts.
        account: The name of one of them.

    Raises:
        UnknownName: There is no such account.
    """
    names = [each.account for each in profiles]
    if account not in names:
        near = sorted(names, key=lambda name: (account.lower() not in name.lower(), name))[:5]
        raise UnknownName("no account of that name", item=account, remedy=f"such as {', '.join(near)}")
    roots = np.sqrt(np.stack([each.shares for each in profiles]))
    found = np.minimum(roots @ roots[names.index(account)], 1)
    return dict(zip(names, found.tolist(), strict=True))
