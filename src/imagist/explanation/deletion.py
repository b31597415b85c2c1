"""The deletion score: how fast a category's probability falls when the most important things are removed first.

Petsiuk et al. 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models", section 4.2, for cells of an
image and words of a caption. The score is also low if any removal hurts, so the same things are also removed in random
orders, for comparison.

Shapes: K steps; R random orders; n things that can be removed; h, w cells of a grid; C categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Array, Bools, Floats, Ints
from imagist.captioning.decoding import seeds_of
from imagist.explanation.batches import Batches
from imagist.explanation.hiding import hiding
from imagist.explanation.options import ExplainOptions
from imagist.explanation.record import Explanation
from imagist.explanation.words import without
from imagist.pipeline import Pipeline
from imagist.records import Photo

STEPS = 10  # K, at most: parts of an image are removed a tenth at a time
WORD_ORDERS, CELL_ORDERS = 16, 4  # R; a sentence is cheap to classify, an image is not


@dataclass(frozen=True, eq=False)
class Curve:
    """A category's probability while things are removed, from none to all.

    Attributes:
        ranked: float64 ``[K + 1]``, 0..1: the most important things are removed first.
        random: float64 ``[R, K + 1]``: in random orders.
    """

    ranked: Floats
    random: Floats

    @property
    def score(self) -> float:
        """Mean height of the ranked curve, 0..1 (its area by trapezoids); the lower, the more faithful."""
        return float(_area(self.ranked))

    @property
    def random_score(self) -> float:
        """The mean score of the random orders."""
        return float(_area(self.random).mean())


def deletions(
    pipeline: Pipeline,
    photos: Sequence[Photo],
    explanations: Sequence[Explanation],
    options: ExplainOptions | None = None,
) -> list[dict[str, Curve]]:
    """The curves of each photo, by what ranks the things that are removed.

    ``words``: words by leaving one out; ``attributions``: words by the text classifier's attributions; both for the
    text classifier's probability of its own category. ``cells``: parts of the image by hiding one, for the image
    classifier's probability of its own category. ``attention``: parts of the image by the attention of the deciding
    words, for the text classifier's probability given a new caption. A photo lacks the curves for which it has no
    content words, no attention or no attributions.

    Args:
        pipeline: The one that was explained.
        photos: N.
        explanations: Of the photos, with the same options.
        options: Fill, batches and seed.
    """
    chosen = options or ExplainOptions()
    batches = Batches(pipeline, chosen.batch_size)
    found = []
    for photo, explanation, seed in zip(photos, explanations, seeds_of(photos), strict=True):
        random = np.random.default_rng([chosen.seed, seed])
        curves = word_curves(batches, explanation, random)
        found.append(curves | cell_curves(batches, photo, explanation, chosen, random))
    return found


def word_curves(batches: Batches, explanation: Explanation, random: np.random.Generator) -> dict[str, Curve]:
    """``words`` and ``attributions`` of one photo; the random orders are the same for both."""
    prediction, words = explanation.prediction, explanation.words
    if not words:
        return {}
    own = prediction.text_label
    ranks = {"words": explanation.word_drops(own)}
    if own in explanation.attributions:
        ranks["attributions"] = explanation.attributions[own]
    orders = [ranking(importance, random) for importance in ranks.values()]
    orders += [random.permutation(len(words)) for _ in range(WORD_ORDERS)]
    places = [
        [place for k in order[:gone] for place in words[k].positions] for order in orders for gone in _upto(words)
    ]
    scores = batches.of_words(without(prediction.caption, gone) for gone in places)
    table = scores[:, prediction.labels.index(own)].reshape(len(orders), -1).astype(np.float64)
    return {name: Curve(table[row], table[len(ranks) :]) for row, name in enumerate(ranks)}


def cell_curves(
    batches: Batches, photo: Photo, explanation: Explanation, options: ExplainOptions, random: np.random.Generator
) -> dict[str, Curve]:
    """``cells`` and ``attention`` of one photo; on grids of one shape the random orders are the same for both."""
    prediction = explanation.prediction
    maps = {"cells": explanation.cell_drops(prediction.image_label)}
    if (attention := attention_of_words(explanation)) is not None:
        maps["attention"] = attention
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, importance in maps.items():
        by_shape.setdefault(importance.shape, []).append(name)
    way = hiding(batches.pipeline, options)
    image, text = (prediction.labels.index(own) for own in (prediction.image_label, prediction.text_label))
    curves: dict[str, Curve] = {}
    for shape, names in by_shape.items():
        count = int(np.prod(shape))
        orders = [ranking(maps[name].ravel(), random) for name in names]
        orders += [random.permutation(count) for _ in range(CELL_ORDERS)]
        masks = [mask for order in orders for mask in masks_of(order, shape)]
        predictions = list(batches.predictions(way.copies(photo, masks)))
        tables = {
            "cells": _table([p.image_probabilities for p in predictions], image, len(orders)),
            "attention": _table([p.text_probabilities for p in predictions], text, len(orders)),
        }
        curves |= {name: Curve(tables[name][row], tables[name][len(names) :]) for row, name in enumerate(names)}
    return curves


def attention_of_words(explanation: Explanation) -> Floats | None:
    """The attention of the content words, weighted by their drops: float64 ``[h, w]``.

    All words weigh the same if no drop is positive. None without words or attention.
    """
    drops = np.maximum(explanation.word_drops(explanation.prediction.text_label), 0)
    maps = [word.region.attention for word in explanation.words if word.region is not None]
    if not maps or len(maps) != len(drops):
        return None
    shares = drops if drops.any() else np.ones(len(drops))
    return np.asarray(np.tensordot(shares, np.stack(maps).astype(np.float64), 1))


def ranking(importance: Floats, random: np.random.Generator) -> Ints:
    """The order of n things, the most important first; ties are broken at random."""
    return np.lexsort((random.random(len(importance)), -importance))


def masks_of(order: Ints, shape: tuple[int, ...]) -> list[Bools]:
    """The removed cells at each of K + 1 steps: bool ``[h, w]`` each, none at first and all at last."""
    counts = np.linspace(0, len(order), min(STEPS, len(order)) + 1).round().astype(int)
    place = np.argsort(order)
    return [(place < count).reshape(shape) for count in counts.tolist()]


def _upto(things: Sequence[object]) -> range:
    return range(len(things) + 1)


def _table(rows: Sequence[Array], category: int, orders: int) -> Floats:
    return np.array([row[category] for row in rows], np.float64).reshape(orders, -1)


def _area(curve: Floats) -> Floats:
    """Mean height of curves ``[..., K + 1]``, by trapezoids."""
    return np.asarray((curve[..., 1:] + curve[..., :-1]).mean(-1) / 2)
