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
from imagist.protocols import Captioner, Matcher
from imagist.records import Failure, LabelSet, Photo, Row

Advance = Callable[[int], None]
_Encoded = tuple[str, Array, Array, Array, int]  # caption, features, embeddings of image and caption, hash
MIN_EXAMPLES = 2  # of a class: one is learnt from while the other is held out


@dataclass(frozen=True, eq=False)
class Embeddings:
    """A matcher's embeddings of N examples.

    Attributes:
        images: float32 ``[N, E]``.
        captions: float32 ``[N, E]``.
    """

    images: Array
    captions: Array

    def chosen(self, rows: Ints) -> Embeddings:
        """Those of some examples."""
        return Embeddings(self.images[rows], self.captions[rows])

    @staticmethod
    def concatenated(parts: Sequence[Embeddings]) -> Embeddings | None:
        """Those of several sets of examples, one after the other; None of none."""
        if not parts:
            return None
        return Embeddings(np.concatenate([p.images for p in parts]), np.concatenate([p.captions for p in parts]))


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
        embeddings: By a matcher, if there is one.
    """

    items: tuple[Example, ...]
    labels: LabelSet
    targets: Ints
    captions: tuple[str, ...]
    features: Array
    hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]
    weights: Array
    failed: Mapping[str, ImagistError]
    embeddings: Embeddings | None = None

    def __len__(self) -> int:
        return len(self.items)

    def captions_of(self, rows: Ints) -> list[str]:
        """The captions of some rows."""
        return [self.captions[row] for row in rows]

    def chosen(self, rows: Ints) -> Examples:
        """Some of them, with the same labels."""
        return replace(
            self,
            items=tuple(self.items[row] for row in rows),
            targets=self.targets[rows],
            captions=tuple(self.captions_of(rows)),
            features=self.features[rows],
            hashes=self.hashes[rows],
            weights=self.weights[rows],
            embeddings=self.embeddings and self.embeddings.chosen(rows),
        )


def encode(
    items: Sequence[Example],
    captioner: Captioner,
    encoder: Encoder | None,
    matcher: Matcher | None = None,
    *,
    concurrency: int = 1,
    advance: Advance = lambda count: None,
) -> Examples:
    """Decodes every image once and computes what classifiers are fitted to.

    Args:
        items: Labelled images.
        captioner: Writes the captions.
        encoder: Gives the features, if there is one.
        matcher: Gives the embeddings, if there is one.
        concurrency: Batches processed at a time.
        advance: Called with the number of images done since the last call.

    Raises:
        DataError: No image can be used.
    """

    def work(photos: Sequence[Photo]) -> list[_Encoded]:
        captions = [caption.text for caption in captioner.caption(photos)]
        nothing = np.zeros((len(photos), 0), np.float32)
        features = pooled(encoder, photos, normalised=True) if encoder else nothing
        images, texts = (matcher.images(photos), matcher.texts(captions)) if matcher else (nothing, nothing)
        hashes = [perceptual_hash(photo.pixels) for photo in photos]
        return list(zip(captions, features, images, texts, hashes, strict=True))

    kept: list[tuple[Example, _Encoded]] = []
    failed: dict[str, ImagistError] = {}
    at = iter(items)
    for outcomes in run((Row(item.image, item.content) for item in items), work, concurrency=concurrency):
        for outcome in outcomes:
            item = next(at)
            if isinstance(outcome.result, Failure):
                failed[item.image] = outcome.result.error
            else:
                kept.append((item, outcome.result))
        advance(len(outcomes))
    if not kept:
        raise DataError("no image can be used", item=next(iter(failed), None), remedy=_first(failed))
    used = tuple(entry[0] for entry in kept)
    labels = LabelSet(tuple(sorted({item.label for item in used})))
    targets = np.array([labels.index(item.label) for item in used], np.int64)
    captions, features, images, texts, hashes = zip(*(encoded for _, encoded in kept), strict=True)
    arrays = np.stack(features), np.array(hashes, np.uint64), np.array([item.weight for item in used], np.float32)
    embeddings = Embeddings(np.stack(images), np.stack(texts)) if matcher else None
    return Examples(used, labels, targets, captions, *arrays, failed, embeddings)


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
        embeddings=Embeddings.concatenated([each.embeddings for each in examples if each.embeddings is not None]),
    )


def check_classes(examples: Examples, fewest: int = MIN_EXAMPLES) -> None:
    """Makes sure that a classifier can be fitted.

    Args:
        examples: To learn from.
        fewest: Images that a class needs.

    Raises:
        DataError: One class only, or classes of fewer images: all of them.
    """
    if len(examples.labels) < 2:
        raise DataError(
            f"every image has the label {examples.labels.names[0]!r}",
            item="labels",
            remedy="give images of at least two labels",
        )
    counts = Counter(examples.labels.names[target] for target in examples.targets)
    few = [label for label in examples.labels if counts[label] < fewest]
    if few:
        raise DataError(
            f"fewer than {fewest} usable images to learn from: {', '.join(few)}",
            item="labels",
            remedy="give more images of them, leave the labels out, or start from their names with --from-names",
        )


def _first(failed: Mapping[str, ImagistError]) -> str | None:
    return str(next(iter(failed.values()))) if failed else None
