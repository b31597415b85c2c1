"""How well shares of accounts are found by several ways of putting their posts together, against posts an account.

Learned aggregation is fitted on folds that separate accounts.

Shapes: N posts; A accounts; C categories; R resamples; F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints, softmax
from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.profiles.posts import Posts
from imagist.profiles.profile import profile
from imagist.profiles.shares import Settings

SIZES = (3, 10, 30, 100)
METHODS = {
    "majority vote": "the most probable category of each post, counted",
    "mean probability": "the mean of the posts' probabilities",
    "learned on pooled features": "a softmax regression on mean probabilities and their logarithms, of other accounts",
    "corrected hierarchical": "the profile: prior-corrected evidence, a prior over accounts that is learnt, sampled",
}
"""Each method and what it does."""

_RESAMPLES = 100
_STEPS, _RATE, _PENALTY = 400, 0.5, 1e-3  # of the softmax regression
_LEAST = 1e-3  # probability whose logarithm is a feature


@dataclass(frozen=True)
class Aggregated:
    """One method at one number of posts.

    Attributes:
        method: One of `METHODS`.
        posts: Posts of each account.
        accounts: How many there are.
        right: Share of the accounts whose leading category is found, with its 95% interval over accounts.
        error: Mean absolute error of shares, 0..1, the same.
        width: Mean width of the 95% intervals of shares.
        coverage: How often they hold the true share, 0..1.
    """

    method: str
    posts: int
    accounts: int
    right: Interval
    error: Interval
    width: float
    coverage: float


def compare_methods(
    posts: Posts,
    *,
    truth: AnyArray | None = None,
    sizes: Sequence[int] = SIZES,
    prior: AnyArray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> list[Aggregated]:
    """Measures all methods at several numbers of posts, drawn of each account that has as many.

    Args:
        posts: With labels; those without one of the categories are left out.
        truth: ``[A, C]``, the true shares of the accounts in order of first appearance; by default those of the labels
            of all their posts.
        sizes: Numbers of posts; those that fewer than ``2 folds`` accounts have are left out.
        prior: ``[C]``, as of `imagist.profiles.profile`.
        folds: Of accounts, 2 or more.
        seed: Of draws, folds and sampling.

    Raises:
        UsageError: Too few accounts with labelled posts.
    """
    targets = np.array([posts.categories.index(label) if label in posts.categories else -1 for label in posts.labels])
    names = [*dict.fromkeys(posts.accounts)]
    number = {name: i for i, name in enumerate(names)}
    owners = np.array([number[name] for name in posts.accounts])
    places = [np.flatnonzero((owners == a) & (targets >= 0)) for a in range(len(names))]
    known = np.array([len(each) for each in places])
    if truth is None:
        count = len(posts.categories)
        truth = np.stack([np.bincount(targets[p], minlength=count) / max(len(p), 1) for p in places])
    found: list[Aggregated] = []
    for size in sizes:
        chosen = np.flatnonzero(known >= size)
        if len(chosen) < 2 * folds:
            continue
        random = np.random.default_rng((seed, size))
        rows = np.stack([random.choice(places[a], size, replace=False) for a in chosen])
        found += _at(posts.probabilities[rows], np.asarray(truth)[chosen], posts.categories, prior, folds, (seed, size))
    if not found:
        raise UsageError(
            f"a comparison needs {2 * folds} accounts with {min(sizes)} labelled posts or more",
            item="accounts",
            remedy="label more posts, or simulate accounts",
        )
    return found


def _at(
    given: Floats, truth: Floats, categories: tuple[str, ...], prior: AnyArray | None, folds: int, seed: tuple[int, int]
) -> list[Aggregated]:
    """All methods on accounts of one number of posts, whose probabilities are ``[A, posts, C]``."""
    random = np.random.default_rng((*seed, 1))
    fold = random.permutation(len(given)) % folds
    size = given.shape[1]
    picks = random.multinomial(size, np.full(size, 1 / size), (_RESAMPLES, len(given))) / size
    winners = (given == given.max(axis=2, keepdims=True)).astype(np.float64)
    winners /= winners.sum(axis=2, keepdims=True)
    votes, means = winners.mean(axis=1), given.mean(axis=1)
    many_votes, many_means = (np.einsum("rap,apc->rac", picks, each) for each in (winners, given))
    learned = np.zeros_like(means)
    many_learned = np.zeros_like(many_means)
    for k in range(folds):
        predict = fit_pooled(means[fold != k], truth[fold != k])
        learned[fold == k], many_learned[:, fold == k] = predict(means[fold == k]), predict(many_means[:, fold == k])
    by_resampling = {
        "majority vote": (votes, many_votes, votes + 1e-6 * means),  # ties go to the more probable
        "mean probability": (means, many_means, means),
        "learned on pooled features": (learned, many_learned, learned),
    }
    found = []
    for method, (shares, many, order) in by_resampling.items():
        low, high = np.quantile(many, [0.025, 0.975], axis=0)
        found.append(_measured(method, size, shares, low, high, order.argmax(axis=1), truth, seed[0]))
    names = tuple(str(a) for a in range(len(given)) for _ in range(size))
    profiles = profile(Posts(names, given.reshape(-1, given.shape[2]), categories), Settings(seed=seed[0]), prior=prior)
    shares, low, high = (np.stack([getattr(each, name) for each in profiles]) for name in ("shares", "low", "high"))
    leading = np.array([categories.index(each.leading) for each in profiles])
    return [*found, _measured("corrected hierarchical", size, shares, low, high, leading, truth, seed[0])]


def _measured(
    method: str, size: int, shares: Floats, low: Floats, high: Floats, leading: Ints, truth: Floats, seed: int
) -> Aggregated:
    # What is never anywhere is easy: it is left out of errors, widths and coverage.
    some = truth.any(axis=0)
    errors = np.abs(shares - truth)[:, some].mean(axis=1)
    right = (truth[np.arange(len(truth)), leading] >= truth.max(axis=1)).astype(np.float64)
    inside = ((low - 1e-12 <= truth) & (truth <= high + 1e-12))[:, some]
    width = float((high - low)[:, some].mean())
    return Aggregated(method, size, len(truth), _mean(right, seed), _mean(errors, seed), width, float(inside.mean()))


def _mean(values: Floats, seed: int) -> Interval:
    """The mean with its interval by a bootstrap over accounts."""
    random = np.random.default_rng((seed, 2))
    means = values[random.integers(len(values), size=(1000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def fit_pooled(means: Floats, shares: Floats) -> Callable[[Floats], Floats]:
    """A softmax regression from mean probabilities to shares, by gradient descent with momentum on cross-entropy.

    Args:
        means: ``[A, C]``, mean probabilities of accounts.
        shares: ``[A, C]``, their shares.

    Returns:
        From ``[..., C]`` mean probabilities to ``[..., C]`` shares.
    """
    features = _features(means)
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    rows = (features - middle) / spread
    weights = np.zeros((rows.shape[1], shares.shape[1]))
    bias = np.log(shares.mean(axis=0) + _LEAST)
    pace = [np.zeros_like(weights), np.zeros_like(bias)]
    for _ in range(_STEPS):
        gap = (softmax(rows @ weights + bias) - shares) / len(rows)
        steps = rows.T @ gap + _PENALTY * weights, gap.sum(axis=0)
        pace = [0.9 * old - _RATE / 5 * step for old, step in zip(pace, steps, strict=True)]
        weights, bias = weights + pace[0], bias + pace[1]

    def predict(given: Floats) -> Floats:
        return np.asarray(softmax((_features(given) - middle) / spread @ weights + bias))

    return predict


def _features(means: Floats) -> Floats:
    return np.concatenate([means, np.log(means + _LEAST)], axis=-1)
