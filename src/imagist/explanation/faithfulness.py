"""Whether explanations are faithful, over a set of photos: what they point to against as much of something else.

Shapes: N photos; K steps of a curve; P places of a curve that is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Floats
from imagist.captioning.description.english import stem
from imagist.explanation.deletion import Curve
from imagist.explanation.record import Explanation, Region
from imagist.explanation.words import spoken
from imagist.metrics.significance import Difference, paired_difference

PLACES = 11  # P

DELETIONS = {
    "words": "words, by leaving one out",
    "attributions": "words, by the classifier's own account",
    "cells": "parts of the image, by hiding one",
    "attention": "parts of the image, by the deciding words' attention",
}
"""What ranks the things that are removed: the curves of `imagist.explanation.deletion.deletions`."""
REGIONS = {
    "image": "drop of what the image gives the category",
    "text": "drop of what the words give the category",
    "joint": "drop of what both give the category",
    "gone": "share of words gone from the new caption",
}
"""What hiding a word's region does, against hiding as much elsewhere."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """One figure of the explanations, beside that of chance, over the photos that have it.

    Attributes:
        photos: How many they are.
        figure: Mean of the explanations' figure.
        chance: Mean of the same for random orders, or for regions elsewhere.
        better: By how much the explanations' figure is on the faithful side of chance's, a mean over the photos with a
            95% interval (paired bootstrap over photos) and a p-value.
    """

    photos: int
    figure: float
    chance: float
    better: Difference


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """What the explanations of a set of photos are worth.

    Attributes:
        deletions: By the names of `DELETIONS`: deletion scores, which are better when lower.
        curves: For each of those the mean curve of the explanations and that of random orders, float64 ``[2, P]``, over
            shares removed from 0 to 1.
        regions: By the names of `REGIONS`: drops and shares, which are better when higher; for each photo the mean over
            its content words.
    """

    deletions: Mapping[str, Comparison]
    curves: Mapping[str, Floats]
    regions: Mapping[str, Comparison]


def faithfulness(explanations: Iterable[Explanation], deleted: Sequence[Mapping[str, Curve]]) -> Faithfulness:
    """Compares over a set.

    Args:
        explanations: Of the photos.
        deleted: Their curves.
    """
    compared, drawn = {}, {}
    for name in DELETIONS:
        curves = [each[name] for each in deleted if name in each]
        if curves:
            compared[name] = _lower([c.score for c in curves], [c.random_score for c in curves])
            drawn[name] = np.mean([[_resampled(c.ranked), _resampled(c.random.mean(0))] for c in curves], axis=0)
    effects = [dict(_effects(each)) for each in explanations]
    effects = [each for each in effects if each]
    regions = {}
    for name in REGIONS if effects else ():
        own, elsewhere = np.array([each[name] for each in effects], np.float64).T
        difference = paired_difference(own, elsewhere)
        regions[name] = Comparison(len(own), float(own.mean()), float(elsewhere.mean()), difference)
    return Faithfulness(compared, drawn, regions)


def _lower(ranked: Sequence[float], random: Sequence[float]) -> Comparison:
    difference = paired_difference(np.array(random), np.array(ranked))
    return Comparison(len(ranked), float(np.mean(ranked)), float(np.mean(random)), difference)


def _resampled(curve: Floats) -> Floats:
    return np.interp(np.linspace(0, 1, PLACES), np.linspace(0, 1, len(curve)), curve)


def _effects(explanation: Explanation) -> Iterator[tuple[str, tuple[float, float]]]:
    """For each of `REGIONS` the mean over the words: their own regions, and regions elsewhere."""
    located = [(word.text, word.region) for word in explanation.words if word.region is not None]
    if not located:
        return
    prediction, category = explanation.prediction, explanation.category
    for opinion in ("image", "text", "joint"):
        own = [region.drop(prediction, category, opinion) for _, region in located]
        elsewhere = [region.drop_elsewhere(prediction, category, opinion) for _, region in located]
        yield opinion, (float(np.mean(own)), float(np.mean(elsewhere)))
    lost = [_lost(word, region) for word, region in located]
    yield "gone", (float(np.mean([own for own, _ in lost])), float(np.mean([other for _, other in lost])))


def _lost(word: str, region: Region) -> tuple[float, float]:
    """Whether the word is not in the caption of the image without its region, and how often not, elsewhere."""
    own, *elsewhere = (
        stem(word) not in {stem(said) for said in spoken(seen.caption)} for seen in (region.removed, *region.moved)
    )
    return float(own), float(np.mean(elsewhere))
