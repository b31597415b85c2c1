"""Both classifiers of a fit, with held-out scores of every example: linear ones here, others as studies fit them.

Shapes: N examples; C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import Array, Ints
from imagist.bundle import open_bundle
from imagist.classifiers.uniform import Uniform
from imagist.datasets.folds import Fold
from imagist.errors import MissingExtra
from imagist.images.encoder import Encoder, Encoders, encoder_of
from imagist.images.photo import photo_of
from imagist.protocols import ImageClassifier, PartOptions, TextClassifier
from imagist.records import Photo
from imagist.training.classifiers.text_tfidf import Tfidf
from imagist.training.fit.examples import Examples
from imagist.training.fit.heads import CrossValidated, fit_image_head, fit_text_head
from imagist.training.fit.settings import EncoderHead

AT_ONCE = 64  # photos decoded together


def encoder_for(settings: Any, encoders: Encoders, name: str | None = None) -> Encoder | None:
    """The encoder whose features the image classifier takes; None where it is a network of its own.

    Args:
        settings: Of the image classifier.
        encoders: Shared with the captioner.
        name: Of the encoder, where the model works with several; None takes the default one.

    Raises:
        BundleError: The model that it is taken from cannot be used.
    """
    if not isinstance(settings, EncoderHead):
        return None
    bundle = open_bundle(settings.model)
    part = bundle.part("image_classifier" if bundle.has("image_classifier") else "captioner")
    return encoder_of(part, PartOptions(encoders=encoders, encoder=name))


def fit_text_classifier(
    settings: Any, examples: Examples, folds: Sequence[Fold], seed: int
) -> CrossValidated[TextClassifier]:
    """Fits a text classifier to all captions, and one without each fold for the scores of that fold.

    Args:
        settings: `Tfidf`, or those of a study's text classifier; None for a system without one.
        examples: N of them.
        folds: Of the N rows.
        seed: Of all training.
    """
    if settings is None:
        absent: Uniform[str] = Uniform(examples.labels)
        return CrossValidated(absent, absent.scores(examples.captions))
    if isinstance(settings, Tfidf):
        head = fit_text_head(settings, examples.captions, examples.targets, examples.labels, folds, examples.weights)
        return CrossValidated(head.classifier, head.scores)
    try:
        from imagist.training.classifiers.text import fit_words
    except ModuleNotFoundError as error:
        raise needs_torch(error) from error

    def fit(rows: Ints) -> TextClassifier:
        return fit_words(settings, examples.texts(rows), examples.targets[rows], examples.labels, seed=seed).classifier

    def score(classifier: TextClassifier, rows: Ints) -> Array:
        return classifier.scores(examples.texts(rows))

    return _held_out(fit, score, examples, folds)


def fit_image_classifier(
    settings: Any,
    examples: Examples,
    folds: Sequence[Fold],
    seed: int,
    *,
    encoder: Encoder | None = None,
    data: Path = Path(),
    space: str | None = None,
) -> CrossValidated[ImageClassifier]:
    """Fits an image classifier to all images, and one without each fold for the scores of that fold.

    Args:
        settings: `EncoderHead`, or those of a study's image classifier; None for a system without one.
        examples: N of them.
        folds: Of the N rows.
        seed: Of all training.
        encoder: Of the features, for `EncoderHead`.
        data: Folder in which weights are looked for.
        space: The feature space of the encoder, where the examples are of several of its encoders.
    """
    if settings is None:
        absent: Uniform[Photo] = Uniform(examples.labels)
        shape = len(examples), len(examples.labels)
        return CrossValidated(absent, np.full(shape, 1 / shape[1], np.float32))
    if isinstance(settings, EncoderHead):
        assert encoder is not None
        head = fit_image_head(examples.features, examples.targets, examples.labels, folds, encoder, examples.weights)
        return CrossValidated(replace(head.classifier, space=space), head.scores)
    try:
        from imagist.training.classifiers.image import fit_images
    except ModuleNotFoundError as error:
        raise needs_torch(error) from error

    def fit(rows: Ints) -> ImageClassifier:
        items = [examples.items[row] for row in rows]
        targets = examples.targets[rows]
        return fit_images(settings, items, targets, examples.labels, seed=seed, data=data).classifier

    def score(classifier: ImageClassifier, rows: Ints) -> Array:
        return image_scores(classifier, examples.chosen(rows))

    return _held_out(fit, score, examples, folds)


def image_scores(classifier: ImageClassifier, examples: Examples) -> Array:
    """The probabilities of N images, decoded some at a time: float32 ``[N, C]``."""
    items = examples.items
    parts = (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
    return np.concatenate([classifier.scores([photo_of(item) for item in part]) for part in parts])


def _held_out(
    fit: Callable[[Ints], Any], score: Callable[[Any, Ints], Array], examples: Examples, folds: Sequence[Fold]
) -> CrossValidated[Any]:
    scores = np.zeros((len(examples), len(examples.labels)), np.float32)
    for fold in folds:
        scores[fold.test] = score(fit(fold.train), fold.test)
    return CrossValidated(fit(np.arange(len(examples))), scores)


def needs_torch(error: ModuleNotFoundError) -> MissingExtra:
    """The error that a classifier needs a library which is not installed."""
    return MissingExtra(f"this classifier needs {error.name}", remedy="pip install 'imagist[torch]'")
