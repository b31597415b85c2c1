"""Photos to predictions: caption, words' verdict, image's verdict, fusion.

Shapes: N photos, F fine classes of the classifiers, C categories of the taxonomy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imagist import registry
from imagist.bundle import Bundle, open_bundle
from imagist.captioning.opening import search_of
from imagist.captioning.options import CaptionOptions
from imagist.classifiers.calibration import Temperature
from imagist.classifiers.fusion import ScoreFusion
from imagist.classifiers.taxonomy import Taxonomy, open_taxonomy
from imagist.errors import UsageError
from imagist.images import DecodeLimits
from imagist.images.encoder import Encoder
from imagist.images.photo import Item
from imagist.images.stream import run
from imagist.protocols import Captioner, Fusion, ImageClassifier, TextClassifier
from imagist.records import Array, Failure, LabelSet, Photo, Prediction

FINE = "photos15"  # the taxonomy of a card that stands for all the fine classes


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The parts in a row; each is replaceable by anything of its protocol.

    Attributes:
        captioner: Writes the words.
        text_classifier: Classifies the words over F fine classes.
        image_classifier: Classifies the image over the same.
        taxonomy: From the fine classes to the categories asked for.
        fusion: Joins the two opinions.
        temperature: Calibrates the joint opinion.
        abstain_below: Below this top probability no category is named, 0 to 1.
        concurrency: Batches worked on at a time.
    """

    captioner: Captioner
    text_classifier: TextClassifier
    image_classifier: ImageClassifier
    taxonomy: Taxonomy
    fusion: Fusion
    temperature: Temperature = field(default_factory=Temperature)
    abstain_below: float = 0.0
    concurrency: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.abstain_below <= 1:
            raise UsageError(f"a probability lies in 0..1, not {self.abstain_below}", item="abstain_below")
        if self.text_classifier.labels != self.image_classifier.labels:
            raise UsageError("the two classifiers speak of different classes", remedy="train both on the same labels")
        self.taxonomy.project(
            np.zeros((0, len(self.text_classifier.labels))), self.text_classifier.labels
        )  # refuses unknown members

    @property
    def id(self) -> str:
        """Everything that a prediction depends on but the photo."""
        categories = ";".join(f"{label}={'+'.join(self.taxonomy.members[label])}" for label in self.labels)
        settings = f"{self.fusion}/{self.temperature}/abstain<{self.abstain_below}"
        return f"{self.captioner.id}/{self.taxonomy.name}[{categories}]/{settings}"

    @property
    def labels(self) -> LabelSet:
        """The C categories, in a fixed order."""
        return self.taxonomy.labels

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction a photo, in order."""
        if not photos:
            return []
        captions = self.captioner.caption(photos)
        image = self.taxonomy.project(self.image_classifier.scores(photos), self.image_classifier.labels)
        text = self.taxonomy.project(
            self.text_classifier.scores([caption.text for caption in captions]), self.text_classifier.labels
        )
        joint: Array = self.temperature.apply(self.fusion.fuse(image, text)).astype(np.float32)
        return [
            Prediction(photo.source, caption, self.labels, both, seen, said, bool(both.max() < self.abstain_below))
            for photo, caption, both, seen, said in zip(photos, captions, joint, image, text, strict=True)
        ]

    def __call__(
        self,
        images: Iterable[Item],
        *,
        batch_size: int = 32,
        workers: int = 2,
        limits: DecodeLimits | None = None,
    ) -> Iterator[Prediction | Failure]:
        """One result an image, in order, in constant memory.

        Args:
            images: Paths, bytes, PIL images, uint8 arrays ``[H, W, 3]``, photos or rows.
            batch_size: Images worked on together.
            workers: Threads that read and decode.
            limits: Bounds on what is decoded.
        """
        batches = run(
            images, self.predict, batch_size=batch_size, workers=workers, limits=limits, concurrency=self.concurrency
        )
        for outcomes in batches:
            for outcome in outcomes:
                yield outcome.result


def load(
    model: str | os.PathLike[str] = "embedded",
    *,
    taxonomy: str | os.PathLike[str] = "photos15",
    views: str = "square",
    weight: float | None = None,
    beam: int | None = None,
    nbest: int = 1,
    abstain_below: float = 0.0,
    threads: int | None = None,
) -> Pipeline:
    """The pipeline of a model folder.

    Args:
        model: A shipped model by name, or a model folder.
        taxonomy: A built-in taxonomy by name, or a TOML file over the model's classes.
        views: ``square``, ``letterbox`` or ``crops``.
        weight: Of the words in the fusion, 0 to 1; by default what the model's card found best for the taxonomy.
        beam: Hypotheses that the captioner follows; by default as many as the model's card says.
        nbest: Captions kept a photo, up to ``beam``.
        abstain_below: Below this top probability no category is named.
        threads: Processor cores to use; by default all that this process may.

    Raises:
        BundleError: The model cannot be used.
        UsageError: A setting is out of its range, or a name is unknown.
    """
    bundle = open_bundle(model)
    concurrency = cores() if threads is None else threads
    if concurrency < 1:
        raise UsageError(f"at least one thread is needed, not {concurrency}", item="threads")
    encoder = Encoder(bundle, views=views)
    options = CaptionOptions(search_of(bundle).returning(nbest, beam), views)
    captioner, texts, images = _parts(bundle, encoder, options)
    chosen = open_taxonomy(taxonomy).resolve(texts.labels)
    fusion = _fusion(bundle.card["fusion"], str(taxonomy))  # not the name of the table: one's own may take any
    used = fusion.weight if weight is None else weight
    return Pipeline(
        captioner,
        texts,
        images,
        chosen,
        ScoreFusion(used),
        fusion.temperature(used),
        abstain_below,
        concurrency=concurrency,
    )


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _parts(
    bundle: Bundle, encoder: Encoder, options: CaptionOptions
) -> tuple[Captioner, TextClassifier, ImageClassifier]:
    card = bundle.card
    return (
        registry.find("captioners", card["captioner"]["kind"])(str(bundle.folder), options, encoder),
        registry.find("text_classifiers", card["text_classifier"]["kind"])(bundle),
        registry.find("image_classifiers", card["image_classifier"]["kind"])(bundle, encoder),
    )


@dataclass(frozen=True)
class _FusionCard:
    """The weight that dev liked best and the temperatures for weights spread evenly over 0..1."""

    weight: float
    temperatures: tuple[float, ...]

    def temperature(self, weight: float) -> Temperature:
        places = np.linspace(0, 1, len(self.temperatures))
        return Temperature(float(np.interp(weight, places, self.temperatures)))


def _fusion(card: Mapping[str, Any], taxonomy: str) -> _FusionCard:
    """What the card says for a taxonomy, or for the fine classes where it says nothing."""
    entry = card.get(taxonomy, card[FINE])
    return _FusionCard(float(entry["weight"]), tuple(entry["temperatures"]))
