"""Step 4: fits the classifiers of the embedded model on what its own captioner and encoder compute of each image.

Shapes: N images, D channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import Array
from imagist.bundle import ENCODER, Bundle, copy_part, write_bundle, write_part
from imagist.classifiers.calibration import KIND as TEMPERATURE
from imagist.classifiers.fusion.scores import KIND as SCORE
from imagist.classifiers.image.linear import LinearClassifier
from imagist.classifiers.taxonomy import built_in
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.images import as_photo
from imagist.images.encoder import Encoder
from imagist.protocols import Captioner
from imagist.records import LabelSet
from imagist.training.classifiers.linear import best_linear
from imagist.training.classifiers.text_tfidf import vocabulary
from imagist.training.embedded.fusion import fit_fusion
from imagist.training.image_rows import ImageSource, read_rows
from imagist.training.parallel import parallel_map
from imagist.training.progress import Progress

MIN_DF = 3  # captions that an n-gram of the vocabulary is in, at least

BATCH = 64  # images


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images as the classifiers read them.

    Attributes:
        features: float32 ``[N, D]``, the mean of each image's grid.
        captions: The captioner's caption of each.
        names: The class of each.
        weights: float32 ``[N]``.
    """

    features: Array
    captions: tuple[str, ...]
    names: tuple[str, ...]
    weights: Array


def read_examples(table: Path, split: str, captioner: Captioner, encoder: Encoder) -> Examples:
    """The examples of one split of a table that `imagist.training.embedded.labelled` wrote."""
    found = read_rows([ImageSource(str(table), split)], Path())
    features, captions = [], []
    progress = Progress(f"captions of {split}", len(found))
    for start in range(0, len(found), BATCH):
        photos = parallel_map(as_photo, found[start : start + BATCH])
        features += [grids[0].mean(0) for grids in encoder.grids(photos)]
        captions += [caption.text for caption in captioner.caption(photos)]
        for _ in photos:
            progress.step(1)
    names = tuple(str(row.columns["label"]) for row in found)
    weights = np.array([row.columns["weight"] for row in found], np.float32)
    return Examples(np.stack(features), tuple(captions), names, weights)


def joined(examples: Sequence[Examples]) -> Examples:
    """The same images as several encoders see them, as further examples."""
    return Examples(
        np.concatenate([each.features for each in examples]),
        tuple(caption for each in examples for caption in each.captions),
        tuple(name for each in examples for name in each.names),
        np.concatenate([each.weights for each in examples]),
    )


@dataclass(frozen=True, eq=False)
class Classifiers:
    """Both classifiers of the model, and their fusion.

    Attributes:
        labels: The C classes.
        image: Matrix ``[D, C]`` and bias ``[C]`` over the mean of the grid.
        text: Over captions.
        fusion: For each taxonomy its weight, the weight's interval, and temperatures; the default one first.
    """

    labels: LabelSet
    image: tuple[Array, Array]
    text: TfidfClassifier
    fusion: Mapping[str, Mapping[str, Any]]

    def write(self, captioner: Bundle, folder: Path, name: str, description: str) -> Bundle:
        """Writes a model of these parts with the captioner and the encoder of another one.

        Args:
            captioner: The other model.
            folder: Of the new one; replaced where it exists.
            name: Of the new one.
            description: One line about it.
        """
        encoder = Encoder(captioner.encoder)
        fusions, calibrations = {}, {}
        for taxonomy, fitted in self.fusion.items():
            fusions[taxonomy] = {"weight": fitted["weight"], "interval": fitted["interval"]}
            calibrations[taxonomy] = {"image": 1.0, "text": 1.0, "fused": fitted["temperatures"]}
        writers: dict[str, Callable[[Path], object]] = {
            ENCODER: encoder.save,
            "captioner": copy_part(captioner.part("captioner")),
            "text_classifier": self.text.save,
            "image_classifier": LinearClassifier(self.labels, encoder, *self.image, space=encoder.space).save,
        }
        for part, kind, tables in (("fusion", SCORE, fusions), ("calibration", TEMPERATURE, calibrations)):
            default, *others = tables
            settings = {"default": tables[default], "taxonomies": {other: tables[other] for other in others}}
            writers[part] = partial(write_part, kind=kind, card=settings)
        return write_bundle(folder, {"name": name, "description": description}, writers)


def fit_classifiers(train: Examples, dev: Examples, taxonomies: Sequence[str]) -> Classifiers:
    """Fits both classifiers, and the fusion of each taxonomy; dev chooses penalties, temperatures and weights."""
    labels = LabelSet(tuple(sorted({*train.names})))
    targets, goal = (np.array([labels.index(name) for name in each.names]) for each in (train, dev))
    image = best_linear("image", (train.features, targets, train.weights), (dev.features, goal), len(labels))
    plain = vocabulary(train.captions, labels, MIN_DF, len(train.captions))
    text_dev = plain.hidden(dev.captions)
    text = best_linear("text", (plain.hidden(train.captions), targets, train.weights), (text_dev, goal), len(labels))
    scores = image.scores(dev.features), text.scores(text_dev)
    fusion = {name: fit_fusion(built_in(name), labels, *scores, dev.names) for name in taxonomies}
    reader = TfidfClassifier(labels, plain.ngrams, plain.idf, *text.calibrated)
    return Classifiers(labels, image.calibrated, reader, fusion)
