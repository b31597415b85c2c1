"""From images to posts: what profiles need to know of each image."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagist.arrays import Array
from imagist.datasets.near_duplicates import perceptual_hash
from imagist.errors import UsageError
from imagist.images import rows
from imagist.images.stream import run
from imagist.pipeline import Pipeline
from imagist.profiles.collecting import Collector, with_posts
from imagist.profiles.posts import Posts
from imagist.records import Photo, Prediction
from imagist.records.flat import as_record


@dataclass(frozen=True, eq=False)
class PostImage:
    """An image of a post: its prediction, and what tells it from other images.

    Attributes:
        prediction: Of the image, with its perceptual hash.
        embedding: float32 ``[D]``, by the matcher; None where it is not needed.
    """

    prediction: Prediction
    embedding: Array | None = None

    def fields(self) -> dict[str, object]:
        """``POST_IMAGE_FIELDS`` of a record; see `imagist.records.flat`."""
        packed = None if self.embedding is None else self.embedding.astype("<f2").tobytes()
        return {**self.prediction.fields(), "embedding": packed and b64encode(packed).decode("ascii")}


def hashed(pipeline: Pipeline) -> Callable[[Sequence[Photo]], list[Prediction]]:
    """What predicts N photos and adds their perceptual hashes, by which near-duplicates are known."""

    def predict(photos: Sequence[Photo]) -> list[Prediction]:
        pairs = zip(pipeline.predict(photos), photos, strict=True)
        return [replace(each, perceptual_hash=perceptual_hash(photo.pixels)) for each, photo in pairs]

    return predict


def viewer(pipeline: Pipeline, *, embed: bool = False) -> Callable[[Sequence[Photo]], list[PostImage]]:
    """What looks at N photos and returns a `PostImage` for each, in order.

    Args:
        pipeline: Classifies them.
        embed: Whether the pipeline's matcher embeds them as well.

    Raises:
        UsageError: There is no matcher.
    """
    matcher = pipeline.matcher if embed else None
    if embed and matcher is None:
        raise UsageError("the model has no matcher to embed images", remedy="choose one with a matcher")

    predict = hashed(pipeline)

    def view(photos: Sequence[Photo]) -> list[PostImage]:
        embeddings = [None] * len(photos) if matcher is None else [*matcher.images(photos)]
        return [PostImage(*pair) for pair in zip(predict(photos), embeddings, strict=True)]

    return view


def read_images(
    pipeline: Pipeline,
    sources: Sequence[str],
    *,
    by: str | None = None,
    text: str | None = None,
    label: str | None = None,
    column: str | None = None,
    images: Path | None = None,
    embed: bool = False,
    batch_size: int = 32,
    workers: int = 2,
) -> Posts:
    """The posts of images, classified.

    Args:
        pipeline: Classifies them.
        sources: Tables with a column of accounts, or folders with a folder an account; see `imagist.images.rows`.
        by: The column of accounts; found by its name where it is None.
        text: The column of the authors' texts; the same.
        label: The column of the posts' true categories; the same.
        column: The column of images; the same.
        images: The folder of relative paths in tables; their own folder where it is None.
        embed: Whether the pipeline's matcher embeds them, for `imagist.profiles.searching`.
        batch_size: Images classified together.
        workers: Threads that read and decode.

    Raises:
        UsageError: There is no such column, there are no posts, or no matcher.
    """
    collector = Collector(by, sources, text, label)
    found = with_posts(rows(sources, column=column, images=images))
    view = viewer(pipeline, embed=embed)
    for outcomes in run(found, view, batch_size=batch_size, workers=workers, concurrency=pipeline.concurrency):
        for outcome in outcomes:
            row = outcome.source
            collector.add(row.source, row.columns, as_record(row.source, outcome.result))
    return collector.posts()
