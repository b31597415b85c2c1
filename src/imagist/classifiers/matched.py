"""`matched`: a linear layer over a matcher's embeddings, of images or of texts.

Its rows are the embeddings of the categories' names, and nothing is trained (`imagist.matching.zero_shot`); or it was
fitted to a few images, starting from those, and may then see the encoder's features behind the embeddings.

Shapes: N items; C classes; D width of the embeddings; E of the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import Array, softmax
from imagist.bundle import ENCODER, Folder, fingerprint, npz, open_part, write_part
from imagist.classifiers.calibration import TemperatureCalibration
from imagist.classifiers.fusion.scores import ScoreFusion
from imagist.classifiers.image.linear import pooled
from imagist.classifiers.taxonomy import Taxonomy
from imagist.errors import BundleError
from imagist.images.encoder import Encoder, encoder_of
from imagist.matching.negatives import negatives_of
from imagist.matching.opening import matcher_of
from imagist.matching.prompts import Descriptions
from imagist.matching.zero_shot import NONE, Layer, layers, settings_of
from imagist.protocols import Matcher, PartOptions
from imagist.records import LabelSet, Photo

KIND = "matched"
WEIGHTS = "weights.npz"
FEATURES = "features"
SCALE = "scale"
FEATURE_SCALE = 4.0  # of features of length 1 beside embeddings of length 1


@dataclass(frozen=True, eq=False)
class Matched:
    """What classifiers of images and of texts share.

    Attributes:
        matcher: Embeds; a part of the model for itself.
        layer: From embeddings to logits.
    """

    matcher: Matcher
    layer: Layer

    @property
    def labels(self) -> LabelSet:
        """The C names."""
        return self.layer.labels

    @property
    def concurrent(self) -> bool:
        """As its matcher."""
        return self.matcher.concurrent

    @cached_property
    def id(self) -> str:
        """Changes with weights, labels and matcher."""
        own = fingerprint(self.labels.names, self.layer.weights, self.layer.bias)
        negatives = self.layer.negatives
        rising = f"-{negatives.id}*{self.layer.scale:g}" if negatives else ""
        return f"{KIND}-{own}{rising}({self.matcher.id})"

    def scores_of(self, embeddings: Array) -> Array:
        """float32 ``[N, C]`` of embeddings ``[N, D]``, rows sum to 1."""
        return softmax(self.layer.logits(embeddings)).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Writes weights and card; the matcher is a part of the model for itself."""
        files = {"weights__npz": npz(weights=self.layer.weights, bias=self.layer.bias)}
        card = {"labels": list(self.labels), **self._card()}
        if self.layer.negatives is not None:
            card |= {SCALE: self.layer.scale, **self.layer.negatives.on_card()}
            files["negatives__npz"] = self.layer.negatives.content()
        write_part(folder, KIND, card, None, **files)

    def _card(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, eq=False)
class MatchedImages(Matched):
    """Implements `imagist.protocols.ImageClassifier`.

    Attributes:
        encoder: Of the features that the layer sees behind the embeddings; None where it sees none.
    """

    encoder: Encoder | None = None

    @cached_property
    def id(self) -> str:
        """Changes with weights, labels, matcher, and the encoder and its views."""
        behind = f",encoder={self.encoder.id},views={self.encoder.views}" if self.encoder else ""
        return f"{super().id}{behind}"

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.hidden(photos))

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """What the layer takes, float32 ``[N, D]``: the embeddings; ``[N, D + E]``: the features behind them."""
        embeddings = self.matcher.images(photos)
        if self.encoder is None or not photos:
            return embeddings
        return np.hstack([embeddings, FEATURE_SCALE * pooled(self.encoder, photos, normalised=True)])

    def _card(self) -> dict[str, Any]:
        return {FEATURES: True, ENCODER: self.encoder.version} if self.encoder else {}


class MatchedTexts(Matched):
    """Implements `imagist.protocols.TextClassifier`."""

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.hidden(texts))

    def hidden(self, texts: Sequence[str]) -> Array:
        """The embeddings, float32 ``[N, D]``."""
        return self.matcher.texts(texts)


def zero_shot(matcher: Matcher, categories: Descriptions) -> tuple[MatchedTexts, MatchedImages]:
    """Both classifiers of categories by name, without training.

    Raises:
        UsageError: As `imagist.matching.zero_shot.layers` raises.
    """
    image, text = layers(matcher, categories)
    return MatchedTexts(matcher, text), MatchedImages(matcher, image)


def zero_shot_parts(matcher: Matcher, categories: Descriptions, weight: float | None = None) -> dict[str, Any]:
    """Both classifiers, their fusion and calibration, by the names of a pipeline's parts.

    Args:
        matcher: Its settings say how much the caption counts.
        categories: By name.
        weight: Of the caption's opinion, 0 to 1; None is the matcher's own.

    Raises:
        UsageError: As `zero_shot` raises.
    """
    text, image = zero_shot(matcher, categories)
    fusion = ScoreFusion(settings_of(matcher).weight if weight is None else weight)
    calibration = TemperatureCalibration()
    return {"text_classifier": text, "image_classifier": image, "fusion": fusion, "calibration": calibration}


def keeping_none(taxonomy: Taxonomy, labels: LabelSet) -> Taxonomy:
    """The taxonomy with `NONE` as one more category, where the labels have it and no category does.

    `NONE` gets every label that no category has, so that the probability of what the taxonomy does not know is not
    given to what it knows.
    """
    listed = {member for members in taxonomy.members.values() for member in members}
    if NONE not in labels.names or NONE in listed:
        return taxonomy
    rest = tuple(label for label in labels if label not in listed)
    return Taxonomy(taxonomy.name, LabelSet((*taxonomy.labels, NONE)), {**taxonomy.members, NONE: rest})


def resolved(taxonomy: Taxonomy, labels: LabelSet) -> Taxonomy:
    """The taxonomy over the labels of a classifier, see `Taxonomy.resolve` and `keeping_none`.

    Raises:
        UsageError: As `Taxonomy.resolve` raises.
    """
    return keeping_none(taxonomy.resolve(labels), labels)


def load_text(model: str, options: PartOptions) -> MatchedTexts:
    """Loads a saved classifier of texts, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged, or its matcher is not there.
    """
    _, matcher, layer = _opened(model, "text_classifier", options)
    return MatchedTexts(matcher, layer)


def load_image(model: str, options: PartOptions) -> MatchedImages:
    """Loads a saved classifier of images, as `load_text` does."""
    folder, matcher, layer = _opened(model, "image_classifier", options)
    return MatchedImages(matcher, layer, encoder_of(folder, options) if folder.card.get(FEATURES) else None)


def _opened(model: str, part: str, options: PartOptions) -> tuple[Folder, Matcher, Layer]:
    folder = open_part(model, part)
    arrays = folder.arrays(WEIGHTS)
    weights, bias = arrays.get("weights"), arrays.get("bias")
    if weights is None or bias is None or weights.shape[:1] != bias.shape or bias.shape != (len(folder.labels),):
        raise BundleError("labels and weights do not fit together", item=str(folder.path), remedy="save it again")
    layer = Layer(folder.labels, weights, bias, negatives_of(folder), float(folder.card.get(SCALE, 1.0)))
    return folder, matcher_of(folder, options), layer
