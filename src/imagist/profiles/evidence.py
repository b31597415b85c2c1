"""What a post's probabilities say of its category, without what they assumed of how common categories are.

Shapes: N posts; M labelled posts; C categories.
"""

from __future__ import annotations

import numpy as np

from imagist.arrays import AnyArray, Floats, log_probabilities, softmax
from imagist.errors import UsageError

_STEPS = 100
_ENOUGH = 1e-6  # the largest change of a share at which EM has converged


def likelihoods(probabilities: AnyArray, prior: AnyArray | None = None) -> Floats:
    """The likelihood of each category given the post, up to a factor: the probabilities over the prior they assumed.

    Calibrated probabilities are ``p(category | post)`` for posts of which ``prior`` is the mix. Divided by it, they say
    what the post alone says, confusions between categories included.

    Args:
        probabilities: ``[N, C]``, calibrated, 0..1.
        prior: ``[C]``, the mix of categories for which they are calibrated, such as that of the training data; by
            default all are equally common.

    Returns:
        float64 ``[N, C]``, the highest of each row is 1.

    Raises:
        UsageError: Shapes that do not agree, values that are not probabilities, or a prior with a share of 0.
    """
    given = np.asarray(probabilities, np.float64)
    if given.ndim != 2 or not np.isfinite(given).all() or (given < 0).any() or (given.sum(axis=1) <= 0).any():
        raise UsageError("probabilities are a table of N x C numbers of 0 or more, no row all 0", item="probabilities")
    logs = log_probabilities(given)
    if prior is not None:
        mix = np.asarray(prior, np.float64)
        if mix.shape != given.shape[1:] or not np.isfinite(mix).all() or (mix <= 0).any():
            raise UsageError(f"a prior of {given.shape[1]} categories has that many numbers over 0", item="prior")
        logs -= np.log(mix)
    return np.asarray(np.exp(logs - logs.max(axis=1, keepdims=True)))


def mix_of(evidence: AnyArray, start: AnyArray | None = None) -> Floats:
    """The most probable mix of categories of posts, by expectation-maximisation.

    Source: Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities".

    Args:
        evidence: ``[N, C]``, as `likelihoods` returns them.
        start: ``[C]``, where to begin; by default all are equally common.

    Returns:
        float64 ``[C]``, sums to 1; the start where there are no posts.
    """
    count = evidence.shape[1]
    mix = np.full(count, 1 / count) if start is None else np.asarray(start, np.float64)
    for _ in range(_STEPS if len(evidence) else 0):
        weighed = evidence * mix
        new = (weighed / weighed.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(new - mix).max() < _ENOUGH:
            return np.asarray(new)
        mix = new
    return np.asarray(mix)


def posterior(evidence: AnyArray, mix: AnyArray) -> Floats:
    """Probabilities of the categories of posts in a given mix: float64 ``[N, C]``, rows sum to 1."""
    return softmax(log_probabilities(evidence) + log_probabilities(mix))
