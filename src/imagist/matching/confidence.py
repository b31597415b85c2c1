"""How far a caption can be trusted: the probability that it names what the image shows, by its cosine with the image.

Platt scaling (Platt 1999) of the cosine. Whoever trains a matcher fits it to captions of which it is known whether they
have a word for the thing in the image, and writes it on the matcher's card, in the table ``[confidence]``.

Shapes: N photos; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from imagist.arrays import AnyArray, Array
from imagist.bundle import Folder
from imagist.errors import BundleError
from imagist.protocols import Matcher
from imagist.records import Photo

TABLE = "confidence"


@dataclass(frozen=True)
class Confidence:
    """A logistic function of the cosine: ``1 / (1 + exp(-(slope * cosine + offset)))``.

    Attributes:
        slope: > 0.
        offset: Any finite number.
        captioner: The start of the ids of the captioners whose captions it was fitted to. Of any other's captions the
            same cosine says something else.
    """

    slope: float
    offset: float
    captioner: str

    def of(self, cosines: AnyArray) -> Array:
        """Probabilities of cosines ``[N]``: float32 ``[N]``, 0 to 1."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * cosines + self.offset))), np.float32)


def confidence_of(folder: Folder) -> Confidence | None:
    """The one on a matcher's card; None where it has none.

    Raises:
        BundleError: It cannot be understood.
    """
    table = folder.card.get(TABLE)
    if table is None:
        return None
    try:
        captioner = str(table["captioner"])
        found = Confidence(float(table["slope"]), float(table["offset"]), captioner)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the card cannot be understood: {error}", item=str(folder.path)) from error
    if not (isfinite(found.slope) and isfinite(found.offset) and found.slope > 0):
        raise BundleError("its confidence has numbers out of their range", item=str(folder.path))
    return found


def caption_confidences(
    matcher: Matcher | None, captioner: str, photos: Sequence[Photo], sentences: Sequence[str]
) -> list[float | None]:
    """The confidence in the caption of each of N photos; None where none was fitted to such captions.

    Args:
        matcher: Its attribute ``confidence`` is a `Confidence`, or it is not used.
        captioner: The id of the captioner.
        photos: N photos.
        sentences: Their captions.
    """
    fitted = getattr(matcher, TABLE, None)
    if matcher is None or not isinstance(fitted, Confidence) or not captioner.startswith(fitted.captioner):
        return [None] * len(photos)
    if not photos:
        return []
    cosines = (matcher.images(photos) * matcher.texts(sentences)).sum(1)
    return [float(each) for each in fitted.of(cosines)]
