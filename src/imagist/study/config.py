"""What a study's TOML file says: data, folds, captioners, classifiers of words and of images, fusions.

`imagist.settings` reads it and reports every fault at once; each field is documented here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from imagist.datasets.labels import Source
from imagist.errors import SettingError
from imagist.training.classifiers.image import Finetuned, LabelMap, Linear
from imagist.training.classifiers.text import Bag, Transformer, ZeroShot

FusionKind = Literal["score", "logit", "stacking", "features"]


@dataclass(frozen=True)
class Data:
    """What to classify. Paths are looked for in the data folder (``--data``) where they are not absolute.

    Attributes:
        sources: Labelled files (see `imagist.datasets.labels.read` for formats).
        taxonomy: From the files' labels to categories: a built-in name or a TOML file; none takes the labels.
        first: Only the first N examples of each category among those that may be trained on, in the order of the
            sources; 0 takes all. Where folds are made here these are all examples, whatever their splits; where splits
            are ``fixed``, those of all splits but the one that judges, which stays whole.
        splits: Only examples of these splits; none takes all.
    """

    sources: tuple[Source, ...]
    taxonomy: str | None = None
    first: NonNegativeInt = 0
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folds:
    """What is trained on and what judges.

    Attributes:
        kind: ``stratified`` folds, folds ``grouped`` by account, or the files' own splits (``fixed``).
        number: Folds, where they are made.
        seeds: A trial each: of the folds, where they are made, and of all training.
        inner: What is trained on is cut into so many inner folds; a classifier is fitted without one of them, which
            stops it early, calibrates it and chooses fusion weights.
        fits: How many of the inner folds are so held out, one after the other. With 1 a classifier is one model; with
            more it is the mean of several, and more rows choose the weights.
        test: The split that judges, where splits are ``fixed``.
        shots: Train on so many examples of each category, drawn by the seed; 0 trains on all of a fold.
        drop_leaks: Leave near-duplicates of what is judged out of what is trained on, where splits are ``fixed``;
            without it they are refused.
    """

    kind: Literal["stratified", "grouped", "fixed"] = "stratified"
    number: Annotated[int, Field(ge=2)] = 5
    seeds: tuple[int, ...] = (0,)
    inner: Annotated[int, Field(ge=2)] = 5
    fits: PositiveInt = 1
    test: str = "dev"
    shots: NonNegativeInt = 0
    drop_leaks: bool = False


@dataclass(frozen=True)
class CaptionerChoice:
    """One captioner: of a kind and a model, or of a recipe that is trained where its bundle is not there yet.

    Attributes:
        name: In tables.
        model: As ``imagist caption --model``: a shipped name, a folder, or what ``kind`` takes.
        kind: As ``imagist caption --captioner``; none reads it from the model's card.
        recipe: A captioner's recipe, looked for beside the study's file; its bundle is trained once and kept.
        beam: Hypotheses followed.
        seen: Splits whose photos the captioner has learnt from; a study that judges on them is refused.

    Raises:
        SettingError: Neither a model nor a recipe, or both.
    """

    name: str
    model: str | None = None
    kind: str | None = None
    recipe: str | None = None
    beam: PositiveInt = 3
    seen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.model is None) == (self.recipe is None):
            told = "neither a model nor a recipe" if self.model is None else "both a model and a recipe"
            raise SettingError(told, item="model", remedy=f"give captioner {self.name} one of the two")


@dataclass(frozen=True)
class TextChoice:
    """One classifier of words.

    Attributes:
        name: In tables.
        settings: ``kind`` ``bag``, ``transformer`` or ``zeroshot``, and its settings.
    """

    name: str
    settings: Annotated[Bag | Transformer | ZeroShot, Field(discriminator="kind")]


@dataclass(frozen=True)
class ImageChoice:
    """One classifier of images.

    Attributes:
        name: In tables.
        settings: ``kind`` ``labelmap``, ``linear`` or ``finetuned``, and its settings.
    """

    name: str
    settings: Annotated[LabelMap | Linear | Finetuned, Field(discriminator="kind")]


@dataclass(frozen=True)
class Fusions:
    """How opinions are joined.

    Attributes:
        kinds: Of fusion.
        weights: Places in 0..1 at which the score fusion's sweep is drawn.
        distilled: Also teach an image classifier what the first of these fusions says of each pair, on images that
            were held out or that ``shots`` left over.
        chosen_by: What a score fusion's weight is chosen by on the inner rows.
    """

    kinds: tuple[FusionKind, ...] = ("score",)
    weights: Annotated[int, Field(ge=3)] = 21
    distilled: bool = False
    chosen_by: Literal["nll", "accuracy"] = "nll"


@dataclass(frozen=True)
class Study:
    """All of a study.

    Attributes:
        name: Heads the report.
        about: What it asks, in a sentence or two; stands above the report.
        data: What to classify.
        folds: What is trained on and what judges.
        captioners: Each is combined with each of ``text_classifiers``.
        text_classifiers: Classifiers of words.
        image_classifiers: Classifiers of images, each fused with each pair of the above.
        fusion: How.
    """

    name: str
    data: Data
    about: str = ""
    folds: Folds = field(default_factory=Folds)
    captioners: tuple[CaptionerChoice, ...] = ()
    text_classifiers: tuple[TextChoice, ...] = ()
    image_classifiers: tuple[ImageChoice, ...] = ()
    fusion: Fusions = field(default_factory=Fusions)
