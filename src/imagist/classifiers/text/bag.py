"""`bag`: TF-IDF over words and pairs of words, then a linear layer, in ONNX: the honest baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.bundle import Bundle
from imagist.classifiers.ngrams import counts
from imagist.records import Array, LabelSet


class BagClassifier:
    """Implements `imagist.protocols.TextClassifier` over a bundle's ``text-classifier.onnx`` and ``ngrams.txt``.

    Args:
        bundle: The model folder.
        threads: Threads within one run.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.labels = LabelSet(tuple(bundle.card["labels"]))
        self._places = {term: place for place, term in enumerate(bundle.lines("ngrams.txt"))}
        self._session = bundle.session("text-classifier.onnx", threads)

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, calibrated, rows sum to 1. A text without a known word gets the base rates."""
        if not texts:
            return np.zeros((0, len(self.labels)), np.float32)
        scores: Array = self._session.run(None, {"counts": counts(texts, self._places)})[0]
        return scores


def from_bundle(bundle: Bundle, threads: int = 1) -> BagClassifier:
    """The registry's door."""
    return BagClassifier(bundle, threads)
