"""Both classifiers and their fusion, fitted to examples: what ``imagist fit`` and ``imagist study --save`` share.

Shapes: N examples; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from imagist.arrays import Array
from imagist.classifiers.calibration import TemperatureCalibration
from imagist.classifiers.fusion import FeatureFusion, ScoreFusion
from imagist.classifiers.image.distilled import DistilledClassifier
from imagist.classifiers.taxonomy import Taxonomy
from imagist.datasets.folds import Fold, stratified
from imagist.errors import UsageError
from imagist.images.encoder import Encoder
from imagist.images.photo import photo_of
from imagist.protocols import Calibration, FeatureLevelFusion, Fusion, ImageClassifier, Matcher, TextClassifier
from imagist.training.classifiers.text_tfidf import Tfidf
from imagist.training.fit.classifiers import (
    AT_ONCE,
    fit_image_classifier,
    fit_text_classifier,
    image_scores,
    needs_torch,
)
from imagist.training.fit.examples import Examples
from imagist.training.fit.fusing import cross_fused, fit_fusion, with_taxonomies
from imagist.training.fit.settings import EncoderHead, FusionKind

Scores = tuple[Array, Array, Array]
"""Calibrated probabilities of the image classifier, of the text classifier, and fused: float32 ``[N, C]`` each."""


@dataclass(frozen=True, eq=False)
class System:
    """Fitted classifiers with their fusion.

    Attributes:
        text_classifier: Over captions.
        image_classifier: Over images.
        fusion: Of both.
        calibration: Of both and of the fused.
        held_out: Scores of the examples by classifiers and fusions that were fitted without them; None where the kind
            of fusion has none.
    """

    text_classifier: TextClassifier
    image_classifier: ImageClassifier
    fusion: Fusion | FeatureLevelFusion
    calibration: Calibration
    held_out: Scores | None

    def scores(self, examples: Examples) -> Scores:
        """Scores of other examples."""
        image = image_scores(self.image_classifier, examples)
        text = self.text_classifier.scores(examples.captions)
        if isinstance(self.fusion, FeatureLevelFusion):
            hidden: Any = self.text_classifier
            fused = self.fusion.fuse_features(
                image_features(self.image_classifier, examples), hidden.hidden(examples.captions)
            )
        else:
            fused = self.fusion.fuse(self.calibration.image(image), self.calibration.text(text))
        return self.calibration.image(image), self.calibration.text(text), self.calibration.fused(fused)


def fit_system(
    text: Any,
    image: Any,
    fusion: FusionKind,
    examples: Examples,
    folds: Sequence[Fold],
    *,
    seed: int = 0,
    weight: float | None = None,
    encoder: Encoder | None = None,
    matcher: Matcher | None = None,
    data: Path = Path(),
    taxonomies: Mapping[str, Taxonomy] | None = None,
    space: str | None = None,
) -> System:
    """Fits both classifiers to all examples, and the fusion to their held-out scores.

    Args:
        text: Settings of the text classifier; None for a system without one.
        image: Settings of the image classifier; None for a system without one.
        fusion: Its kind.
        examples: N of them.
        folds: Whose test rows together are all N rows.
        seed: Of all training.
        weight: Of the text classifier, where it is not to be chosen.
        encoder: Of the examples' features.
        matcher: Of the examples' embeddings.
        data: Folder in which weights are looked for.
        taxonomies: Further categories that get a weight and temperatures of their own, by name.
        space: The feature space of the encoder, where the examples are of several of its encoders.

    Raises:
        UsageError: Feature fusion of classifiers without features, taxonomies or weights of examples with parts that
            cannot use them.
        MissingExtra: A library is not installed.
    """
    check_sample_weights(examples.weights, text, image, fusion)
    sample_weights = examples.weights if np.ptp(examples.weights) else None
    if taxonomies and fusion != "score":
        raise UsageError(
            "only score fusion has weights for taxonomies", item="taxonomies", remedy="choose fusion score"
        )
    if fusion == "features":
        return _feature_fused(text, image, examples, folds, seed, encoder, data)
    seen = fit_image_classifier(image, examples, folds, seed, encoder=encoder, matcher=matcher, data=data, space=space)
    read = fit_text_classifier(text, examples, folds, seed, matcher=matcher)
    own = seen.scores, read.scores, examples.targets, examples.labels
    how: dict[str, Any] = {"weight": weight, "seed": seed, "sample_weights": sample_weights}
    fused = with_taxonomies(fit_fusion(fusion, *own, **how), taxonomies or {}, *own, **how)
    held_out = cross_fused(fusion, *own, folds, **how)
    return System(read.classifier, seen.classifier, fused.fusion, fused.calibration, held_out)


def check_sample_weights(weights: ArrayLike, text: Any, image: Any, fusion: FusionKind) -> None:
    """Makes sure that every part of a fit can use the weights of its examples, unless they are equal.

    Args:
        weights: ``[N]``.
        text: Settings of the text classifier, or None.
        image: Settings of the image classifier, or None.
        fusion: Its kind.

    Raises:
        UsageError: A part cannot.
    """
    if not np.ptp(weights):
        return
    parts = [
        *([] if text is None or isinstance(text, Tfidf) else [f"text_classifier {text.kind}"]),
        *([] if image is None or isinstance(image, EncoderHead) else [f"image_classifier {image.kind}"]),
        *([] if fusion == "score" else [f"fusion {fusion}"]),
    ]
    if parts:
        raise UsageError(
            f"images with weights cannot be used by {' and '.join(parts)}",
            item="weights",
            remedy="leave the weights out, or take tfidf, linear and score",
        )


def distil(system: System, examples: Examples, fused: Array, seed: int) -> System:
    """Teaches an image classifier the fused probabilities; the student needs no caption (Hinton et al. 2015).

    Args:
        system: The teacher; its image classifier gives the features.
        examples: N of them.
        fused: The teacher's held-out probabilities, float32 ``[N, C]``.
        seed: Of all training.

    Raises:
        UsageError: The image classifier has no features.
        MissingExtra: torch is not installed.
    """
    try:
        from imagist.training.classifiers.distilled import Distillation, fit_distilled
    except ModuleNotFoundError as error:
        raise needs_torch(error) from error
    base: Any = system.image_classifier
    features = image_features(base, examples)
    network = fit_distilled(Distillation(), features, fused, examples.targets, examples.labels, seed=seed).classifier
    student = DistilledClassifier(examples.labels, base, network)
    return System(system.text_classifier, student, ScoreFusion(0.0), TemperatureCalibration(), None)


def image_features(classifier: Any, examples: Examples) -> Array:
    """The features of N images, decoded some at a time: float32 ``[N, D]``.

    Raises:
        UsageError: The classifier has no features.
    """
    if not hasattr(classifier, "hidden"):
        raise UsageError("has no features", item=classifier.id, remedy="choose another fusion or classifier")
    items = examples.items
    parts = (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
    return np.concatenate([classifier.hidden([photo_of(item) for item in part]) for part in parts])


def _feature_fused(
    text: Any,
    image: Any,
    examples: Examples,
    folds: Sequence[Fold],
    seed: int,
    encoder: Encoder | None,
    data: Path,
) -> System:
    """The classifiers are fitted to all folds but the first, the network over their features to the first."""
    try:
        from imagist.training.classifiers.feature_fusion import Features, fit_feature_fusion
    except ModuleNotFoundError as error:
        raise needs_torch(error) from error
    train, rest = examples.chosen(folds[0].train), examples.chosen(folds[0].test)
    fewest = int(np.bincount(train.targets).min())
    inner = stratified(train.targets, max(2, min(len(folds), fewest)), seed)  # for penalties; other kinds need none
    seen: Any = fit_image_classifier(
        image, train, inner if isinstance(image, EncoderHead) else (), seed, encoder=encoder, data=data
    ).classifier
    read: Any = fit_text_classifier(text, train, inner if isinstance(text, Tfidf) else (), seed).classifier
    if not hasattr(read, "hidden"):
        raise UsageError("has no features", item=read.id, remedy="choose another fusion or text classifier")
    features = image_features(seen, rest), read.hidden(rest.captions)
    network = fit_feature_fusion(Features(), *features, rest.targets, rest.labels, seed=seed).classifier
    assert isinstance(network, FeatureFusion)
    return System(read, seen, network, TemperatureCalibration(), None)
