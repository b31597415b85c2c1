"""The record of an explanation: probabilities with a word or a region left out.

Shapes: C categories; n content words; G cells a side of the grid; h, w cells of the attention map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imagist.arrays import Array, Bools, Floats
from imagist.records import Prediction

ScoreSource = Literal["image", "text", "joint"]


def probability(prediction: Prediction, category: str, source: ScoreSource) -> float:
    """The probability of a category by the image classifier, the text classifier, or the fusion, 0..1."""
    rows = {
        "image": prediction.image_probabilities,
        "text": prediction.text_probabilities,
        "joint": prediction.probabilities,
    }
    return float(rows[source][prediction.labels.index(category)])


@dataclass(frozen=True, eq=False)
class Region:
    """The part of the image that a word attends to, and the prediction without that part.

    Attributes:
        attention: float32 ``[h, w]``, of the word; sums to 1.
        cells: bool ``[h, w]``, the fewest cells with the requested share of the attention.
        removed: The prediction with those cells hidden.
        moved: The predictions with a region of the same size and shape hidden elsewhere, as a control.
    """

    attention: Array
    cells: Bools
    removed: Prediction
    moved: tuple[Prediction, ...]

    def drop(self, prediction: Prediction, category: str, source: ScoreSource) -> float:
        """The drop of a category's probability without the region, -1..1."""
        return probability(prediction, category, source) - probability(self.removed, category, source)

    def drop_elsewhere(self, prediction: Prediction, category: str, source: ScoreSource) -> float:
        """The mean drop without the moved regions, -1..1."""
        moved = [probability(other, category, source) for other in self.moved]
        return probability(prediction, category, source) - float(np.mean(moved))


@dataclass(frozen=True, eq=False)
class Word:
    """A content word of the caption, or a phrase of an interrogation.

    A repeated word counts once, and all its occurrences are removed.

    Attributes:
        text: As at its first occurrence.
        positions: Its positions in the caption, from 0.
        text_probabilities: float32 ``[C]``, of the text classifier without the word.
        probabilities: float32 ``[C]``, of the fusion without the word; the image is unchanged.
        region: None for a captioner without attention.
        similarity: Of a phrase, its cosine with the image; None for other words.
    """

    text: str
    positions: tuple[int, ...]
    text_probabilities: Array
    probabilities: Array
    region: Region | None
    similarity: float | None = None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a pipeline predicts its category for an image.

    Attributes:
        prediction: The prediction that is explained.
        category: The most probable one, even if the pipeline abstained.
        weight: The weight of the text scores in the fusion, 0..1; None if the fusion is not a weighted mean.
        words: The n content words, in the caption's order.
        attributions: For the category, and for the text classifier's own: float64 ``[n]``, the attribution of each word
            by the text classifier. Empty if it does not attribute.
        cells: float32 ``[G, G, C]``, of the image classifier with one cell hidden, or its features left out.
        left_out: Whether features were left out, which changes probabilities less than hiding pixels does.
    """

    prediction: Prediction
    category: str
    weight: float | None
    words: tuple[Word, ...]
    attributions: Mapping[str, Floats]
    cells: Array
    left_out: bool = False

    def word_drops(self, category: str) -> Floats:
        """The drop of the text classifier's probability without each word: float64 ``[n]``, -1..1.

        Leave-one-out, "erasure" in Li et al. 2016, "Understanding Neural Networks through Representation Erasure".
        """
        number = self.prediction.labels.index(category)
        without = np.array([word.text_probabilities[number] for word in self.words], np.float64)
        return probability(self.prediction, category, "text") - without

    def cell_drops(self, category: str) -> Floats:
        """The drop of the image classifier's probability with each cell hidden: float64 ``[G, G]``, -1..1.

        Occlusion of Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks".
        """
        number = self.prediction.labels.index(category)
        return probability(self.prediction, category, "image") - self.cells[..., number].astype(np.float64)

    def by_evidence(self) -> list[Word]:
        """The words, those with the largest drop first."""
        order = np.argsort(-self.word_drops(self.category), kind="stable")
        return [self.words[number] for number in order]
