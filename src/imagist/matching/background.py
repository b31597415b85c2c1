"""What a matcher's cosines with a text are by chance: their mean and spread over images, or captions, of all sorts.

Some texts are near every image. Measured from the mean over unlabelled images in units of their spread, the cosines of
different texts compare, and one threshold for all of them tells what resembles none of them.

Shapes: N items; C texts; D width of the embeddings; R directions.
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
_RANK = 128
_SIDES, _PARTS = ("image", "text"), ("mean", "factor", "own")


@dataclass(frozen=True, eq=False)
class Spread:
    """Mean and covariance of embeddings: ``factor @ factor.T``, and a variance of its own for each coordinate.

    Attributes:
        mean: float32 ``[D]``.
        factor: float32 ``[D, R]``.
        own: float32 ``[D]``, at least 0.
    """

    mean: Array
    factor: Array
    own: Array

    def cosines(self, vectors: Array) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the cosines with vectors ``[C, D]``: float64 ``[C]`` each."""
        rows = vectors.astype(np.float64)
        variances = ((rows @ self.factor.astype(np.float64)) ** 2).sum(1) + rows**2 @ self.own.astype(np.float64)
        return rows @ self.mean.astype(np.float64), np.sqrt(np.maximum(variances, _LEAST_SPREAD**2))


@dataclass(frozen=True, eq=False)
class Background:
    """What a matcher's embeddings of unlabelled images and of their captions are like.

    Attributes:
        image: Of the images.
        text: Of their captions.
    """

    image: Spread
    text: Spread

    @cached_property
    def id(self) -> str:
        """Changes with any of the numbers."""
        return fingerprint(*self._arrays().values())

    def of_images(self, vectors: Array) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the cosines between texts ``[C, D]`` and images: float64 ``[C]`` each."""
        return self.image.cosines(vectors)

    def of_texts(self, vectors: Array) -> tuple[Floats, Floats]:
        """The same between texts ``[C, D]`` and captions."""
        return self.text.cosines(vectors)

    def content(self) -> bytes:
        """The content of `FILE`, in half precision."""
        return npz(**{name: array.astype(np.float16) for name, array in self._arrays().items()})

    def _arrays(self) -> dict[str, Array]:
        return {f"{side}_{part}": getattr(getattr(self, side), part) for side in _SIDES for part in _PARTS}


def fit_background(images: AnyArray, captions: AnyArray) -> Background:
    """The background of unlabelled images, by a matcher's embeddings of them and of their captions, each ``[N, D]``.

    Numbers are those of half precision, in which they are saved.

    Raises:
        DataError: Fewer than two images or captions, or different widths.
    """
    if images.ndim != 2 or captions.ndim != 2 or min(len(images), len(captions)) < 2:
        raise DataError("a background needs two images or more, each with a caption")
    if images.shape[1] != captions.shape[1]:
        raise DataError("images and captions have embeddings of different widths")
    return Background(_spread(images), _spread(captions))


def _spread(rows: AnyArray) -> Spread:
    """Mean, the `_RANK` directions of most variance, and what they leave of each coordinate's."""
    centred = np.asarray(rows, np.float64) - rows.mean(0)
    covariance = centred.T @ centred / (len(rows) - 1)
    values, directions = np.linalg.eigh(covariance)
    factor = (directions * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :_RANK]
    own = np.maximum(np.diag(covariance) - (factor**2).sum(1), 0)
    return Spread(*(part.astype(np.float16).astype(np.float32) for part in (rows.mean(0), factor, own)))


def background_of(folder: Folder) -> Background | None:
    """The background in a matcher's folder; None where it has none.

    Raises:
        BundleError: It is damaged.
    """
    if FILE not in folder.files:
        return None
    arrays = {name: np.asarray(array, np.float32) for name, array in folder.arrays(FILE).items()}
    try:
        image, text = (Spread(*(arrays.pop(f"{side}_{part}") for part in _PARTS)) for side in _SIDES)
    except KeyError as error:
        raise BundleError(f"lacks {error}", item=str(folder.path / FILE)) from error
    width = image.mean.shape
    shapes = [each for side in (image, text) for each in (side.mean.shape, side.own.shape, side.factor.shape[:1])]
    if arrays or {*shapes} != {width} or {image.factor.ndim, text.factor.ndim} != {2}:
        raise BundleError("other arrays than those of a background", item=str(folder.path / FILE))
    return Background(image, text)
