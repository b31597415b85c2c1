"""Runs the parts of a pipeline in batches of bounded size.

Shapes: N items; F fine classes of the classifiers; C categories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from imagist.arrays import Array, Ints
from imagist.classifiers.fusion import ScoreFusion
from imagist.pipeline import Pipeline
from imagist.records import Photo, Prediction

T = TypeVar("T")


@runtime_checkable
class Attributing(Protocol):
    """A text classifier that attributes its scores to words."""

    def attributions(self, texts: Sequence[str], targets: Ints) -> Sequence[Sequence[tuple[str, float]]]:
        """For each of N texts its words in order, with the attribution of each to the class ``targets[n]``."""
        ...


@dataclass(frozen=True)
class Batches:
    """Runs a pipeline, or one of its parts, over any number of items.

    Attributes:
        pipeline: The pipeline.
        batch_size: Items a batch; no more images than these are in memory.
    """

    pipeline: Pipeline
    batch_size: int

    @property
    def weight(self) -> float | None:
        """The weight of the text scores; None if the fusion is not a weighted mean."""
        fusion = self.pipeline.fusion
        return fusion.weight if isinstance(fusion, ScoreFusion) else None

    def predictions(self, photos: Iterable[Photo]) -> Iterator[Prediction]:
        """One prediction a photo, in order, as photos arrive."""
        for batch in _batches(photos, self.batch_size):
            yield from self.pipeline.predict(batch)

    def image_rows(self, photos: Iterable[Photo]) -> Array:
        """A row for each photo, see `imagist.pipeline.Pipeline.image_rows`."""
        rows = [self.pipeline.image_rows(batch) for batch in _batches(photos, self.batch_size)]
        return np.concatenate(rows) if rows else self.pipeline.image_rows([])

    def text_rows(self, texts: Iterable[str]) -> Array:
        """A row for each text, see `imagist.pipeline.Pipeline.text_rows`."""
        rows = [self.pipeline.text_rows(batch) for batch in _batches(texts, self.batch_size)]
        return np.concatenate(rows) if rows else self.pipeline.text_rows([])

    def of_images(self, photos: Iterable[Photo]) -> Array:
        """The image classifier's probabilities of the categories, float32 ``[N, C]``."""
        return self.pipeline.of_image(self.image_rows(photos))

    def of_words(self, texts: Iterable[str]) -> Array:
        """The text classifier's probabilities of the categories, float32 ``[N, C]``."""
        return self.pipeline.of_text(self.text_rows(texts))

    def attributions(self, texts: Sequence[str], categories: Sequence[str]) -> list[dict[str, float]] | None:
        """The attribution of each word, in lower case, to a category, for each text.

        For a category of several classes it is the attribution to the most probable of them. A repeated word has the
        sum. None if the text classifier does not attribute.
        """
        classifier, taxonomy = self.pipeline.text_classifier, self.pipeline.taxonomy
        if not isinstance(classifier, Attributing):
            return None
        if not texts:
            return []
        fine = tuple(classifier.labels)
        scores = np.concatenate([classifier.scores(batch) for batch in _batches(texts, self.batch_size)])
        members = np.array([[name in taxonomy.members[category] for name in fine] for category in categories])
        targets = np.where(members, scores, -1).argmax(1).astype(np.int64)
        summed = []
        for words in classifier.attributions(texts, targets):
            totals: dict[str, float] = {}
            for word, value in words:
                totals[word.lower()] = totals.get(word.lower(), 0.0) + float(value)
            summed.append(totals)
        return summed


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
