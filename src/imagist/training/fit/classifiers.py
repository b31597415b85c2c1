"""Both classifiers of a fit, with held-out scores of every example: linear ones here, others as studies fit them.

Shapes: N examples; C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import Array, Ints
from imagist.bundle import open_bundle
from imagist.classifiers.matched import MatchedImages, MatchedTexts
from imagist.classifiers.uniform import Uniform
from imagist.datasets.entries import Example
from imagist.datasets.folds import Fold
from imagist.errors import MissingExtra, UsageError
from imagist.images.encoder import Encoder, Encoders, encoder_of
from imagist.images.photo import photo_of
from imagist.matching.opening import MATCHER, Matchers, open_matcher
from imagist.matching.prompts import Descriptions, read_labels
from imagist.matching.zero_shot import Layer, layers
from imagist.metrics.classes import negative_log_likelihood
from imagist.protocols import ImageClassifier, Matcher, PartOptions, TextClassifier
from imagist.records import LabelSet, Photo
from imagist.training.classifiers.few_shot import with_features
from imagist.training.classifiers.text_tfidf import Tfidf
from imagist.training.fit.examples import Examples
from imagist.training.fit.heads import CrossValidated, fit_from_names, fit_image_head, fit_text_head
from imagist.training.fit.settings import EncoderHead, FromNames

log = logging.getLogger("imagist.training")

IMAGE_CAUTION = 3e-4  # of `fit_few_shot` over embeddings and features
TRIED = 1500  # images up to which names are tried unasked: the fit takes about a minute
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
    if not isinstance(settings, EncoderHead | FromNames):
        return None
    bundle = open_bundle(settings.model)
    part = bundle.part("image_classifier" if bundle.has("image_classifier") else "captioner")
    return encoder_of(part, PartOptions(encoders=encoders, encoder=name))


def names_matcher(
    settings: Sequence[Any], items: Sequence[Example], encoders: Encoders, name: str | None = None
) -> Matcher | None:
    """The matcher over whose embeddings classifiers start from the names of the labels; None where none does.

    Args:
        settings: Of the classifiers.
        items: The images to learn from.
        encoders: Shared with the captioner.
        name: Of the encoder, as in `encoder_for`.

    Raises:
        BundleError: The model that it is taken from cannot be used.
        UsageError: Two classifiers ask for matchers of different models.
    """
    asked = {each.model for each in settings if isinstance(each, FromNames)}
    if len(asked) > 1:
        raise UsageError(
            f"a model has one matcher, not those of {' and '.join(sorted(asked))}", remedy="take both from one model"
        )
    tried = [
        each.model
        for each in settings
        if isinstance(each, EncoderHead) and tries_names(each, items) and open_bundle(each.model).has(MATCHER)
    ]
    model = next(iter(asked), None) or next(iter(tried), None)
    if model is None:
        return None
    return open_matcher(model, PartOptions(encoders=encoders, encoder=name, matchers=Matchers()))


def tries_names(settings: EncoderHead, items: Sequence[Example]) -> bool:
    """Whether the images to learn from are so few that a layer which starts from the names of labels is tried, too."""
    return len(items) <= min(TRIED, settings.names_up_to * len({item.label for item in items}))


def fit_text_classifier(
    settings: Any, examples: Examples, folds: Sequence[Fold], seed: int, *, matcher: Matcher | None = None
) -> CrossValidated[TextClassifier]:
    """Fits a text classifier to all captions, and one without each fold for the scores of that fold.

    Args:
        settings: `Tfidf`, `FromNames`, or those of a study's text classifier; None for a system without one.
        examples: N of them.
        folds: Of the N rows.
        seed: Of all training.
        matcher: Of the examples' embeddings, for `FromNames`.
    """
    if settings is None:
        absent: Uniform[str] = Uniform(examples.labels)
        return CrossValidated(absent, absent.scores(examples.captions))
    if isinstance(settings, Tfidf):
        head = fit_text_head(settings, examples.captions, examples.targets, examples.labels, folds, examples.weights)
        return CrossValidated(head.classifier, head.scores)
    if isinstance(settings, FromNames):
        assert matcher is not None
        assert examples.embeddings is not None
        _, start = start_layers(settings, matcher, examples.labels)
        named = fit_from_names(start, examples.embeddings.captions, examples.targets, folds, seed)
        return CrossValidated(MatchedTexts(matcher, named.classifier), named.scores)
    try:
        from imagist.training.classifiers.text import fit_words
    except ModuleNotFoundError as error:
        raise needs_torch(error) from error

    def fit(rows: Ints) -> TextClassifier:
        return fit_words(
            settings, examples.captions_of(rows), examples.targets[rows], examples.labels, seed=seed
        ).classifier

    def score(classifier: TextClassifier, rows: Ints) -> Array:
        return classifier.scores(examples.captions_of(rows))

    return _held_out(fit, score, examples, folds)


def fit_image_classifier(
    settings: Any,
    examples: Examples,
    folds: Sequence[Fold],
    seed: int,
    *,
    encoder: Encoder | None = None,
    matcher: Matcher | None = None,
    data: Path = Path(),
    space: str | None = None,
) -> CrossValidated[ImageClassifier]:
    """Fits an image classifier to all images, and one without each fold for the scores of that fold.

    Args:
        settings: `EncoderHead`, `FromNames`, or those of a study's image classifier; None for a system without one.
        examples: N of them.
        folds: Of the N rows.
        seed: Of all training.
        encoder: Of the features, for `EncoderHead`.
        matcher: Of the examples' embeddings, for `FromNames`; `EncoderHead` tries it if there is one.
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
        linear = CrossValidated[ImageClassifier](replace(head.classifier, space=space), head.scores)
        bound = space is not None  # a layer over embeddings serves one encoder
        if matcher is None or bound or np.ptp(examples.weights) or not tries_names(settings, examples.items):
            return linear
        named = _images_from_names(FromNames(), examples, folds, seed, matcher, encoder)
        losses = [negative_log_likelihood(each.scores, examples.targets) for each in (linear, named)]
        log.info("held-out loss %.4f of features, %.4f from the names", *losses)
        return named if losses[1] < losses[0] else linear
    if isinstance(settings, FromNames):
        assert matcher is not None
        return _images_from_names(settings, examples, folds, seed, matcher, encoder)
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


def _images_from_names(
    settings: FromNames,
    examples: Examples,
    folds: Sequence[Fold],
    seed: int,
    matcher: Matcher,
    encoder: Encoder | None,
) -> CrossValidated[ImageClassifier]:
    assert examples.embeddings is not None
    start, _ = start_layers(settings, matcher, examples.labels)
    start, rows = with_features(start, examples.embeddings.images, examples.features)
    named = fit_from_names(start, rows, examples.targets, folds, seed, IMAGE_CAUTION)
    return CrossValidated(MatchedImages(matcher, named.classifier, encoder), named.scores)


def start_layers(settings: FromNames, matcher: Matcher, labels: LabelSet) -> tuple[Layer, Layer]:
    """The layers over images and captions from the names of the labels alone.

    Raises:
        UsageError: Descriptions that cannot be read, or of what is no label.
    """
    told = read_labels(settings.labels).told if settings.labels else {}
    known = len(labels)  # "none of these", which may follow, has no images
    image, text = layers(matcher, Descriptions(labels, told))
    of_images = Layer(labels, image.weights[:known], image.bias[:known])
    return of_images, Layer(labels, text.weights[:known], text.bias[:known])


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
