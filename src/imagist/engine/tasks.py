"""The work on each image: classify, caption, describe, interrogate, explain, profile; with columns and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from imagist.images.stream import Work
from imagist.records import Caption, Photo, Prediction
from imagist.records.flat import (
    CAPTION_FIELDS,
    DESCRIPTION_FIELDS,
    INTERROGATION_FIELDS,
    POST_IMAGE_FIELDS,
    PREDICTION_FIELDS,
    Kind,
    Result,
    columns,
)

if TYPE_CHECKING:
    from imagist.captioning.description import Box, Description
    from imagist.captioning.interrogation.interrogator import Interrogator
    from imagist.captioning.interrogation.record import Interrogation
    from imagist.explanation import Curve, ExplainOptions, Explanation
    from imagist.pipeline import Pipeline
    from imagist.profiles.images import PostImage
    from imagist.protocols import Captioner, Matcher

T = TypeVar("T", bound=Result)


@dataclass(frozen=True)
class Task(Generic[T]):
    """What a run does with its images.

    Attributes:
        work: N photos to N results, in order; called from ``concurrency`` threads.
        columns: The columns of the table, without those that the inputs carry.
        settings: All settings that decide the results, JSON values by name. A run resumes only with equal settings.
        concurrency: Batches worked on at the same time, >= 1.
    """

    work: Work[T]
    columns: Mapping[str, Kind]
    settings: Mapping[str, object]
    concurrency: int = 1


def classification(pipeline: Pipeline, *, hashes: bool = False) -> Task[Prediction]:
    """A caption, a category and probabilities for each image.

    Args:
        pipeline: Predicts them.
        hashes: Whether to add a column of perceptual hashes, by which profiles of accounts know near-duplicates.
    """
    settings = {"task": "classify", **pipeline.ids}
    if hashes:
        from imagist.profiles.images import hashed

        fields = columns((*PREDICTION_FIELDS, "perceptual_hash"))
        return Task(hashed(pipeline), fields, {**settings, "hashes": True}, pipeline.concurrency)
    return Task(pipeline.predict, columns(PREDICTION_FIELDS), settings, pipeline.concurrency)


def post_images(pipeline: Pipeline, *, embed: bool = False) -> Task[PostImage]:
    """What profiles of accounts need of each image; arguments and errors as of `imagist.profiles.images.viewer`."""
    from imagist.profiles.images import viewer

    work = viewer(pipeline, embed=embed)
    matcher = pipeline.matcher.id if embed and pipeline.matcher else None
    settings = {"task": "profile", **pipeline.ids, "embedding": matcher}
    return Task(work, columns(POST_IMAGE_FIELDS), settings, pipeline.concurrency)


def captioning(
    captioner: Captioner, *, nbest: int = 1, concurrency: int = 1, similarity: bool = False
) -> Task[Caption]:
    """A caption for each image, with its n best hypotheses.

    Args:
        captioner: Returns ``nbest`` hypotheses an image.
        nbest: Part of the settings of the run.
        concurrency: Batches that the captioner takes at the same time.
        similarity: Whether captions have a cosine with their image, which is one more column.
    """
    settings = {"task": "caption", "captioner": captioner.id, "nbest": nbest}
    fields = (*CAPTION_FIELDS, "similarity") if similarity else CAPTION_FIELDS
    return Task(captioner.caption, columns(fields), settings, concurrency)


def interrogation(interrogator: Interrogator, *, concurrency: int = 1) -> Task[Interrogation]:
    """A caption of each image and the phrases that fit it.

    Args:
        interrogator: Finds them.
        concurrency: Batches that it takes at the same time.
    """
    settings = {"task": "interrogate", "interrogator": interrogator.id}
    return Task(interrogator.interrogate, columns(INTERROGATION_FIELDS), settings, concurrency)


def description(
    captioner: Captioner,
    *,
    detail: int = 1,
    region: Box | None = None,
    batch_size: int = 32,
    concurrency: int = 1,
    matcher: Matcher | None = None,
) -> Task[Description]:
    """A description of each image, or of a region of each.

    Args:
        captioner: Writes the captions that descriptions are made from.
        detail: 0 a few words, 1 a sentence, 2 a longer sentence, 3 a paragraph.
        region: The part to describe; None describes the whole image.
        batch_size: Parts of images that the captioner takes in one call.
        concurrency: Batches that the captioner takes at the same time.
        matcher: Leaves out what is said of a part and not seen there.
    """
    from imagist.captioning.description import describe_all

    def work(photos: Sequence[Photo]) -> list[Description]:
        how: dict[str, Any] = {"detail": detail, "region": region, "batch_size": batch_size, "matcher": matcher}
        return describe_all(captioner, photos, **how)

    settings = {"task": "describe", "captioner": captioner.id, "detail": detail, "region": region}
    settings["matcher"] = matcher.id if matcher else None
    return Task(work, columns(DESCRIPTION_FIELDS), settings, concurrency)


@dataclass(frozen=True, eq=False)
class Explained:
    """An explanation of one image, and where asked for its deletion curves by name."""

    explanation: Explanation
    curves: Mapping[str, Curve]

    def fields(self) -> dict[str, object]:
        """The record of the prediction that is explained."""
        return self.explanation.prediction.fields()


def explanation(pipeline: Pipeline, options: ExplainOptions, *, deletion: bool = False) -> Task[Explained]:
    """The words and the parts of each image that decided its category.

    Args:
        pipeline: Its predictions are explained.
        options: How parts of an image are hidden.
        deletion: Whether to compute deletion curves as well.
    """
    from imagist.explanation import deletions, explain

    def work(photos: Sequence[Photo]) -> list[Explained]:
        found = explain(pipeline, photos, options)
        curves = deletions(pipeline, photos, found, options) if deletion else [{} for _ in photos]
        return [Explained(one, of_one) for one, of_one in zip(found, curves, strict=True)]

    settings = {"task": "explain", **pipeline.ids, "options": repr(options), "deletion": deletion}
    return Task(work, columns(PREDICTION_FIELDS), settings, pipeline.concurrency)
