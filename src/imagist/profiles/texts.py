"""The author's own text as a third opinion of a post, beside the image's and the caption's.

Its weight is learnt on posts whose category a person has told: ``y = (1 - v) P + v P_author``, where P is what the
model says of image and caption, and P_author what its text classifier says of that text.

Shapes: N posts; C categories.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imagist.arrays import Array
from imagist.classifiers.calibration import Temperature, fit_temperature
from imagist.classifiers.fusion import ScoreFusion
from imagist.classifiers.fusion.scores import fit_weight
from imagist.errors import UsageError
from imagist.profiles.posts import Posts

ENOUGH = 20
"""Labelled posts with a text from which a weight is learnt."""

_NOT_WORDS = re.compile(r"https?://\S+|@[\w.]+")  # addresses, and the names of other people
_TAG = re.compile(r"[#_]+")

TextScores = Callable[[Sequence[str]], Array]
"""From N texts to calibrated probabilities of the categories, float32 ``[N, C]``."""


@dataclass(frozen=True)
class AuthorTexts:
    """How the authors' texts were used.

    Attributes:
        weight: v, 0..1.
        interval: Its 95% interval; None where it was given.
        temperature: Of the text classifier's probabilities of authors' texts, > 0; 1 where the weight was given.
        labelled: Labelled posts with a text, on which they were learnt.
        used: Posts with a text.
    """

    weight: float
    interval: tuple[float, float] | None
    temperature: float
    labelled: int
    used: int


def readable(text: str) -> str:
    """A post's text as a text classifier reads it: without addresses and names of people, tags as words."""
    return " ".join(_TAG.sub(" ", _NOT_WORDS.sub(" ", text)).split())


def labelled(posts: Posts) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The places of posts whose label is one of the categories, int64."""
    return np.flatnonzero([label in posts.categories for label in posts.labels])


def can_learn(posts: Posts) -> bool:
    """Whether there are enough labelled posts with a text to learn a weight from."""
    return sum(bool(readable(posts.texts[i])) for i in labelled(posts)) >= ENOUGH


def with_texts(
    posts: Posts, scores: TextScores, *, weight: float | None = None, seed: int = 0
) -> tuple[Posts, AuthorTexts]:
    """Posts whose probabilities are fused with those of the authors' texts; posts without a text stay as they are.

    Args:
        posts: With texts, and with labels where the weight is to be learnt.
        scores: Classifies texts.
        weight: v, 0..1; learnt on the labelled posts where it is None.
        seed: Of the resamples for the interval of v.

    Raises:
        UsageError: The weight is to be learnt, and there are fewer than `ENOUGH` labelled posts with a text.
    """
    texts = [readable(text) for text in posts.texts]
    places = np.flatnonzero([bool(text) for text in texts])
    known = np.intersect1d(labelled(posts), places)
    if weight is None and len(known) < ENOUGH:
        raise UsageError(
            f"{len(known)} labelled posts with a text, and a weight is learnt from {ENOUGH}",
            remedy="label more posts, or give the weight",
        )
    given = posts.probabilities.astype(np.float32)
    read = np.zeros_like(given)
    if len(places):
        read[places] = scores([texts[i] for i in places])
    interval, temperature = None, Temperature(1.0)
    if weight is None:
        targets = np.array([posts.categories.index(posts.labels[i]) for i in known])
        temperature = fit_temperature(read[known], targets)
        fitted = fit_weight(given[known], temperature.apply(read[known]), targets, seed=seed)
        weight, interval = fitted.weight, fitted.interval
    fused = posts.probabilities.copy()
    if len(places):
        fused[places] = ScoreFusion(weight).fuse(given[places], temperature.apply(read[places]))
    used = AuthorTexts(weight, interval, temperature.value, len(known), len(places))
    return replace(posts, probabilities=fused), used
