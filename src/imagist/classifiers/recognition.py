"""What an encoder recognises in an image: the most probable of its own classes, by name.

Shapes: N photos; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.arrays import Array
from imagist.classifiers.image.imagenet import imagenet_names
from imagist.errors import UsageError
from imagist.images.encoder import Encoder
from imagist.records import Photo, Recognised


def recognise(encoder: Encoder, photos: Sequence[Photo], k: int = 10) -> list[tuple[Recognised, ...]]:
    """The k most probable classes of each photo, best first.

    Args:
        encoder: With classes: the 1,000 of ImageNet-1k, in their order.
        photos: N of them. A photo that is encoded already costs no second run of the network.
        k: 1 to C.

    Returns:
        For each photo, in order, k things with their probabilities among all C.

    Raises:
        UsageError: The encoder has no classes or other ones, or k is out of its range.
    """
    names = imagenet_names()
    if not 1 <= k <= len(names):
        raise UsageError(f"lies in 1..{len(names)}, not {k}", item="k")
    rows = encoder.classes(encoder.grids(photos))
    if rows.shape[1] != len(names):
        raise UsageError(f"has {rows.shape[1]} classes, not {len(names)}", item=f"encoder {encoder.name}")
    return _named(rows, k)


def recognised_by(part: object, photos: Sequence[Photo], k: int = 5) -> list[tuple[Recognised, ...]]:
    """As `recognise`, by the encoder of a part, each name once; nothing where it has none with ImageNet's classes."""
    encoder = getattr(part, "encoder", None)
    if isinstance(encoder, Encoder) and encoder.has_classes:
        rows = encoder.classes(encoder.grids(photos))
        if rows.shape[1] == len(imagenet_names()):
            return [tuple({each.name: each for each in things[::-1]}.values())[::-1] for things in _named(rows, k)]
    return [()] * len(photos)


def _named(rows: Array, k: int) -> list[tuple[Recognised, ...]]:
    """The k most probable classes of each row ``[N, C]``."""
    things = [(label, parts[1]) for label, parts in imagenet_names().items()]
    best = np.argsort(-rows, axis=1, kind="stable")[:, :k]
    return [
        tuple(Recognised(things[i][0], things[i][1], float(row[i])) for i in order)
        for row, order in zip(rows, best, strict=True)
    ]
