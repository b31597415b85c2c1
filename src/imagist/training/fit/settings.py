"""What ``imagist fit`` is asked for: data, parts, and how they are fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from imagist import settings
from imagist.datasets.source import Source
from imagist.errors import MissingExtra
from imagist.training.classifiers.text_tfidf import Tfidf

FusionKind = Literal["score", "logit", "stacking", "features"]


@dataclass(frozen=True)
class CaptionerSettings:
    """Which captioner the model gets.

    Attributes:
        model: A shipped model by name, a model folder, or what ``kind`` opens.
        kind: As ``--captioner`` of ``imagist caption``; none reads it from the model's card. ``recorded`` takes the
            captions of the labelled table where ``model`` is not a table itself.
        beam: Hypotheses that it follows; none takes its card's.
        settings: Of its kind alone, such as ``prompt``; as ``--captioner-setting`` of ``imagist caption``.
    """

    model: str | None = None
    kind: str | None = None
    beam: Annotated[int, Field(ge=1)] | None = None
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class EncoderHead:
    """A linear layer over the features of a model's encoder.

    Attributes:
        kind: Tells this table from those of other classifiers.
        model: The model that the encoder is taken from.
        names_up_to: Where a label has at most so many images on average, a layer that starts from the names of the
            labels, as `FromNames`, is fitted too, and the one under which held-out images are likelier stays. 0 never
            tries that.
    """

    kind: Literal["linear"] = "linear"
    model: str = "embedded"
    names_up_to: Annotated[int, Field(ge=0)] = 16


@dataclass(frozen=True)
class FromNames:
    """A layer over the embeddings of a matcher, of images or of captions, that starts from the names of the labels.

    Images move it from there, so that one image a label does some good (see
    `imagist.training.classifiers.few_shot`). A layer over images also sees the encoder's features.

    Attributes:
        kind: Tells this table from those of other classifiers.
        model: The model that the matcher is taken from.
        labels: A TOML file, or a set that ships, with sentences about some labels; none goes by the names alone.
    """

    kind: Literal["matched"] = "matched"
    model: str = "embedded"
    labels: str | None = None


@dataclass(frozen=True)
class FitSettings:
    """All of a fit.

    Attributes:
        sources: Labelled files or folders (see `imagist.datasets.labels.read_all`).
        name: Of the model; none takes the folder's.
        description: One line about the model.
        train: The split that is learnt from, where the data have splits.
        test: The split that the model is measured on; none takes ``test``, ``dev``, ``val`` or ``validation``,
            whichever there is, and cross-validation where there is none.
        captioner: Of the model.
        text_classifier: ``tfidf``, ``matched``, or settings of a classifier of a study, which needs torch.
        image_classifier: ``linear``, ``matched``, or settings of a classifier of a study, which needs torch.
        fusion: Its kind.
        weight: Of the text classifier; none chooses it on held-out images.
        taxonomies: Further categories over the labels, built-in ones by name or a user's own TOML files: the model gets
            a weight and temperatures for each, which ``classify --taxonomy`` then uses. For score fusion.
        encoders: By name, the encoders of one feature space through which every image is read, each giving a further
            training example, so that the model works with any of them; figures are of the first. Empty takes the
            model's own.
        folds: For calibration, the weight, and the figures where there is no test split.
        seed: Of the folds and of all training.
    """

    sources: tuple[Source, ...] = ()
    name: str | None = None
    description: str = ""
    train: str = "train"
    test: str | None = None
    captioner: CaptionerSettings = field(default_factory=CaptionerSettings)
    text_classifier: Any = field(default_factory=Tfidf)
    image_classifier: Any = field(default_factory=EncoderHead)
    fusion: FusionKind = "score"
    weight: Annotated[float, Field(ge=0, le=1)] | None = None
    taxonomies: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    folds: Annotated[int, Field(ge=2)] = 5
    seed: Annotated[int, Field(ge=0)] = 0


def classifier_settings(table: Any, part: Literal["text_classifier", "image_classifier"]) -> Any:
    """The settings of a classifier from its TOML table; settings that are read already stay as they are.

    Raises:
        UsageError: No classifier of that kind, or settings at fault.
        MissingExtra: The classifier needs torch, which is not installed.
    """
    if not isinstance(table, Mapping):
        return table
    own: type[Tfidf] | type[EncoderHead] = Tfidf if part == "text_classifier" else EncoderHead
    for each in (own, FromNames):
        if table.get("kind", own.kind) == each.kind:
            return settings.from_table(table, each, part)
    try:
        from imagist.training.fit.torch_settings import ImageChoice, TextChoice
    except ModuleNotFoundError as error:
        raise MissingExtra(f"this {part} needs {error.name}", remedy="pip install 'imagist[torch]'") from error
    given = {"settings": dict(table)}
    if part == "text_classifier":
        return settings.from_table(given, TextChoice, part).settings
    return settings.from_table(given, ImageChoice, part).settings
