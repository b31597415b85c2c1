"""`linear`: a frozen encoder and one trained layer over its mean, in ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.bundle import Bundle
from imagist.images.encoder import Encoder
from imagist.records import Array, LabelSet, Photo


class LinearClassifier:
    """Implements `imagist.protocols.ImageClassifier` over a bundle's ``image-classifier.onnx``.

    Args:
        bundle: The model folder.
        encoder: Gives the grids; shared with the captioner.
        threads: Threads within one run.
    """

    def __init__(self, bundle: Bundle, encoder: Encoder, threads: int = 1) -> None:
        self.labels = LabelSet(tuple(bundle.card["labels"]))
        self._encoder = encoder
        self._session = bundle.session("image-classifier.onnx", threads)

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, calibrated, rows sum to 1; the mean over the views of each photo."""
        if not photos:
            return np.zeros((0, len(self.labels)), np.float32)
        grids = self._encoder.grids(photos)
        scores = self._session.run(None, {"grid": np.concatenate(grids)})[0]
        ends = np.cumsum([len(views) for views in grids])[:-1]
        return np.stack([views.mean(0) for views in np.split(scores, ends)])


def from_bundle(bundle: Bundle, encoder: Encoder, threads: int = 1) -> LinearClassifier:
    """The registry's door."""
    return LinearClassifier(bundle, encoder, threads)
