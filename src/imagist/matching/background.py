"""What a matcher's cosines with a text are by chance: their mean and spread over images, or captions, of all sorts.

Some texts are near every image. Measured from the mean over unlabelled images in units of their spread, the cosines of
different texts compare, and one threshold for all of them tells what resembles none of them.

Shapes: N items; C texts; D width of the embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imagist.arrays import AnyArray, Array, Floats
from imagist.bundle import Folder, fingerprint, npz
from imagist.errors import BundleError, DataError

FILE = "background.npz"
_LEAST_SPREAD = 1e-6  # of cosines


@dataclass(frozen=True, eq=False)
class Background:
    """Mean and covariance of a matcher's embeddings of unlabelled images and of their captions.

    Attributes:
        image_mean: float32 ``[D]``.
        image_covariance: float32 ``[D, D]``.
        text_mean: float32 ``[D]``.
        text_covariance: float32 ``[D, D]``.
    """

    image_mean: Array
    image_covariance: Array
    text_mean: Array
    text_covariance: Array

    @cached_property
    def id(self) -> str:
        """Changes with any of the numbers."""
        return fingerprint(self.image_mean, self.image_covariance, self.text_mean, self.text_covariance)

    def of_images(self, vectors: Array) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the cosines between texts ``[C, D]`` and images: float64 ``[C]`` each."""
        return _cosines(vectors, self.image_mean, self.image_covariance)

    def of_texts(self, vectors: Array) -> tuple[Floats, Floats]:
        """The same between texts ``[C, D]`` and captions."""
        return _cosines(vectors, self.text_mean, self.text_covariance)

    def content(self) -> bytes:
        """The content of `FILE`."""
        return npz(
            image_mean=self.image_mean,
            image_covariance=self.image_covariance,
            text_mean=self.text_mean,
            text_covariance=self.text_covariance,
        )


def fit_background(images: AnyArray, captions: AnyArray) -> Background:
    """The background of unlabelled images, by a matcher's embeddings of them and of their captions, each ``[N, D]``.

    Raises:
        DataError: Fewer than two images or captions, or different widths.
    """
    if images.ndim != 2 or captions.ndim != 2 or min(len(images), len(captions)) < 2:
        raise DataError("a background needs two images or more, each with a caption")
    if images.shape[1] != captions.shape[1]:
        raise DataError("images and captions have embeddings of different widths")
    parts = (part for rows in (images, captions) for part in (rows.mean(0), np.cov(rows, rowvar=False)))
    return Background(*(np.asarray(part, np.float32) for part in parts))


def background_of(folder: Folder) -> Background | None:
    """The background in a matcher's folder; None where it has none.

    Raises:
        BundleError: It is damaged.
    """
    if FILE not in folder.files:
        return None
    arrays = {name: np.asarray(array, np.float32) for name, array in folder.arrays(FILE).items()}
    try:
        found = Background(**arrays)
    except TypeError as error:
        raise BundleError(f"other arrays than those of a background: {error}", item=str(folder.path / FILE)) from error
    width = found.image_mean.shape
    if {width, found.text_mean.shape} != {width} or {
        found.image_covariance.shape,
        found.text_covariance.shape,
    } != {width * 2}:
        raise BundleError("arrays of other shapes than those of a background", item=str(folder.path / FILE))
    return found


def _cosines(vectors: Array, mean: Array, covariance: Array) -> tuple[Floats, Floats]:
    rows = vectors.astype(np.float64)
    variances = np.einsum("cd,de,ce->c", rows, covariance.astype(np.float64), rows)
    return rows @ mean.astype(np.float64), np.sqrt(np.maximum(variances, _LEAST_SPREAD**2))
