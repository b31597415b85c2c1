"""What the parts of a pipeline say, in batches of bounded size.

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
    """A text classifier that gives its own account of what each word did."""

    def attributions(self, texts: Sequence[str], targets: Ints) -> Sequence[Sequence[tuple[str, float]]]:
        """For each of N texts its words in order, with how much each speaks for the fine class in ``[N]``."""
        ...


@dataclass(frozen=True)
class Opinions:
    """A pipeline, asked for one opinion at a time.

    Attributes:
        pipeline: Whose.
        batch_size: Items that it is given at a time; no more images than these are held.
    """

    pipeline: Pipeline
    batch_size: int

    @property
    def weight(self) -> float | None:
        """What the words weigh; None where the fusion is no weighted mean."""
        fusion = self.pipeline.fusion
        return fusion.weight if isinstance(fusion, ScoreFusion) else None

    def predictions(self, photos: Iterable[Photo]) -> Iterator[Prediction]:
        """One a photo, in order, while they come."""
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
        """For each text its words in lower case, with how much each speaks for the text's category.

        A category of several fine classes is spoken for by what speaks for the likeliest of them. A word that comes
        twice has the sum. None where the text classifier gives no account.
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
