"""Photos to predictions: caption, the text classifier's probabilities, the image classifier's, and their fusion.

Shapes: N photos, F labels of the classifiers, C categories of the taxonomy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from imagist import registry
from imagist.arrays import Array
from imagist.bundle import Bundle, open_bundle, open_part, write_bundle
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import card_decoding, card_threads, cores, default_decoding, open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.classifiers.calibration import TemperatureCalibration
from imagist.classifiers.matched import resolved, zero_shot_parts
from imagist.classifiers.recognition import recognised_by
from imagist.classifiers.taxonomy import Taxonomy, identity, open_taxonomy, taxonomy_key
from imagist.errors import UsageError
from imagist.images import DecodeLimits
from imagist.images.encoder import Encoders
from imagist.images.photo import Item
from imagist.images.stream import run
from imagist.matching.confidence import caption_confidences
from imagist.matching.opening import MATCHER, Matchers, open_matcher
from imagist.matching.prompts import Labels, read_labels
from imagist.protocols import (
    Calibration,
    Captioner,
    FeatureLevelFusion,
    Fusion,
    ImageClassifier,
    ImageFeatures,
    Matcher,
    Part,
    PartOptions,
    TextClassifier,
    TextFeatures,
)
from imagist.records import Failure, LabelSet, Photo, Prediction

_PARTS = ("captioner", "text_classifier", "image_classifier", "fusion", "calibration")


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The parts in a row; each can be replaced by any other of its protocol.

    Attributes:
        captioner: Writes a caption.
        text_classifier: Classifies the caption over F labels.
        image_classifier: Classifies the image over the same.
        taxonomy: From those labels to the categories asked for.
        fusion: Fuses the probabilities, or the features, of the two classifiers.
        calibration: Of each classifier's probabilities and of the fused.
        abstain_below: Below this top probability no category is named, 0 to 1.
        concurrency: Batches processed at a time.
        matcher: Embeds images and texts; saved with the pipeline. None where it has none.

    Raises:
        UsageError: Parts that do not fit together.
    """

    captioner: Captioner
    text_classifier: TextClassifier
    image_classifier: ImageClassifier
    taxonomy: Taxonomy
    fusion: Fusion | FeatureLevelFusion
    calibration: Calibration = field(default_factory=TemperatureCalibration)
    abstain_below: float = 0.0
    concurrency: int = 1
    matcher: Matcher | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.abstain_below <= 1:
            raise UsageError(f"a probability lies in 0..1, not {self.abstain_below}", item="abstain_below")
        labels = self.text_classifier.labels
        if labels != self.image_classifier.labels:
            raise UsageError(
                "the text classifier and the image classifier have different labels: "
                f"{', '.join(labels)}; {', '.join(self.image_classifier.labels)}",
                remedy="choose two that were fitted to the same labels",
            )
        fitted = getattr(self.fusion, "labels", None)
        if fitted is not None and fitted != labels:
            raise UsageError(
                "the fusion was fitted to other labels than the classifiers", remedy="choose another fusion"
            )
        if isinstance(self.fusion, FeatureLevelFusion) and not (
            isinstance(self.text_classifier, TextFeatures) and isinstance(self.image_classifier, ImageFeatures)
        ):
            raise UsageError("feature fusion needs classifiers with features", remedy="choose another fusion")
        self.taxonomy.project(np.zeros((0, len(labels))), labels)  # refuses unknown members

    @property
    def id(self) -> str:
        """Everything that a prediction depends on but the photo."""
        *parts, abstain_below = self.ids.values()
        return f"{'/'.join(parts)}/abstain<{abstain_below}"

    @property
    def ids(self) -> dict[str, str]:
        """The same part by part: the id of each, the categories, and the probability below which none is named."""
        categories = ";".join(f"{label}={'+'.join(self.taxonomy.members[label])}" for label in self.labels)
        asked = {"taxonomy": f"{self.taxonomy.name}[{categories}]", "abstain_below": f"{self.abstain_below:g}"}
        return {name: getattr(self, name).id for name in _PARTS} | asked

    @property
    def labels(self) -> LabelSet:
        """The C categories, in a fixed order."""
        return self.taxonomy.labels

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction a photo, in order."""
        if not photos:
            return []
        captions = self.captioner.caption(photos)
        texts = [caption.text for caption in captions]
        image, text = self.image_rows(photos), self.text_rows(texts)
        joint = self.joint(image, text)
        unsure, things = (joint.max(1) < self.abstain_below).tolist(), recognised_by(self.captioner, photos)
        sure = caption_confidences(self.matcher, self.captioner.id, photos, texts)
        opinions = joint, self.of_image(image), self.of_text(text)
        return [
            Prediction(photo.source, caption, self.labels, *rows)
            for photo, caption, *rows in zip(photos, captions, *opinions, unsure, things, sure, strict=True)
        ]

    def image_rows(self, photos: Sequence[Photo]) -> Array:
        """What the image classifier computes for each photo, for `of_image` and `joint`: a row for each of N."""
        scores = self.image_classifier.scores(photos)
        if isinstance(self.fusion, FeatureLevelFusion) and isinstance(self.image_classifier, ImageFeatures):
            return np.concatenate([scores, self.image_classifier.hidden(photos)], axis=1)
        return scores

    def text_rows(self, texts: Sequence[str]) -> Array:
        """What the text classifier computes for each text, for `of_text` and `joint`: a row for each of N."""
        scores = self.text_classifier.scores(texts)
        if isinstance(self.fusion, FeatureLevelFusion) and isinstance(self.text_classifier, TextFeatures):
            return np.concatenate([scores, self.text_classifier.hidden(texts)], axis=1)
        return scores

    def of_image(self, rows: Array) -> Array:
        """The image classifier's calibrated probabilities of the categories: float32 ``[N, C]``."""
        return self.calibration.image(self._categories(rows[:, : self._width]))

    def of_text(self, rows: Array) -> Array:
        """The text classifier's calibrated probabilities of the categories: float32 ``[N, C]``."""
        return self.calibration.text(self._categories(rows[:, : self._width]))

    def joint(self, image: Array, text: Array) -> Array:
        """The fused, calibrated probabilities of the categories: float32 ``[N, C]``.

        A fusion that was fitted to labels fuses those, and the result is projected to the categories; any other fuses
        the categories.

        Args:
            image: Rows of `image_rows`.
            text: Rows of `text_rows`.
        """
        width = self._width
        if isinstance(self.fusion, FeatureLevelFusion):
            fused = self._categories(self.fusion.fuse_features(image[:, width:], text[:, width:]))
        elif getattr(self.fusion, "labels", None) is None:
            fused = self.fusion.fuse(self.of_image(image), self.of_text(text))
        else:
            fused = self._categories(self.fusion.fuse(self.calibration.image(image), self.calibration.text(text)))
        return self.calibration.fused(fused).astype(np.float32)

    def __call__(
        self,
        images: Iterable[Item] | Item,
        *,
        batch_size: int = 32,
        workers: int = 2,
        limits: DecodeLimits | None = None,
    ) -> Iterator[Prediction | Failure]:
        """One result an image, in order, in constant memory.

        ``next(pipeline("cat.jpg"))`` is the result of one image.

        Args:
            images: Paths, addresses, bytes, open files, Pillow images, arrays ``[H, W, 3]``, photos or rows; or one
                of these alone.
            batch_size: Images processed together.
            workers: Threads that read and decode.
            limits: Bounds on what is decoded.
        """
        settings: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "limits": limits}
        for outcomes in run(images, self.predict, concurrency=self.concurrency, **settings):
            for outcome in outcomes:
                yield outcome.result

    def save(self, folder: str | os.PathLike[str], name: str, description: str = "", **card: Any) -> Bundle:
        """Writes a model that `load` opens as an equal pipeline, whole or not at all.

        Args:
            folder: Of the model; one that is there is replaced.
            name: Of the model.
            description: One line about it.
            card: Further entries of its card.

        Raises:
            OutputError: The folder cannot be written to.
            UsageError: The classifiers are over different matchers.
        """
        parts: dict[str, Part] = {name: getattr(self, name) for name in _PARTS}
        if matcher := self._matcher():
            parts[MATCHER] = matcher
        encoders = {each.version: each for part in parts.values() if (each := getattr(part, "encoder", None))}
        writers = {"encoder" if n == 0 else f"encoder-{v}": each.save for n, (v, each) in enumerate(encoders.items())}
        writers |= {part: each.save for part, each in parts.items()}
        described = {"name": name, "description": description, **card}
        if self.taxonomy.labels != self.text_classifier.labels:
            described["taxonomy"] = {label: list(self.taxonomy.members[label]) for label in self.labels}
        return write_bundle(folder, described, writers)

    def _matcher(self) -> Matcher | None:
        """The matcher to save: that of the captioner and the classifiers, else its own."""
        parts = (self.captioner, self.text_classifier, self.image_classifier)
        used = [each for part in parts if isinstance(each := getattr(part, MATCHER, None), Matcher)]
        if len({each.id for each in used}) > 1:
            raise UsageError(
                "captioner and classifiers are over different matchers, and a model has one",
                remedy="choose parts over the same matcher",
            )
        return used[0] if used else self.matcher

    @property
    def _width(self) -> int:
        return len(self.text_classifier.labels)

    def _categories(self, scores: Array) -> Array:
        return self.taxonomy.project(scores, self.text_classifier.labels)


Swap = str | os.PathLike[str] | tuple[str, str | os.PathLike[str]]
"""A part to use instead of a model's own: a folder or model that has one, or its kind and what that kind opens."""


def load(
    model: str | os.PathLike[str] = "embedded",
    *,
    taxonomy: str | os.PathLike[str] | None = None,
    captioner: Swap | None = None,
    captioner_settings: Mapping[str, object] | None = None,
    text_classifier: Swap | None = None,
    image_classifier: Swap | None = None,
    fusion: Swap | None = None,
    matcher: Swap | None = None,
    labels: Labels | None = None,
    encoder: str | None = None,
    views: str = "square",
    weight: float | None = None,
    beam: int | None = None,
    nbest: int = 1,
    abstain_below: float = 0.0,
    threads: int | None = None,
    device: str = "cpu",
) -> Pipeline:
    """The pipeline of a model, with parts of others in place of its own where asked for.

    Args:
        model: A shipped model by name, or a model folder.
        taxonomy: A built-in one by name, or a TOML file over the model's labels; by default the model's own.
        captioner: Instead of the model's own: see `Swap`.
        captioner_settings: See `imagist.captioning.options.CaptionOptions.settings`.
        text_classifier: The same.
        image_classifier: The same.
        fusion: The same. With another classifier than the model's own, its fitted fusion may no longer be the best.
        matcher: The same; needed for ``labels`` where the model has none.
        labels: Categories that the model need not have been fitted to, by their names, with descriptions if any: see
            `imagist.matching.prompts.read_labels`. The matcher classifies image and caption in place of the model's
            classifiers.
        encoder: ``lite`` or ``embedded``, for a model that works with both; by default lite where it is installed.
        views: ``square``, ``letterbox`` or ``crops``.
        weight: Of the text classifier in the fusion, 0 to 1; by default the fitted one.
        beam: Hypotheses that the captioner follows; by default as many as its card says.
        nbest: Captions kept for each photo, up to ``beam``.
        abstain_below: Below this top probability no category is named.
        threads: Processor cores to use; by default all that this process may.
        device: Where torch models run: ``cpu``, ``cuda``, ``mps``.

    Raises:
        BundleError: The model cannot be used.
        UsageError: A setting is out of its range, a name is unknown, or parts do not fit together.
    """
    bundle = open_bundle(model)
    cores_used = cores(threads)
    options = PartOptions(
        views=views, device=device, taxonomy=None if taxonomy is None else taxonomy_key(taxonomy), weight=weight,
        encoder=encoder, encoders=Encoders(), matchers=Matchers(),
    )  # fmt: skip
    matching = _matcher(bundle, matcher, options, cores_used, labels is not None)
    swaps = {"text_classifier": text_classifier, "image_classifier": image_classifier, "fusion": fusion}
    texts, images, fused, calibration = _opinions(bundle, swaps, options, matching, labels)
    words = _captioner(bundle, captioner, captioner_settings or {}, options, nbest, beam, cores_used)
    categories = _taxonomy(bundle if labels is None else None, taxonomy, texts.labels)
    at_once = cores_used if all(part.concurrent for part in (words, texts, images, fused, calibration)) else 1
    return Pipeline(words, texts, images, categories, fused, calibration, abstain_below, at_once, matching)


def _matcher(bundle: Bundle, swap: Swap | None, options: PartOptions, threads: int, needed: bool) -> Matcher | None:
    """The matcher asked for, else the model's own, if any; a checkpoint gets all the threads."""
    if isinstance(swap, tuple):
        return open_matcher(swap[1], replace(options, threads=threads), kind=swap[0])
    if swap is None and not needed and not bundle.has(MATCHER):
        return None
    folder = bundle.part(MATCHER) if swap is None else open_part(swap, MATCHER)
    return (options.matchers or Matchers()).open(folder.path, replace(options, threads=card_threads(folder, threads)))


def _opinions(
    bundle: Bundle,
    swaps: Mapping[str, Swap | None],
    options: PartOptions,
    matcher: Matcher | None,
    labels: Labels | None,
) -> tuple[TextClassifier, ImageClassifier, Fusion | FeatureLevelFusion, Calibration]:
    """Classifiers, fusion, calibration: as asked for, else the matcher's where there are labels, else the model's."""
    own: dict[str, Any] = {}
    if labels is not None and matcher is not None:
        own = zero_shot_parts(matcher, read_labels(labels), options.weight)
    made = {
        part: own[part] if swap is None and part in own else _open(bundle, part, swap, options)
        for part, swap in swaps.items()
    }
    at = replace(options, weight=getattr(made["fusion"], "weight", options.weight))
    calibration: Calibration = own.get("calibration") or _open(bundle, "calibration", None, at)
    return made["text_classifier"], made["image_classifier"], made["fusion"], calibration


def _taxonomy(bundle: Bundle | None, asked: str | os.PathLike[str] | None, labels: LabelSet) -> Taxonomy:
    """The taxonomy asked for, else that of a model's own labels."""
    if asked is not None:
        return resolved(open_taxonomy(asked), labels)
    own: Mapping[str, Sequence[str]] | None = bundle.card.get("taxonomy") if bundle else None
    if bundle is None or own is None:
        return identity(labels)
    return Taxonomy(bundle.name, LabelSet(tuple(own)), {label: tuple(members) for label, members in own.items()})


def _open(bundle: Bundle, part: str, swap: Swap | None, options: PartOptions) -> Any:
    """A part of the model, or the one asked for instead."""
    kinds = f"{part}s"
    if swap is None:
        return bundle.part(part).load(kinds, options)
    if isinstance(swap, tuple):
        return registry.find(kinds, swap[0])(os.fspath(swap[1]), options)
    return open_part(swap, part).load(kinds, options)


def _captioner(
    bundle: Bundle,
    swap: Swap | None,
    settings: Mapping[str, object],
    options: PartOptions,
    nbest: int,
    beam: int | None,
    threads: int,
) -> Captioner:
    """The model's captioner, or the one asked for instead; a checkpoint gets all the threads."""

    def asked(decoding: Decoding, threads: int) -> CaptionOptions:
        return CaptionOptions(
            decoding.returning(nbest, beam),
            views=options.views,
            device=options.device,
            threads=threads,
            encoders=options.encoders,
            matchers=options.matchers,
            encoder=options.encoder,
            settings=settings,
        )

    if isinstance(swap, tuple):
        return open_captioner(swap[1], asked(default_decoding(swap[0]), threads), kind=swap[0])
    folder = bundle.part("captioner") if swap is None else open_part(swap, "captioner")
    return open_captioner(folder.path, asked(card_decoding(folder), card_threads(folder, threads)))
