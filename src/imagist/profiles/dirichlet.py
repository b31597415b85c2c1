"""The prior of accounts' shares, a mixture of Dirichlet distributions: its parts, learnt from counts of accounts.

Shapes: A accounts; C categories; K kinds of accounts.
"""

from __future__ import annotations

import numpy as np

from imagist.arrays import AnyArray, Floats

_SHIFT = 6.0  # from here on the asymptotic series of the digamma function is exact to 1e-8
PSEUDO = 5.0  # accounts that the hyperprior counts as; it decides only where there are few accounts
TOTAL = 3.0  # sum of the concentrations, by the hyperprior
SMALLEST, LARGEST = 1e-3, 1e3  # of a concentration


def digamma(values: AnyArray) -> Floats:
    """The derivative of the logarithm of the gamma function, of numbers over 0: float64 of the same shape."""
    x = np.array(values, np.float64)
    found = np.zeros_like(x)
    for _ in range(int(_SHIFT)):
        low = x < _SHIFT
        found -= np.where(low, 1 / x, 0)
        x += low
    inverse = 1 / (x * x)
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse / 240)))
    return np.asarray(found + np.log(x) - 0.5 / x - series)


def log_gamma(values: AnyArray) -> Floats:
    """The logarithm of the gamma function, of numbers over 0: float64 of the same shape."""
    x = np.array(values, np.float64)
    shift = np.ones_like(x)
    for _ in range(int(_SHIFT)):
        low = x < _SHIFT
        shift *= np.where(low, x, 1)
        x += low
    inverse = 1 / (x * x)
    series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / x
    return np.asarray((x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + series - np.log(shift))


def log_evidence(alpha: Floats, counts: AnyArray) -> Floats:
    """How probable counts are, given a total, under Dirichlet priors: logarithms up to a constant of each account.

    Args:
        alpha: float64 ``[K, C]``, concentrations over 0.
        counts: ``[A, C]``, 0 or more.

    Returns:
        float64 ``[A, K]``.
    """
    totals = np.sum(counts, axis=1)
    found = np.empty((len(totals), len(alpha)))
    for k, own in enumerate(alpha):
        each = (log_gamma(counts + own) - log_gamma(own)).sum(axis=1)
        found[:, k] = each + log_gamma(own.sum()) - log_gamma(own.sum() + totals)
    return found


def fixed_point(alpha: Floats, counts: AnyArray) -> Floats:
    """One step towards the most probable Dirichlet prior of counts, each step at least as probable.

    Source: Minka 2000, "Estimating a Dirichlet distribution", equation 55, with a gamma hyperprior on each
    concentration, whose means are alike and sum to `TOTAL`, and which weighs as much as `PSEUDO` accounts.

    Args:
        alpha: float64 ``[C]``, the concentrations so far, over 0.
        counts: ``[A, C]``, posts of each category of each account, 0 or more.

    Returns:
        float64 ``[C]``, the new concentrations.
    """
    own = (digamma(counts + alpha) - digamma(alpha)).sum(axis=0)
    total = alpha.sum()
    whole = float((digamma(np.sum(counts, axis=1) + total) - digamma(total)).sum())
    expected = TOTAL / len(alpha)
    return np.asarray(np.clip((alpha * own + PSEUDO * expected) / (whole + PSEUDO), SMALLEST, LARGEST))


def dirichlet(parameters: AnyArray, random: np.random.Generator) -> Floats:
    """One draw from each Dirichlet distribution: ``[..., C]`` of concentrations over 0 to shares ``[..., C]``."""
    # The gamma of a small concentration underflows to 0; G(a) = G(a + 1) U^(1/a) in logarithms does not.
    draws = random.standard_gamma(np.asarray(parameters) + 1)
    logs = np.log(draws) - random.standard_exponential(draws.shape) / parameters
    logs -= logs.max(axis=-1, keepdims=True)
    shares = np.exp(logs)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
