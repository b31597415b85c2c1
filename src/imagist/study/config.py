"""The settings of a study: data, folds, captioners, text classifiers, image classifiers and fusions.

A study's TOML file holds them. `imagist.settings` reads it and reports all faults at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from imagist.datasets.source import Source
from imagist.errors import SettingError
from imagist.training.classifiers.image import Finetuned, LabelMap, Linear
from imagist.training.classifiers.text import Tfidf, Transformer, ZeroShot

FusionKind = Literal["score", "logit", "stacking", "features"]


@dataclass(frozen=True)
class Data:
    """The labelled images of a study. Relative paths are resolved against the data folder (``--data``).

    Attributes:
        sources: Labelled files (see `imagist.datasets.labels.read` for formats).
        taxonomy: Maps the files' labels to categories: a built-in name or a TOML file; None keeps the labels.
        first: Keep only the first N examples of each category that may be trained on, in the order of the sources;
            0 keeps all. With ``fixed`` splits the test split is always kept whole; otherwise all examples count.
        splits: Keep only examples of these splits; empty keeps all.
    """

    sources: tuple[Source, ...]
    taxonomy: str | None = None
    first: NonNegativeInt = 0
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folds:
    """How examples are divided into training, validation and test rows.

    Attributes:
        kind: ``stratified`` folds, folds ``grouped`` by account, or the files' own splits (``fixed``).
        number: Number of folds, unless splits are ``fixed``.
        seeds: One trial per seed: it seeds the folds (unless ``fixed``) and all training.
        inner: Number of inner folds that the training rows of a trial are cut into. A classifier is trained on all but
            one; that one is its validation fold, used for early stopping, calibration and fusion weights.
        fits: How many inner folds serve as validation fold in turn. With 1, a classifier is one model; with more, it is
            the mean of several models, and more rows choose the fusion weights.
        test: The test split, where splits are ``fixed``; several are joined by ``+``.
        shots: Train on this many examples per category, drawn with the seed; 0 trains on all of a fold.
        curve: Train all systems once more on each of these numbers of examples per category, for the chart of accuracy
            by labels.
        drop_leaks: Where splits are ``fixed``, remove training images that are near-duplicates of test images. Without
            it, such duplicates are an error.
    """

    kind: Literal["stratified", "grouped", "fixed"] = "stratified"
    number: Annotated[int, Field(ge=2)] = 5
    seeds: tuple[int, ...] = (0,)
    inner: Annotated[int, Field(ge=2)] = 5
    fits: PositiveInt = 1
    test: str = "dev"
    shots: NonNegativeInt = 0
    curve: tuple[PositiveInt, ...] = ()
    drop_leaks: bool = False


@dataclass(frozen=True)
class CaptionerChoice:
    """One captioner: a kind and a model, or a recipe, which is trained if its bundle does not exist yet.

    Attributes:
        name: Its name in tables and figures.
        model: As ``imagist caption --model``: a shipped name, a folder, or what ``kind`` takes.
        kind: As ``imagist caption --captioner``; None reads it from the model's card.
        recipe: A captioner's recipe, relative to the study's file; its bundle is trained once and kept.
        beam: Beam width.
        settings: Of its kind alone, such as ``prompt``; as ``imagist caption --captioner-setting``.
        trained_on: Splits whose images the captioner was trained on, for one whose model does not say which images it
            learnt from. A study that tests on them is refused.

    Raises:
        SettingError: Neither a model nor a recipe, or both.
    """

    name: str
    model: str | None = None
    kind: str | None = None
    recipe: str | None = None
    beam: PositiveInt = 3
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict, hash=False)
    trained_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.model is None) == (self.recipe is None):
            fault = "neither a model nor a recipe" if self.model is None else "both a model and a recipe"
            raise SettingError(fault, item="model", remedy=f"give captioner {self.name} one of the two")


@dataclass(frozen=True)
class TextChoice:
    """One text classifier.

    Attributes:
        name: Its name in tables and figures.
        settings: ``kind`` (``tfidf``, ``transformer`` or ``zeroshot``) and the settings of that kind.
    """

    name: str
    settings: Annotated[Tfidf | Transformer | ZeroShot, Field(discriminator="kind")]


@dataclass(frozen=True)
class ImageChoice:
    """One image classifier.

    Attributes:
        name: Its name in tables and figures.
        settings: ``kind`` (``labelmap``, ``linear`` or ``finetuned``) and the settings of that kind.
    """

    name: str
    settings: Annotated[LabelMap | Linear | Finetuned, Field(discriminator="kind")]


@dataclass(frozen=True)
class Fusions:
    """How text and image classifiers are fused.

    Attributes:
        kinds: Kinds of fusion.
        weights: Number of weights in 0..1 at which the sweep of the score fusion is evaluated.
        distilled: Also distil the first of these fusions into an image classifier, for each pair of classifiers, on
            the validation rows and on the unlabelled rows that ``shots`` leaves over.
        chosen_by: The criterion on validation rows that chooses the weight of a score fusion.
    """

    kinds: tuple[FusionKind, ...] = ("score",)
    weights: Annotated[int, Field(ge=3)] = 21
    distilled: bool = False
    chosen_by: Literal["nll", "accuracy"] = "nll"


@dataclass(frozen=True)
class Study:
    """All settings of a study.

    Attributes:
        name: Title of the report.
        data: The labelled images.
        about: The question of the study, in a sentence or two; printed at the top of the report.
        folds: Training, validation and test rows.
        captioners: Each is combined with each of ``text_classifiers``.
        text_classifiers: Classifiers of captions.
        image_classifiers: Classifiers of images; each is fused with each pair of captioner and text classifier.
        fusion: Kinds of fusion and their settings.
    """

    name: str
    data: Data
    about: str = ""
    folds: Folds = field(default_factory=Folds)
    captioners: tuple[CaptionerChoice, ...] = ()
    text_classifiers: tuple[TextChoice, ...] = ()
    image_classifiers: tuple[ImageChoice, ...] = ()
    fusion: Fusions = field(default_factory=Fusions)

    @property
    def relative_paths(self) -> tuple[str, ...]:
        """What is looked for in the data folder: images, weights and taxonomies by relative paths, and recipes."""
        paths = [getattr(source, name) for source in self.data.sources for name in ("path", "images", "names", "only")]
        paths += [choice.settings.network.weights for choice in self.image_classifiers]
        paths += [choice.recipe for choice in self.captioners]
        paths += [self.data.taxonomy] if str(self.data.taxonomy).endswith(".toml") else []
        return tuple(str(path) for path in paths if path is not None and not Path(path).is_absolute())
