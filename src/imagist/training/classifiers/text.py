"""Fits a classifier of sentences by its settings.

Shapes: N texts; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat

from imagist.arrays import AnyArray
from imagist.classifiers.text.transformer import Reading, TransformerClassifier, begin
from imagist.matching.prompts import TEMPLATE, label_vectors, sentences
from imagist.protocols import TextClassifier
from imagist.records import LabelSet
from imagist.training.classifiers.history import Fitted
from imagist.training.classifiers.labelled import check_labelled
from imagist.training.classifiers.text_tfidf import Tfidf, fit_tfidf
from imagist.training.classifiers.text_transformer import Transformer, fit_transformer
from imagist.training.devices import device_of

__all__ = ["Tfidf", "Transformer", "ZeroShot", "fit_words"]


@dataclass(frozen=True)
class ZeroShot:
    """No training: which label's description a text resembles, ``softmax(cos / temperature)``.

    Attributes:
        kind: Tells this table from those of other classifiers.
        model: Of sentence embeddings: a name on the Hugging Face hub, a folder, or ``package:NAME/FOLDER``.
        descriptions: Sentences about labels.
        template: The sentence about a label that has none, with ``{label}`` in the place of its name.
        temperature: The lower, the surer.
        max_length: Most tokens of a text.
        device: ``auto``, or as torch names it.
    """

    kind: Literal["zeroshot"] = "zeroshot"
    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    descriptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    template: str = TEMPLATE
    temperature: PositiveFloat = 0.05
    max_length: Annotated[int, Field(ge=3)] = 64
    device: str = "auto"


def fit_words(
    settings: Tfidf | Transformer | ZeroShot,
    texts: Sequence[str],
    targets: AnyArray,
    labels: LabelSet,
    dev: tuple[Sequence[str], AnyArray] | None = None,
    seed: int = 0,
    folder: Path | None = None,
) -> Fitted[TextClassifier]:
    """Fits a classifier; equal seeds give equal weights.

    Args:
        settings: Which, and how.
        texts: N of them to learn from; zero-shot needs none.
        targets: Their classes, ``[N]``.
        labels: The C names.
        dev: Held-out texts with their classes, on which what is open is chosen.
        seed: Of all that is drawn.
        folder: Receives the checkpoints of a long fit, from which a killed one resumes.

    Raises:
        BundleNotFound: There is no such published model here, and the hub does not give it.
        DataError: Texts and classes do not fit, in train or dev; or the folder holds the checkpoint of another fit.
    """
    if isinstance(settings, ZeroShot):
        return Fitted(_zeroshot(settings, labels))
    check_labelled({"train": (texts, targets)} | ({"dev": dev} if dev else {}), len(labels), "texts")
    if isinstance(settings, Tfidf):
        return Fitted(fit_tfidf(settings, (texts, targets), labels, dev, seed))
    return fit_transformer(settings, (texts, targets), labels, dev, seed, folder)


def _zeroshot(settings: ZeroShot, labels: LabelSet) -> TransformerClassifier:
    described = sentences(labels, settings.descriptions, (settings.template,))
    reading = Reading(normalise=True, max_length=settings.max_length)
    classifier = begin(settings.model, labels, reading, device=str(device_of(settings.device)))
    vectors, layer = label_vectors(classifier.hidden, described), classifier.network.layer
    layer.weight.data.copy_(torch.from_numpy(vectors / settings.temperature))
    layer.bias.data.zero_()
    return classifier
