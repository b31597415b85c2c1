"""Fits how a matcher's cosines become probabilities of named categories: the table ``[zero_shot]`` of its card.

The images need names, but not those of later categories: sets of names are drawn at random, and for each image it
counts whether its own name is in the set. Where images have no labels, names by a recogniser will do, unless the
matcher is built on that recogniser: then its probabilities would come out too high.

Shapes: N images; K names; D width of the embeddings; C categories of a drawn set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagist.arrays import AnyArray, Array, Floats, Ints, softmax
from imagist.classifiers.calibration import fit_temperature
from imagist.classifiers.fusion.scores import fit_weight
from imagist.errors import DataError
from imagist.matching.background import Background, fit_background
from imagist.matching.negatives import Negatives
from imagist.matching.zero_shot import TEMPLATES, ZeroShot

SETS, CATEGORIES = 60, 15  # drawn sets of names, and names in each
REJECTED = 0.05
_FEWEST = 2  # categories of a set
_COSINES = 10.0  # a scale of cosines from which a temperature within its bounds reaches the best
_WEIGHTS, _RESAMPLES = 21, 20  # of the choice of the fusion weight


@dataclass(frozen=True, eq=False)
class FittedZeroShot:
    """Settings of a matcher for categories by name, its background, and what they did on the images.

    Attributes:
        settings: For the card.
        background: For the matcher's folder; None where scores are plain cosines.
        accuracy: Share of the images with a name in the set that got it, none of these left out, 0 to 1.
        rejected: Share of those images that none of these would take, by the image alone.
        passed: Share of the other images that get a category all the same, by the image alone.
        negatives: Those that were given, for the matcher's folder.
    """

    settings: ZeroShot
    background: Background | None
    accuracy: float
    rejected: float
    passed: float
    negatives: Negatives | None = None


def fit_zero_shot(
    images: AnyArray,
    captions: AnyArray,
    names: AnyArray,
    vectors: Array,
    *,
    categories: int = CATEGORIES,
    rejected: float = REJECTED,
    standardised: bool = True,
    negatives: Negatives | None = None,
    seed: int = 0,
) -> FittedZeroShot:
    """Fits background, scales, weight and thresholds.

    Args:
        images: The matcher's embeddings of images of all sorts, ``[N, D]``.
        captions: Its embeddings of their captions, ``[N, D]``.
        names: The name of each image, ``[N]``, 0..K-1; -1 where it has none.
        vectors: float32 ``[K, D]``, the embeddings of the names, see `imagist.matching.prompts.label_vectors`.
        categories: C, of the sets that are drawn; at most half of the names that images have.
        rejected: The share of images of a set's own categories that the thresholds reject, 0 to 1.
        standardised: Whether scores are measured against a background. Plain cosines serve a matcher better that was
            trained so that they compare between texts.
        negatives: Those of the matcher, by which the threshold of an image rises.
        seed: Of the sets.

    Raises:
        DataError: Arrays that do not fit together, or fewer than four names.
    """
    named = np.asarray(names)
    if images.shape != captions.shape or named.shape != images.shape[:1] or images.shape[1:] != vectors.shape[1:]:
        raise DataError("embeddings of images, captions and names do not fit together")
    background = fit_background(images, captions) if standardised else None
    drawn = _Drawn(named, categories, seed)
    by_image = drawn.scores(_scores(images, vectors, background.of_images(vectors) if background else None))
    by_text = drawn.scores(_scores(captions, vectors, background.of_texts(vectors) if background else None))
    inside, targets = drawn.targets >= 0, drawn.targets[drawn.targets >= 0]
    coarse = 1.0 if standardised else _COSINES
    scales = [coarse / fit_temperature(softmax(coarse * each[inside]), targets).value for each in (by_image, by_text)]
    image, text = (
        softmax(scale * each[inside]).astype(np.float32)
        for scale, each in zip(scales, (by_image, by_text), strict=True)
    )
    weight = fit_weight(image, text, targets, grid=_WEIGHTS, resamples=_RESAMPLES).weight
    best = by_image.max(1) - (negatives.of(images)[drawn.rows] if negatives else 0)
    thresholds = [float(np.quantile(each[inside], rejected)) for each in (best, by_text.max(1))]
    settings = ZeroShot(TEMPLATES, scales[0], scales[1], weight, thresholds[0], thresholds[1])
    fused = (1 - weight) * image + weight * text
    return FittedZeroShot(
        settings,
        background,
        accuracy=float((fused.argmax(1) == targets).mean()),
        rejected=float((best[inside] < thresholds[0]).mean()),
        passed=float((best[~inside] >= thresholds[0]).mean()),
        negatives=negatives,
    )


def _scores(rows: AnyArray, vectors: Array, spread: tuple[Floats, Floats] | None) -> Floats:
    """Cosines ``[N, K]``, in units of their spread from their mean where these are given."""
    cosines = np.asarray(rows @ vectors.T, np.float64)
    return cosines if spread is None else (cosines - spread[0]) / spread[1]


class _Drawn:
    """Sets of names, each with the images of its names and as many others.

    Args:
        names: The name of each image, ``[N]``; -1 where it has none.
        categories: C, at most half of the names that images have.
        seed: Of what is drawn.

    Raises:
        DataError: Fewer than four names.
    """

    def __init__(self, names: Ints, categories: int, seed: int) -> None:
        known = np.unique(names[names >= 0])
        if len(known) < 2 * _FEWEST:
            raise DataError(f"needs images of {2 * _FEWEST} names or more, got {len(known)}")
        rng = np.random.default_rng(seed)
        self._sets: list[tuple[Ints, Ints]] = []  # images, names
        targets = []
        for _ in range(SETS):
            chosen = rng.permutation(known)[: max(_FEWEST, min(categories, len(known) // 2))]
            own = np.flatnonzero(np.isin(names, chosen))
            others = np.flatnonzero(~np.isin(names, chosen))
            rows = np.concatenate([own, rng.permutation(others)[: len(own)]])
            match = names[rows][:, None] == chosen
            targets.append(np.where(match.any(1), match.argmax(1), -1))
            self._sets.append((rows, chosen))
        self.targets: Ints = np.concatenate(targets)
        self.rows: Ints = np.concatenate([rows for rows, _ in self._sets])

    def scores(self, table: Floats) -> Floats:
        """The rows of all sets, one below the other, ``[R, C]``, of scores of all images and names ``[N, K]``."""
        return np.concatenate([table[np.ix_(rows, chosen)] for rows, chosen in self._sets])
