"""The training sets of a recipe: captioned, labelled and unlabelled images, as one or several encoders see them.

Shapes: N images, V views, L cells, D channels, C classes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imagist.arrays import Array, Halves
from imagist.datasets.entries import Example, Record
from imagist.datasets.labels import read_all as read_labelled
from imagist.errors import DataError, UsageError
from imagist.images.photo import ImageSource
from imagist.training.captioners.class_names import ClassNames
from imagist.training.captioners.class_sentences import NamesOfClasses
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.recipe import Backbone, Data, LabelledCorpus, Recipe, UnlabelledCorpus
from imagist.training.captioners.vocabulary import tokenised
from imagist.training.encoders.backbone import open_backbone, open_class_head
from imagist.training.encoders.features import AnyOf, Change, Features, Grids, Images
from imagist.training.encoders.grid_cache import cached_grids
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.encoders.views import Views
from imagist.training.image_rows import ImageSource as ImageFiles
from imagist.training.image_rows import read_rows

log = logging.getLogger("imagist.training")

BATCH = 100  # images


@dataclass(frozen=True, eq=False)
class Encoding:
    """The encoders of a recipe, and where they run.

    Attributes:
        backbone: Settings of the first encoder, of its alternatives and of the views.
        encoders: The first encoder, which the bundle has, then the alternatives.
        data: Folder of the recipe's relative paths.
        cache: Folder of cached grids.
        device: Where grids are computed.
    """

    backbone: Backbone
    encoders: tuple[GridEncoder, ...]
    data: Path
    cache: Path
    device: torch.device

    def features(self, images: Sequence[ImageSource], views: int) -> Features:
        """What the model takes of N images: cached grids of frozen encoders, or pixels if the encoder is trained.

        Args:
            images: N of them.
            views: V.
        """
        return self._features(images, views, self.encoders)

    def whole(self, images: Sequence[ImageSource]) -> Features:
        """The whole images alone, as the first encoder sees them."""
        return self._features(images, 1, self.encoders[:1])

    def _features(self, images: Sequence[ImageSource], views: int, encoders: Sequence[GridEncoder]) -> Features:
        made = self._views(views)
        if self.backbone.finetune:
            return Images(images, made)
        every = [Grids(grids) for grids in self._grids(images, made, encoders)]
        return every[0] if len(every) == 1 else AnyOf(every)

    def _views(self, number: int) -> Views:
        config = self.backbone
        return Views(config.image_size, number, config.min_crop_area, config.coarse, config.mirror)

    def _grids(self, images: Sequence[ImageSource], views: Views, encoders: Sequence[GridEncoder]) -> Iterator[Halves]:
        return (cached_grids(encoder, images, views, self.cache, self.device) for encoder in encoders)

    def class_probabilities(self, images: Sequence[ImageSource]) -> Array:
        """Float32 ``[N, C]``, the mean over all encoders, and over each image and its mirror image.

        Raises:
            UsageError: An encoder has no classes.
        """
        rows: Array = np.mean(self._of_both(images, [_class_probabilities(head) for head in self._heads()]), 0)
        return rows

    def visible_classes(self, images: Sequence[ImageSource]) -> Array:
        """How probable each class is where it is most so, float32 ``[N, C]``: of all encoders, in the image and parts.

        The parts are nine overlapping windows of the grid, of half its height and width. Rows may sum to more than 1.

        Raises:
            UsageError: An encoder has no classes.
        """
        rows: Array = np.max(self._of_both(images, [_visible_classes(head) for head in self._heads()]), 0)
        return rows

    def probabilities(self, images: Sequence[ImageSource], detector: nn.Module) -> Array:
        """The sigmoid of what a detector says of N images, float32 ``[N]``, of the mean over all encoders.

        Args:
            images: N of them.
            detector: Grids ``[N, L, D]`` to logits ``[N]``.
        """
        logits = np.mean(self._of_both(images, [lambda grids: detector(grids[:, 0])] * len(self.encoders)), 0)
        rows: Array = 1 / (1 + np.exp(-logits))
        return rows

    def _heads(self) -> list[nn.Linear]:
        return [open_class_head(config, self.data) for config in self.backbone.every()]

    @torch.no_grad()
    def _of_both(self, images: Sequence[ImageSource], computes: Sequence[Change]) -> list[Array]:
        """What a function for each encoder makes of the grids ``[n, 2, L, D]`` of images and mirror images."""
        found = []
        views = Views(self.backbone.image_size, 2)
        for compute, grids in zip(computes, self._grids(images, views, self.encoders), strict=True):
            batches = (torch.from_numpy(grids[i : i + BATCH].astype(np.float32)) for i in range(0, len(images), BATCH))
            found.append(torch.cat([compute(batch) for batch in batches]).numpy())
        return found


def _class_probabilities(head: nn.Linear) -> Change:
    return lambda grids: head(grids.mean(2)).softmax(-1).mean(1)


def _visible_classes(head: nn.Linear) -> Change:
    return lambda grids: head(windows(grids)).softmax(-1).amax(1)


def windows(grids: Tensor) -> Tensor:
    """Means over each grid and nine overlapping windows of it: ``[N, V, L, D]`` to ``[N, 10 V, D]``."""
    side = math.isqrt(grids.shape[2])
    size = (side + 1) // 2
    square = grids.reshape(*grids.shape[:2], side, side, -1)
    places = [round(share * (side - size)) for share in (0, 0.5, 1)]
    found = [square[:, :, y : y + size, x : x + size].mean((2, 3)) for y in places for x in places]
    return torch.cat([grids.mean(2), *found], 1)


def open_encoding(backbone: Backbone, data: Path, cache: Path, device: torch.device) -> Encoding:
    """Opens the encoders of a recipe.

    Raises:
        UsageError: An encoder gives grids of another shape than the first.
        ImagistError: As `open_backbone`.
    """
    encoders = tuple(open_backbone(config, data) for config in backbone.every())
    shapes = [grid_shape(encoder, backbone.image_size) for encoder in encoders]
    for config, shape in zip(backbone.alternatives, shapes[1:], strict=True):
        if shape != shapes[0]:
            message = f"gives grids of {shape[0]} x {shape[1]}, not of {shapes[0][0]} x {shapes[0][1]}"
            raise UsageError(message, item=config.name, remedy="name an encoder of the same feature space")
    return Encoding(backbone, encoders, data, cache, device)


@torch.no_grad()
def grid_shape(encoder: nn.Module, image_size: int) -> tuple[int, int]:
    """L and D of the grids ``[N, L, D]`` that an encoder makes of images of this height and width."""
    cells, channels = encoder(torch.zeros(1, image_size, image_size, 3, dtype=torch.uint8)).shape[1:]
    return int(cells), int(channels)


def corpus_of(data: Data, records: Sequence[Record], features: Features) -> Corpus:
    """The images with their tokenised captions in every language of the recipe."""
    captions = []
    for record in records:
        main = [(data.language, text) for text in tokenised(record.captions)]
        more = [(code, t) for code in data.languages for t in tokenised(record.translations.get(code, ()))]
        captions.append(main + more)
    return Corpus(features, captions)


def named_corpora(recipe: Recipe, encoding: Encoding) -> list[Corpus]:
    """The labelled and the unlabelled corpora of a recipe, in this order.

    Raises:
        DataError: Faults of the files, labels without sentences, or no image of which the encoders are sure.
        UsageError: An encoder has no classes.
    """
    labelled = [labelled_corpus(recipe.data, each, encoding) for each in recipe.data.labelled]
    return labelled + [unlabelled_corpus(recipe.data, each, encoding) for each in recipe.data.unlabelled]


def learnt_images(recipe: Recipe, records: Sequence[Record], data: Path) -> list[ImageSource]:
    """All images of a recipe's corpora; of unlabelled ones also those that the encoders did not recognise.

    Args:
        recipe: Names the corpora.
        records: The captioned images.
        data: Folder of relative paths.

    Raises:
        DataError: Faults of the files.
    """
    labelled = [source.within(data) for corpus in recipe.data.labelled for source in corpus.sources]
    unlabelled = [image for corpus in recipe.data.unlabelled for image in images_of(corpus.sources, data)]
    return [*records, *(read_labelled(labelled) if labelled else ()), *unlabelled]


def images_of(sources: Sequence[ImageFiles], data: Path) -> list[ImageSource]:
    """The images that some sources name, in order.

    Raises:
        DataError: A source cannot be read or has no image.
    """
    return [Example(row.source, "", row.content) for row in read_rows(sources, data)]


def labelled_corpus(data: Data, corpus: LabelledCorpus, encoding: Encoding) -> Corpus:
    """The images of a labelled corpus with the labels from which captions are sampled.

    Raises:
        DataError: Faults of the files, or labels without sentences.
    """
    examples = read_labelled([source.within(encoding.data) for source in corpus.sources])
    labels = [example.label for example in examples]
    if data.label_sentences is not None:
        data.label_sentences.check(labels)
    return Corpus(encoding.features(examples, corpus.views), labels=labels, label_sentences=data.label_sentences)


def unlabelled_corpus(data: Data, corpus: UnlabelledCorpus, encoding: Encoding) -> Corpus:
    """The images of an unlabelled corpus that the encoders recognise, labelled by class or everyday word.

    Raises:
        DataError: The files cannot be read, or no image is recognised.
        UsageError: An encoder has no classes, or the recipe has no names of classes.
    """
    if data.class_names is None:
        raise UsageError("missing; unlabelled corpora need it", item="data.class_names")
    images = images_of(corpus.sources, encoding.data)
    labels = labels_of(encoding.class_probabilities(images), data.class_names, corpus)
    sure = [image for image, label in zip(images, labels, strict=True) if label is not None]
    log.info("%d of %d unlabelled images are recognised", len(sure), len(images))
    if not sure:
        raise DataError(
            "no image of which the encoders are sure", item=corpus.sources[0].path, remedy="lower least_worth"
        )
    features = encoding.features(sure, corpus.views)
    names = NamesOfClasses(data.class_names)
    return Corpus(features, labels=[label for label in labels if label is not None], label_sentences=names)


def labels_of(probabilities: Array, names: ClassNames, corpus: UnlabelledCorpus) -> list[str | None]:
    """What each of N images is called: a class by its number, an everyday word, or None where nothing is worth enough.

    Args:
        probabilities: Of the classes, float ``[N, C]``.
        names: Names of the C classes and everyday words.
        corpus: What is worth enough.

    Raises:
        UsageError: The numbers of classes differ.
    """
    if probabilities.shape[1] != len(names):
        raise UsageError(f"name {len(names):,} classes, not {probabilities.shape[1]:,}", item="data.class_names")
    return names.labels(probabilities, corpus.wrong, corpus.least_worth)
