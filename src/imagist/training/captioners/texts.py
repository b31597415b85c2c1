"""Sentences without images as training data: their words, and class probabilities as of an image that they describe.

Shapes: N sentences of a batch, C classes, T words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Array
from imagist.datasets.source import Source, SourceFile, list_of_names
from imagist.errors import DataError
from imagist.training.captioners.class_sentences import ClassSentence, class_sentences
from imagist.training.captioners.corpus import batch_images, encoded
from imagist.training.captioners.recipe import Data
from imagist.training.captioners.vocabulary import Vocabulary, tokenised

NEAR, FAR = 4, 5  # further classes of a row: neighbours of a known one, and any
NEIGHBOURS = 6  # a neighbour's number is at most this far away; similar classes follow each other
_REMEDY = "name a text file of a sentence a line, or a JSON file of captions as COCO publishes them"


@dataclass(frozen=True, eq=False)
class Texts:
    """Sentences of which the classes are known.

    Attributes:
        sentences: What to say of which classes.
        classes: C.
        words: The sentences of the corpus itself, tokenised; for the vocabulary.
    """

    sentences: Sequence[ClassSentence]
    classes: int
    words: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.sentences)

    def known_to(self, vocabulary: Vocabulary) -> Texts:
        """Those sentences of which a vocabulary has every word.

        Raises:
            DataError: There are none.
        """
        known = {*vocabulary.lines}
        kept = [each for each in self.sentences if known.issuperset(each.text.split())]
        if not kept:
            raise DataError(
                "the vocabulary has all words of no sentence", item="data.sentences", remedy="lower min_count"
            )
        return replace(self, sentences=kept)

    def sample(self, size: int, vocabulary: Vocabulary, max_length: int, step: int, seed: int) -> tuple[Tensor, Tensor]:
        """The batch of a step: class probabilities float32 ``[N, C]``, and words int64 ``[N, 1, T]`` with the start.

        Args:
            size: N.
            vocabulary: Encodes the sentences.
            max_length: Sentences are cut to this number of words.
            step: Decides, with the seed, sentences and probabilities.
            seed: Of the run.
        """
        chosen = [self.sentences[i] for i in batch_images(self, step, size, seed)]
        rng = np.random.default_rng((seed, 4, step))
        rows = np.stack([class_probabilities(each.classes, self.classes, rng) for each in chosen])
        return torch.from_numpy(rows), encoded([[("en", each.text)] for each in chosen], vocabulary, max_length)


def class_probabilities(known: Sequence[int], classes: int, rng: np.random.Generator) -> Array:
    """Draws what a class head might say of an image of some classes: float32 ``[C]``, each 0..1, 1 or less in all.

    From 5% to 95% lie on the known classes, most often a lot, and up to all of the rest on neighbours and others.

    Args:
        known: Their numbers, one or more.
        classes: C.
        rng: Draws.
    """
    row = np.zeros(classes, np.float64)
    peak = 0.05 + 0.9 * rng.random() ** 0.7
    shares = rng.random(len(known)) + 0.2
    np.add.at(row, list(known), peak * shares / shares.sum())
    near = known[0] + rng.integers(-NEIGHBOURS, NEIGHBOURS + 1, NEAR)
    others = np.concatenate([near.clip(0, classes - 1), rng.integers(classes, size=FAR)])
    shares = rng.random(len(others)) ** 3 + 1e-3
    np.add.at(row, others, (1 - peak) * rng.uniform(0.5, 1) * shares / shares.sum())
    return row.astype(np.float32)


def read_texts(data: Data, folder: Path, seed: int) -> Texts | None:
    """The sentences of a recipe; None where it has no text corpus.

    Args:
        data: The recipe's.
        folder: Of relative paths.
        seed: Of what is drawn.

    Raises:
        DataError: A file cannot be read, or no sentence speaks of a class.
    """
    config, names = data.sentences, data.class_names
    if config is None or names is None:
        return None
    every = {text for source in config.sources for text in tokenised(read_sentences(folder / source))}
    texts = [text for text in sorted(every) if config.min_words <= len(text.split()) <= config.max_words]
    made = class_sentences(texts, names, config, data.max_length, seed)
    if not made:
        raise DataError("no sentence speaks of a class", item="data.sentences", remedy="name more sources")
    return Texts(made, len(names), texts)


def read_sentences(path: Path) -> list[str]:
    """The sentences of a text file, one a line, or of a JSON file of captions.

    Raises:
        DataError: It cannot be read, or holds no sentence.
    """
    document = SourceFile(Source(path)).document
    if not document:
        return list_of_names(path, _REMEDY)
    rows = document.get("annotations")
    captions = [row.get("caption") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    found = [caption for caption in captions if isinstance(caption, str)]
    if not found:
        raise DataError("no captions in it", item=str(path), remedy=_REMEDY)
    return found
