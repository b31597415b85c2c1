"""The settings of classifiers that need torch, as a fit's configuration may name them."""

from __future__ import annotations

from dataclasses import dataclass

from imagist.training.classifiers.image import Finetuned, LabelMap, Linear
from imagist.training.classifiers.text import Transformer, ZeroShot


@dataclass(frozen=True)
class TextChoice:
    """A text classifier of a study."""

    settings: Transformer | ZeroShot


@dataclass(frozen=True)
class ImageChoice:
    """An image classifier of a study."""

    settings: LabelMap | Linear | Finetuned
