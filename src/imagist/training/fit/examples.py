"""Labelled images, each decoded once: its caption, its features and its perceptual hash.

Shapes: N examples; D features; C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imagist.arrays import Array, Ints
from imagist.classifiers.image.linear import pooled
from imagist.datasets.entries import Example
from imagist.datasets.near_duplicates import perceptual_hash
from imagist.errors import DataError, ImagistError
from imagist.images.encoder import Encoder
from imagist.images.stream import run
from imagist.protocols import Captioner
from imagist.records import Failure, LabelSet, Photo, Row

Advance = Callable[[int], None]
MIN_EXAMPLES = 2  # of a class: one is learnt from while the other is held out


@dataclass(frozen=True, eq=False)
class Examples:
    """N labelled images.

    Attributes:
        items: The examples, as they were read.
        labels: The C classes, sorted.
        targets: The class of each, ``[N]``.
        captions: N captions.
        features: float32 ``[N, D]``, of length 1; ``[N, 0]`` without an encoder.
        hashes: Perceptual hashes, uint64 ``[N]``.
        weights: How much each counts in the loss of linear layers and in calibration, float32 ``[N]``.
        failed: The examples that could not be used, and why.
    """

    items: tuple[Example, ...]
    labels: LabelSet
    targets: Ints
    captions: tuple[str, ...]
    features: Array
    hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]
    weights: Array
    failed: Mapping[str, ImagistError]

    def __len__(self) -> int:
        return len(self.items)

    def texts(self, rows: Ints) -> list[str]:
        """The captions of some rows."""
        return [self.captions[row] for row in rows]

    def chosen(self, rows: Ints) -> Examples:
        """Some of them, with the same labels."""
        return replace(
            self,
            items=tuple(self.items[row] for row in rows),
            targets=self.targets[rows],
            captions=tuple(self.texts(rows)),
            features=self.features[rows],
            hashes=self.hashes[rows],
            weights=self.weights[rows],
        )


def encode(
    items: Sequence[Example],
    captioner: Captioner,
    encoder: Encoder | None,
    *,
    concurrency: int = 1,
    advance: Advance = lambda count: None,
) -> Examples:
    """Decodes every image once and computes what classifiers are fitted to.

    Args:
        items: Labelled images.
        captioner: Writes the captions.
        encoder: Gives the features, if there is one.
        concurrency: Batches processed at a time.
        advance: Called with the number of images done since the last call.

    Raises:
        DataError: No image can be used.
    """

    def work(photos: Sequence[Photo]) -> list[tuple[str, Array, int]]:
        captions = [caption.text for caption in captioner.caption(photos)]
        features = pooled(encoder, photos, normalised=True) if encoder else np.zeros((len(photos), 0), np.float32)
        hashes = [perceptual_hash(photo.pixels) for photo in photos]
        return list(zip(captions, features, hashes, strict=True))

    kept: list[tuple[Example, str, Array, int]] = []
    failed: dict[str, ImagistError] = {}
    at = iter(items)
    for outcomes in run((Row(item.image, item.content) for item in items), work, concurrency=concurrency):
        for outcome in outcomes:
            item = next(at)
            if isinstance(outcome.result, Failure):
                failed[item.image] = outcome.result.error
            else:
                kept.append((item, *outcome.result))
        advance(len(outcomes))
    if not kept:
        raise DataError("no image can be used", item=next(iter(failed), None), remedy=_first(failed))
    used = tuple(entry[0] for entry in kept)
    labels = LabelSet(tuple(sorted({item.label for item in used})))
    targets = np.array([labels.index(item.label) for item in used], np.int64)
    captions, features = tuple(entry[1] for entry in kept), np.stack([entry[2] for entry in kept])
    hashes = np.array([entry[3] for entry in kept], np.uint64)
    weights = np.array([item.weight for item in used], np.float32)
    return Examples(used, labels, targets, captions, features, hashes, weights, failed)


def concatenated(examples: Sequence[Examples]) -> Examples:
    """The same images as several encoders read them, as further examples."""
    first = examples[0]
    return Examples(
        items=tuple(item for each in examples for item in each.items),
        labels=first.labels,
        targets=np.concatenate([each.targets for each in examples]),
        captions=tuple(caption for each in examples for caption in each.captions),
        features=np.concatenate([each.features for each in examples]),
        hashes=np.concatenate([each.hashes for each in examples]),
        weights=np.concatenate([each.weights for each in examples]),
        failed=first.failed,
    )


def check_classes(examples: Examples) -> None:
    """Makes sure that a classifier can be fitted.

    Raises:
        DataError: One class only, or classes of one image: all of them.
    """
    if len(examples.labels) < 2:
        raise DataError(
            f"every image has the label {examples.labels.names[0]!r}",
            item="labels",
            remedy="give images of at least two labels",
        )
    counts = Counter(examples.labels.names[target] for target in examples.targets)
    few = [label for label in examples.labels if counts[label] < MIN_EXAMPLES]
    if few:
        raise DataError(
            f"fewer than {MIN_EXAMPLES} usable images to learn from: {', '.join(few)}",
            item="labels",
            remedy="give more images of these labels, or leave the labels out",
        )


def _first(failed: Mapping[str, ImagistError]) -> str | None:
    return str(next(iter(failed.values()))) if failed else None
