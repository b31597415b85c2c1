"""The deletion score: how fast a category's probability falls when what is said to matter is removed first.

Of Petsiuk et al. 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models", section 4.2, for cells of
an image and for words of a caption. A low score alone says little: it is low too where anything that is removed
hurts. So the same things are removed in random orders beside.

Shapes: K steps; R random orders; n things that can be removed; h, w cells of a grid; C categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Array, Bools, Floats, Ints
from imagist.captioning.decoding import seeds_of
from imagist.explanation.opinions import Opinions
from imagist.explanation.options import ExplainOptions
from imagist.explanation.record import Explanation
from imagist.explanation.regions import filling, hidden
from imagist.explanation.words import without
from imagist.pipeline import Pipeline
from imagist.records import Photo

STEPS = 10  # K, at most: parts of an image are removed a tenth at a time
WORD_ORDERS, CELL_ORDERS = 16, 4  # R; a sentence is cheap to classify, an image is not


@dataclass(frozen=True, eq=False)
class Curve:
    """A category's probability as more and more is removed, from nothing to all that can be.

    Attributes:
        ranked: float64 ``[K + 1]``, 0..1: what speaks most for the category goes first.
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
        """The same of the random orders, their mean."""
        return float(_area(self.random).mean())


def deletions(
    pipeline: Pipeline,
    photos: Sequence[Photo],
    explanations: Sequence[Explanation],
    options: ExplainOptions | None = None,
) -> list[dict[str, Curve]]:
    """The curves of each photo, by what ranked the things that were removed.

    ``words``: words by leaving one out; ``attributions``: words by the text classifier's own account; both for what the
    words alone say of the category that they alone give. ``cells``: parts of the image by hiding one, for what the
    image alone says of the category that it alone gives. ``attention``: parts of the image by how much the words
    that decided attend to them, for what the words of a new caption say, of the category as for ``words``. What a
    photo has not (content words, attention, such a classifier) it has no curve of.

    Args:
        pipeline: As explained.
        photos: N.
        explanations: Of the photos, with the same options.
        options: Fill, batches and seed.
    """
    chosen = options or ExplainOptions()
    opinions = Opinions(pipeline, chosen.batch_size)
    found = []
    for photo, explanation, seed in zip(photos, explanations, seeds_of(photos), strict=True):
        random = np.random.default_rng([chosen.seed, seed])
        curves = word_curves(opinions, explanation, random)
        found.append(curves | cell_curves(opinions, photo, explanation, chosen, random))
    return found


def word_curves(opinions: Opinions, explanation: Explanation, random: np.random.Generator) -> dict[str, Curve]:
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
    said = opinions.of_words(without(prediction.caption, gone) for gone in places)
    table = said[:, prediction.labels.index(own)].reshape(len(orders), -1).astype(np.float64)
    return {name: Curve(table[row], table[len(ranks) :]) for row, name in enumerate(ranks)}


def cell_curves(
    opinions: Opinions, photo: Photo, explanation: Explanation, options: ExplainOptions, random: np.random.Generator
) -> dict[str, Curve]:
    """``cells`` and ``attention`` of one photo; on grids of one shape the random orders are the same for both."""
    prediction = explanation.prediction
    maps = {"cells": explanation.cell_drops(prediction.image_label)}
    if (attention := attention_of_words(explanation)) is not None:
        maps["attention"] = attention
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, importance in maps.items():
        by_shape.setdefault(importance.shape, []).append(name)
    instead = filling(photo, options.fill)
    image, text = (prediction.labels.index(own) for own in (prediction.image_label, prediction.text_label))
    curves: dict[str, Curve] = {}
    for shape, names in by_shape.items():
        count = int(np.prod(shape))
        orders = [ranking(maps[name].ravel(), random) for name in names]
        orders += [random.permutation(count) for _ in range(CELL_ORDERS)]
        masks = [mask for order in orders for mask in masks_of(order, shape)]
        seen = list(opinions.predictions(hidden(photo, mask, instead) for mask in masks))
        tables = {
            "cells": _table([p.image_probabilities for p in seen], image, len(orders)),
            "attention": _table([p.text_probabilities for p in seen], text, len(orders)),
        }
        curves |= {name: Curve(tables[name][row], tables[name][len(names) :]) for row, name in enumerate(names)}
    return curves


def attention_of_words(explanation: Explanation) -> Floats | None:
    """Where the words that speak for their verdict attend, each as much as it speaks for it: float64 ``[h, w]``.

    All content words count the same where none speaks for it. None without words or attention.
    """
    drops = np.maximum(explanation.word_drops(explanation.prediction.text_label), 0)
    maps = [word.region.attention for word in explanation.words if word.region is not None]
    if not maps or len(maps) != len(drops):
        return None
    shares = drops if drops.any() else np.ones(len(drops))
    return np.asarray(np.tensordot(shares, np.stack(maps).astype(np.float64), 1))


def ranking(importance: Floats, random: np.random.Generator) -> Ints:
    """Numbers of n things, the most important first; of equal ones, chance decides."""
    return np.lexsort((random.random(len(importance)), -importance))


def masks_of(order: Ints, shape: tuple[int, ...]) -> list[Bools]:
    """Which cells are gone at each of K + 1 steps: bool ``[h, w]`` each, none at the first and all at the last."""
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
