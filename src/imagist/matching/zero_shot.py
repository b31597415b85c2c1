"""A linear layer over a matcher's embeddings, from the names of categories alone.

How cosines become probabilities is on the matcher's card, in the table ``[zero_shot]``: whoever trains the matcher fits
it there.

Shapes: N items; C categories, `NONE` included where there is one; D width of the embeddings.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal

import numpy as np

from imagist.arrays import AnyArray, Array, Floats
from imagist.bundle import Folder
from imagist.errors import BundleError, SettingError
from imagist.matching.background import Background
from imagist.matching.negatives import Negatives
from imagist.matching.prompts import PLACE, Descriptions, label_vectors, sentences
from imagist.protocols import Matcher
from imagist.records import LabelSet

NONE = "none of these"
"""The label of what resembles none of the categories enough."""

TABLE = "zero_shot"
TEMPLATES = (
    "a photo of a {label}",
    "a photo of {label}",
    "a picture of the {label}",
    "a close-up photo of {label}",
    "{label}",
)
STANDARD_SCALE = 2.0  # of cosines in units of their spread
Side = Literal["image", "text"]


@dataclass(frozen=True)
class ZeroShot:
    """Settings of a matcher for categories by their names.

    A *score* is the cosine between an image, or a caption, and a category. Where the matcher has a background
    (`imagist.matching.background`), it is that cosine less its mean over unlabelled images, divided by its spread.
    Where the matcher has negatives (`imagist.matching.negatives`), the threshold of an image rises with its nearness to
    these.

    Attributes:
        templates: The sentences about a category, each with ``{label}``; their embeddings are averaged.
        image_scale: What the scores of an image are multiplied by before the softmax, > 0; None is the matcher's scale,
            or `STANDARD_SCALE` where it has a background.
        text_scale: The same for the scores of a caption.
        weight: Of the caption's opinion in the fusion, 0 to 1.
        image_threshold: The score that an image has at least with one of the categories; with a lower one it is
            `NONE`. None never says so.
        text_threshold: The same for captions.

    Raises:
        SettingError: A template without a place for the label, or no template; or a number out of its range.
    """

    templates: tuple[str, ...] = TEMPLATES
    image_scale: float | None = None
    text_scale: float | None = None
    weight: float = 0.2
    image_threshold: float | None = None
    text_threshold: float | None = None

    def __post_init__(self) -> None:
        if not self.templates or any(PLACE not in template for template in self.templates):
            raise SettingError("each template names a place for the label", item="templates", remedy=f"such as {PLACE}")
        if not 0 <= self.weight <= 1:
            raise SettingError(f"a weight lies in 0..1, not {self.weight}", item="weight")
        for name in ("image_scale", "text_scale", "image_threshold", "text_threshold"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and (value > 0 or name.endswith("threshold"))):
                raise SettingError(f"a number out of its range: {value}", item=name)

    def on_card(self) -> dict[str, Any]:
        """The table for a card; empty where all settings are the default ones."""
        default = asdict(ZeroShot())
        own = {name: value for name, value in asdict(self).items() if value != default[name]}
        return {TABLE: own} if own else {}


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer over embeddings, whose softmax are probabilities.

    Attributes:
        labels: The C names.
        weights: float32 ``[C, D]``.
        bias: float32 ``[C]``; minus infinity for a category that is never named.
        negatives: What adds to the logit of the last label, which is then `NONE`; None where nothing does.
        scale: What it is multiplied by, > 0.
    """

    labels: LabelSet
    weights: Array
    bias: Array
    negatives: Negatives | None = None
    scale: float = 1.0

    def logits(self, embeddings: AnyArray) -> Floats:
        """float64 ``[N, C]`` of embeddings ``[N, D]``."""
        found = np.asarray(embeddings @ self.weights.astype(np.float64).T + self.bias)
        if self.negatives is not None:
            found[:, -1] += self.scale * self.negatives.of(embeddings)
        return found


def zero_shot_of(folder: Folder) -> ZeroShot:
    """The settings on a matcher's card; the default ones where it has none.

    Raises:
        BundleError: They cannot be understood.
    """
    table = dict(folder.card.get(TABLE, {}))
    try:
        unknown = sorted({*table} - {each.name for each in fields(ZeroShot)})
        if unknown:
            raise SettingError("no such setting", item=", ".join(unknown))
        templates = tuple(map(str, table.pop("templates", TEMPLATES)))
        return ZeroShot(templates, **{name: float(value) for name, value in table.items()})
    except (TypeError, ValueError) as error:
        raise BundleError(f"the card cannot be understood: {error}", item=str(folder.path)) from error


def settings_of(matcher: Matcher) -> ZeroShot:
    """A matcher's own settings, its attribute ``zero_shot``; the default ones where it has none."""
    own = getattr(matcher, "zero_shot", None)
    return own if isinstance(own, ZeroShot) else ZeroShot()


def layers(matcher: Matcher, categories: Descriptions) -> tuple[Layer, Layer]:
    """The layers over the embeddings of images and over those of captions, for categories by name.

    Both have the same labels: the categories, and `NONE` where a threshold is set and the categories do not name it.

    Raises:
        UsageError: A description of what is no category, or one that is empty or too long for the matcher.
    """
    chosen = settings_of(matcher)
    vectors = label_vectors(matcher.texts, sentences(categories.labels, categories.told, chosen.templates))
    rejects = (chosen.image_threshold, chosen.text_threshold) != (None, None) and NONE not in categories.labels.names
    labels = LabelSet((*categories.labels, NONE)) if rejects else categories.labels
    sides: tuple[Side, Side] = ("image", "text")
    image, text = (Layer(labels, *_rows(matcher, chosen, vectors, side, rejects)) for side in sides)
    negatives = getattr(matcher, "negatives", None)
    if chosen.image_threshold is not None and rejects and isinstance(negatives, Negatives):
        image = replace(image, negatives=negatives, scale=_scale(matcher, chosen.image_scale))
    return image, text


def _scale(matcher: Matcher, own: float | None) -> float:
    """What scores are multiplied by, see `ZeroShot`."""
    return own or (STANDARD_SCALE if isinstance(getattr(matcher, "background", None), Background) else matcher.scale)


def _rows(matcher: Matcher, chosen: ZeroShot, vectors: Array, side: Side, rejects: bool) -> tuple[Array, Array]:
    """Weights and bias of a layer: scores times the scale; `NONE`, the last row, always has the threshold's score."""
    background = getattr(matcher, "background", None)
    of_image = side == "image"
    scale = _scale(matcher, chosen.image_scale if of_image else chosen.text_scale)
    if isinstance(background, Background):
        means, spreads = background.of_images(vectors) if of_image else background.of_texts(vectors)
    else:
        means, spreads = np.zeros(len(vectors)), np.ones(len(vectors))
    weights, bias = scale * vectors / spreads[:, None], -scale * means / spreads
    if rejects:
        threshold = chosen.image_threshold if of_image else chosen.text_threshold
        weights = np.vstack([weights, np.zeros_like(weights[:1])])
        bias = np.append(bias, -np.inf if threshold is None else scale * threshold)
    return weights.astype(np.float32), bias.astype(np.float32)
