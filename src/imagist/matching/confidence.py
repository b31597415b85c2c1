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
    """

    slope: float
    offset: float

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
        found = Confidence(**{name: float(value) for name, value in table.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"the card cannot be understood: {error}", item=str(folder.path)) from error
    if not (isfinite(found.slope) and isfinite(found.offset) and found.slope > 0):
        raise BundleError("its confidence has numbers out of their range", item=str(folder.path))
    return found


def caption_confidences(matcher: Matcher | None, photos: Sequence[Photo], texts: Sequence[str]) -> list[float | None]:
    """The confidence in the caption of each of N photos; None without a matcher that has one.

    Args:
        matcher: Its attribute ``confidence`` is a `Confidence`, or it is not used.
        photos: N photos.
        texts: Their captions.
    """
    scaled = getattr(matcher, TABLE, None)
    if matcher is None or not isinstance(scaled, Confidence) or not photos:
        return [None] * len(photos)
    cosines = (matcher.images(photos) * matcher.texts(texts)).sum(1)
    return [float(each) for each in scaled.of(cosines)]
