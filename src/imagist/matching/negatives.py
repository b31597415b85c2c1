"""Texts about things of all sorts: an image that is near to one of them needs a higher score to get a category.

After NegLabel (Jiang et al. 2024), in which such texts compete with the categories. Here they raise the threshold of
"none of these" (`imagist.matching.zero_shot`) by a part of their own cosine, because some of them may be about a
category, or about something beside it in the image. They never lower it: what resembles no text is none of these.

Shapes: N images; K texts; D width of the embeddings; W of the part of them that is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Array, Floats
from imagist.bundle import Folder, fingerprint, npz
from imagist.errors import BundleError

FILE, TABLE = "negatives.npz", "negatives"
_VECTORS = "vectors"


@dataclass(frozen=True, eq=False)
class Negatives:
    """The texts, and how their cosines with an image are put together.

    Attributes:
        vectors: The first W coordinates of their embeddings, float32 ``[K, W]``, 1 <= W <= D.
        weight: Of what their common cosine exceeds the level by, > 0.
        sharpness: > 0; the greater, the more the nearest texts count alone.
        level: The common cosine above which the threshold rises.
    """

    vectors: Array
    weight: float
    sharpness: float
    level: float

    @cached_property
    def id(self) -> str:
        """Changes with any of the numbers."""
        return fingerprint(self.vectors, self.weight, self.sharpness, self.level)

    def of(self, embeddings: AnyArray) -> Floats:
        """What embeddings ``[N, D]``, or wider, add to the threshold: float64 ``[N]``, at least 0.

        The common cosine is a smooth maximum, ``log(mean(exp(sharpness * cosine))) / sharpness``.
        """
        rows = np.asarray(embeddings[:, : self.vectors.shape[1]], np.float32)
        powers = self.sharpness * (rows @ self.vectors.T).astype(np.float64)
        highest = powers.max(1, initial=-np.inf, keepdims=True)
        common = (highest[:, 0] + np.log(np.exp(powers - highest).mean(1))) / self.sharpness
        return np.asarray(self.weight * np.maximum(0, common - self.level))

    def content(self) -> bytes:
        """The content of `FILE`, in half precision."""
        return npz(**{_VECTORS: self.vectors.astype(np.float16)})

    def on_card(self) -> dict[str, Any]:
        """The table for a card."""
        return {TABLE: {"weight": self.weight, "sharpness": self.sharpness, "level": self.level}}


def negatives_of(folder: Folder) -> Negatives | None:
    """The ones in the folder of a matcher or a classifier; None where it has none.

    Raises:
        BundleError: They are damaged or cannot be understood.
    """
    table = folder.card.get(TABLE)
    if table is None and FILE not in folder.files:
        return None
    try:
        vectors = np.asarray(folder.arrays(FILE)[_VECTORS], np.float32)
        weight, sharpness, level = (float((table or {})[name]) for name in ("weight", "sharpness", "level"))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"its negatives cannot be understood: {error}", item=str(folder.path)) from error
    if (
        vectors.ndim != 2
        or not vectors.size
        or not (weight > 0 and sharpness > 0)
        or not all(map(isfinite, (weight, sharpness, level)))
    ):
        raise BundleError("its negatives have numbers out of their range", item=str(folder.path))
    return Negatives(vectors, weight, sharpness, level)
