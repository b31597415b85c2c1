"""What an explanation is made of: probabilities with something left out, beside those with nothing left out.

Shapes: C categories; n content words; G cells a side of the grid; h, w cells of the attention map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imagist.arrays import Array, Bools, Floats
from imagist.records import Prediction

Opinion = Literal["image", "text", "joint"]


def probability(prediction: Prediction, category: str, opinion: Opinion) -> float:
    """What the image alone, the words alone, or both together give a category, 0..1."""
    rows = {
        "image": prediction.image_probabilities,
        "text": prediction.text_probabilities,
        "joint": prediction.probabilities,
    }
    return float(rows[opinion][prediction.labels.index(category)])


@dataclass(frozen=True, eq=False)
class Region:
    """The part of the image that one word attends to, and what is said of the image without that part.

    Attributes:
        attention: float32 ``[h, w]``, of the word; sums to 1.
        cells: bool ``[h, w]``, the fewest cells that hold the share of the attention that was asked for.
        removed: With those cells hidden: captioned and classified anew.
        moved: The same with a region of the same size and shape hidden elsewhere, once for each other place.
    """

    attention: Array
    cells: Bools
    removed: Prediction
    moved: tuple[Prediction, ...]

    def drop(self, prediction: Prediction, category: str, opinion: Opinion) -> float:
        """By how much a category becomes less probable without the region, -1..1."""
        return probability(prediction, category, opinion) - probability(self.removed, category, opinion)

    def drop_elsewhere(self, prediction: Prediction, category: str, opinion: Opinion) -> float:
        """The same for the moved regions: the mean of their drops."""
        moved = [probability(other, category, opinion) for other in self.moved]
        return probability(prediction, category, opinion) - float(np.mean(moved))


@dataclass(frozen=True, eq=False)
class Word:
    """A content word of the caption. A word that is said twice is one, and is removed wherever it stands.

    Attributes:
        text: As the caption has it, where it comes first.
        positions: Its places among the caption's words, from 0.
        text_probabilities: float32 ``[C]``, what the words alone say without it.
        probabilities: float32 ``[C]``, what both together say without it: the image stays as it is.
        region: None where the captioner has no attention.
    """

    text: str
    positions: tuple[int, ...]
    text_probabilities: Array
    probabilities: Array
    region: Region | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a photo got its category.

    Attributes:
        prediction: What is explained.
        category: The most probable one, which is explained also where the pipeline abstained.
        weight: What the words weigh in the joint verdict, 0..1; None where the fusion is no weighted mean.
        words: The n content words, in the caption's order.
        attributions: For the category, and for the one that the words alone would give: float64 ``[n]``, how much each
            word speaks for it in the text classifier's own account. Empty where it gives none.
        cells: float32 ``[G, G, C]``, what the image alone says with one cell hidden.
    """

    prediction: Prediction
    category: str
    weight: float | None
    words: tuple[Word, ...]
    attributions: Mapping[str, Floats]
    cells: Array

    def word_drops(self, category: str) -> Floats:
        """By how much the words alone find a category less probable without each word: float64 ``[n]``, -1..1.

        Leave-one-out, "erasure" in Li et al. 2016, "Understanding Neural Networks through Representation Erasure".
        """
        number = self.prediction.labels.index(category)
        without = np.array([word.text_probabilities[number] for word in self.words], np.float64)
        return probability(self.prediction, category, "text") - without

    def cell_drops(self, category: str) -> Floats:
        """By how much the image alone finds it less probable with each cell hidden: float64 ``[G, G]``, -1..1.

        Occlusion of Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks".
        """
        number = self.prediction.labels.index(category)
        return probability(self.prediction, category, "image") - self.cells[..., number].astype(np.float64)

    def by_evidence(self) -> list[Word]:
        """The words, those that speak most for the category first."""
        order = np.argsort(-self.word_drops(self.category), kind="stable")
        return [self.words[number] for number in order]
