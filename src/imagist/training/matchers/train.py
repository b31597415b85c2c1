"""Trains an embedded matcher: images and texts, what they mean, two towers, thresholds, its folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Array, Halves
from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.datasets.captions import read_all
from imagist.datasets.entries import Record
from imagist.storage import digest_of
from imagist.training.captioners.corpora import grid_shape
from imagist.training.devices import device_of
from imagist.training.encoders.row_cache import RowCache, fill
from imagist.training.matchers.affinities import Affinities
from imagist.training.matchers.images import Encoders, image_set, named_set, open_encoders
from imagist.training.matchers.learn_images import Lessons, Space, learn_images, membership
from imagist.training.matchers.learn_texts import TextLessons, learn_texts, vectors_of
from imagist.training.matchers.loop import Curves
from imagist.training.matchers.nouns import caption_nouns
from imagist.training.matchers.part import TrainedMatcher, fit_calibration, write_matcher
from imagist.training.matchers.recipe import MatcherRecipe
from imagist.training.matchers.teacher import Teacher, open_teacher
from imagist.training.matchers.texts import NameSentences, gather, name_sentences, vocabulary
from imagist.training.matchers.towers import ImageGraph, TextGraph, TextTower
from imagist.training.matchers.wordnet import WordNet, read_wordnet

log = logging.getLogger("imagist.training")

MATCHER = "matcher"  # the folder of the result
NOUN_FRAMES = "{}", "a photo of a {}", "a photo of {}"
_TOGETHER = 256  # texts whose nouns are looked up between two lines of progress


def train(recipe: MatcherRecipe, data: Path, folder: Path, curves: Curves = lambda name, step, figures: None) -> Path:
    """Trains the matcher, or continues where an earlier run in ``folder`` stopped.

    Args:
        recipe: Its settings.
        data: Folder of the recipe's relative paths.
        folder: Receives checkpoints, what teacher and encoders compute, and the result.
        curves: Called with the name of a tower, the step and its losses.

    Returns:
        The folder of the matcher, a part of the kind ``embedded``.

    Raises:
        DataError: Images, texts or WordNet cannot be read.
        ImagistError: The encoders or the teacher cannot be opened.
    """
    result = folder / MATCHER
    if result.exists():
        return result
    sources = open_sources(recipe, data, folder / "cache")
    encoders = sources.encoders
    space, (cells, _) = encoders.space, grid_shape(encoders.encoders[0], encoders.side)
    tower, pieces = text_tower(sources, folder / "texts.pt", curves)
    learnt = image_space(sources, tower, pieces, folder / "images.pt", curves)
    matcher = TrainedMatcher(
        ImageGraph(learnt.tower, recipe.images.class_weight),
        TextGraph(tower, learnt.rotation, recipe.texts),
        pieces,
        recipe.texts.max_tokens,
    )
    config = recipe.data.calibration
    fitted = fit_calibration(config, matcher, encoders, data, sources.cache, recipe.seed) if config else None
    write_matcher(result, matcher, recipe, space, fitted, cells)
    return result


@dataclass(frozen=True, eq=False)
class Sources:
    """What both towers learn from.

    Attributes:
        recipe: The settings.
        data: Folder of relative paths.
        cache: Folder of what teacher and encoders compute.
        device: The device that trains.
        wordnet: Nouns and their meanings.
        affinities: To which classes nouns belong.
        records: The images with captions.
        named: Sentences of names.
        teacher: The sentence encoder.
        encoders: The encoders of images.
    """

    recipe: MatcherRecipe
    data: Path
    cache: Path
    device: torch.device
    wordnet: WordNet
    affinities: Affinities
    records: Sequence[Record]
    named: NameSentences
    teacher: Teacher
    encoders: Encoders

    @property
    def captions(self) -> list[str]:
        """Of all images, one after the other."""
        return [caption for record in self.records for caption in record.captions]


def open_sources(recipe: MatcherRecipe, data: Path, cache: Path) -> Sources:
    """Reads WordNet and captions, and opens teacher and encoders.

    Raises:
        DataError: Captions, WordNet or weights cannot be read.
        ImagistError: The encoders or the teacher cannot be opened.
    """
    device, wordnet = device_of(recipe.device), read_wordnet(data / recipe.wordnet)
    affinities = Affinities(wordnet, imagenet_labels().names, recipe.data.words, recipe.data.class_names)
    records = read_all({"train": [source.within(data) for source in recipe.data.captions]})["train"]
    named = name_sentences(recipe.data.class_names, [*affinities.groups])
    encoders = open_encoders(recipe.backbone, data, cache, device)
    teacher = open_teacher(recipe.teacher, cache, device.type)
    return Sources(recipe, data, cache, device, wordnet, affinities, records, named, teacher, encoders)


def text_tower(sources: Sources, path: Path, curves: Curves) -> tuple[TextTower, list[str]]:
    """Trains the text tower.

    Args:
        sources: What it learns from.
        path: Of its checkpoint.
        curves: As in `train`.

    Returns:
        The tower, in eval mode, and the word pieces that it reads.
    """
    recipe, teacher = sources.recipe, sources.teacher
    texts = gather(
        recipe.data, sources.data, sources.captions, sources.named, sources.wordnet, teacher.pieces, recipe.seed
    )
    pieces, ids = vocabulary(texts.texts, teacher.pieces, recipe.texts.max_tokens)
    log.info("%s texts, %s word pieces", f"{len(ids):,}", f"{len(pieces):,}")
    meant = looked_up(texts.texts, sources)
    lessons = TextLessons(texts, ids, teacher.vectors(texts.texts, "vectors of texts"), meant, len(pieces))
    return learn_texts(lessons, recipe.texts, sources.device, path, recipe.seed, curves), pieces


def looked_up(texts: Sequence[str], sources: Sources) -> Halves:
    """The classes that the nouns of M texts mean, and how sure that is: float16 ``[M, C + 1]``, computed once."""
    classes, affinities = len(imagenet_labels()), sources.affinities
    key = digest_of(texts, sources.recipe.data.words, sources.recipe.data.class_names, sources.recipe.wordnet)
    rows = RowCache(sources.cache / f"affinities-{key}.npy", (len(texts), classes + 1))

    def compute(start: int, end: int) -> Array:
        return np.stack([np.append(*affinities.of_text(text)) for text in texts[start:end]])

    return fill(rows, compute, "nouns of texts", _TOGETHER)


def image_space(sources: Sources, tower: TextTower, pieces: Sequence[str], path: Path, curves: Curves) -> Space:
    """Trains the image tower to the vectors that the text tower gives to texts.

    Args:
        sources: What it learns from.
        tower: The trained text tower.
        pieces: That it reads.
        path: Of the checkpoint.
        curves: As in `train`.

    Returns:
        The image tower with its rotation, on the CPU, in eval mode.
    """
    recipe, encoders, affinities = sources.recipe, sources.encoders, sources.affinities

    def vectors(texts: Sequence[str]) -> Tensor:
        return vectors_of(tower, pieces, texts, recipe.texts.max_tokens)

    captions = [record.captions for record in sources.records]
    found = caption_nouns(captions, sources.wordnet, affinities, recipe.data.words, recipe.data.fewest_images)
    framed = [frame.format(noun) for noun in found.nouns for frame in NOUN_FRAMES]
    nouns = vectors(framed)
    known = recipe.images.known
    lessons = Lessons(
        image_set(encoders, sources.records, recipe.data.windows),
        vectors(sources.captions),
        np.cumsum([0, *map(len, captions)]),
        [(named_set(each, encoders, sources.data, known, recipe.seed), each.share) for each in recipe.data.named],
        vectors(sources.named.texts),
        np.array(sources.named.owners),
        membership([*affinities.groups.values()], len(imagenet_labels())),
        nouns.reshape(-1, len(NOUN_FRAMES), nouns.shape[1]),
        torch.from_numpy(found.shares),
    )
    return learn_images(lessons, encoders, recipe.images, path, recipe.seed, curves).cpu()
