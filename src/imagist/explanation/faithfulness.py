"""Measures over a set of photos whether explanations are faithful: their effect against that of random choices.

Shapes: N photos; K steps of a curve; P points of a drawn curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Floats
from imagist.captioning.description.english import stem
from imagist.explanation.deletion import Curve
from imagist.explanation.record import Explanation, Region
from imagist.explanation.words import words_of
from imagist.metrics.significance import Difference, paired_difference

PLACES = 11  # P

DELETIONS = {
    "words": "words, by leaving one out",
    "attributions": "words, by the classifier's attributions",
    "cells": "parts of the image, by hiding one",
    "attention": "parts of the image, by the deciding words' attention",
}
"""Names and descriptions of the curves of `imagist.explanation.deletion.deletions`."""
REGIONS = {
    "image": "drop of the image classifier's probability",
    "text": "drop of the text classifier's probability",
    "joint": "drop of the fused probability",
    "gone": "share of words missing from the new caption",
}
"""Names and descriptions of the effects of hiding a word's region."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A measure of the explanations, compared with chance, over the photos that have it.

    Attributes:
        photos: Their number.
        figure: Mean of the explanations' measure.
        chance: Mean for random orders, or for regions elsewhere.
        better: Mean improvement over chance, with a 95% interval (paired bootstrap over photos) and a p-value.
    """

    photos: int
    figure: float
    chance: float
    better: Difference


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How faithful the explanations of a set of photos are.

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
    """Compares explanations with chance.

    Args:
        explanations: One a photo.
        deleted: The curves of each photo.
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
    """For each of `REGIONS` the means over the words: of their own regions, and of regions elsewhere."""
    located = [(word.text, word.region) for word in explanation.words if word.region is not None]
    if not located:
        return
    prediction, category = explanation.prediction, explanation.category
    for source in ("image", "text", "joint"):
        own = [region.drop(prediction, category, source) for _, region in located]
        elsewhere = [region.drop_elsewhere(prediction, category, source) for _, region in located]
        yield source, (float(np.mean(own)), float(np.mean(elsewhere)))
    lost = [_lost(word, region) for word, region in located]
    yield "gone", (float(np.mean([own for own, _ in lost])), float(np.mean([other for _, other in lost])))


def _lost(word: str, region: Region) -> tuple[float, float]:
    """Whether the word is missing from the new caption, 0 or 1, and the share for regions elsewhere."""
    own, *elsewhere = (
        stem(word) not in {stem(other) for other in words_of(new.caption)} for new in (region.removed, *region.moved)
    )
    return float(own), float(np.mean(elsewhere))
