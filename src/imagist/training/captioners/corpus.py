"""Training sets of a captioner, and batches of them.

Shapes: N images, V views, B captions per image, T words, L cells, D channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Ints
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.encoders.features import Features

LanguageText = tuple[str, str]  # ISO 639-1 code and tokenised sentence


class Sentences(Protocol):
    """Makes captions from labels: a `LabelSentences`, or `NamesOfClasses` for an encoder's own classes."""

    def sample(self, label: str, rng: np.random.Generator) -> str:
        """A sentence about the label, tokenised."""
        ...

    def all(self, labels: Iterable[str]) -> list[str]:
        """Sentences with every word that `sample` may use for these labels."""
        ...


@dataclass(frozen=True, eq=False)
class Corpus:
    """Images as a captioner's model takes them, with captions or with labels from which captions are made.

    Attributes:
        features: Input of the model for each image.
        captions: The captions of each image; tokenised.
        labels: The label of each image, in a set without captions.
        label_sentences: Makes a caption from a label, a new one each time.
    """

    features: Features
    captions: Sequence[Sequence[LanguageText]] = ()
    labels: Sequence[str] = ()
    label_sentences: Sentences | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.features)

    def references(self, language: str) -> list[list[str]]:
        """The captions of each image in one language; the list of an image may be empty."""
        return [[text for code, text in captions if code == language] for captions in self.captions]

    def sample(self, image: int, number: int, rng: np.random.Generator) -> list[LanguageText]:
        """Samples ``number`` captions of an image; none occurs twice before each has occurred once."""
        if self.label_sentences is not None:
            return [("en", self.label_sentences.sample(self.labels[image], rng)) for _ in range(number)]
        captions = self.captions[image]
        rounds = -(-number // len(captions))
        order = np.concatenate([rng.permutation(len(captions)) for _ in range(rounds)])[:number]
        return [captions[i] for i in order]


def batch_images(corpus: Sized, step: int, size: int, seed: int) -> Ints:
    """The images of a step's batch, int64 ``[size]``: each epoch takes every image once, in an order of its own.

    A batch larger than the set is sampled with replacement.
    """
    if size > len(corpus):
        return np.random.default_rng((seed, step)).integers(len(corpus), size=size)
    steps = len(corpus) // size
    order = np.random.default_rng((seed, step // steps)).permutation(len(corpus))
    return order[step % steps * size :][:size]


def sample_batch(
    corpora: Sequence[Corpus],
    sizes: Sequence[int],
    captions_per_image: int,
    vocabulary: Vocabulary,
    max_length: int,
    step: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """The batch of a step, with images of every corpus.

    Args:
        corpora: The training sets.
        sizes: Images of each in the batch; N in all.
        captions_per_image: B.
        vocabulary: Encodes the captions.
        max_length: Captions are cut to this number of words.
        step: Decides, with the seed, images, views and captions.
        seed: Seed of the run.

    Returns:
        The model's input ``[N, ...]``, and words int64 ``[N, B, T]``, T being the length of the longest caption.
    """
    inputs: list[Tensor] = []
    captions: list[list[LanguageText]] = []
    for number, (corpus, size) in enumerate(zip(corpora, sizes, strict=True)):
        rng = np.random.default_rng((seed, number, step))
        images = batch_images(corpus, step, size, seed + number)
        inputs.append(corpus.features.some(images, rng))
        captions += [corpus.sample(image, captions_per_image, rng) for image in images]
    return torch.cat(inputs), encoded(captions, vocabulary, max_length)


def encoded(captions: Sequence[Sequence[LanguageText]], vocabulary: Vocabulary, max_length: int) -> Tensor:
    """B captions for each of N images as ids: int64 ``[N, B, T]``, T being the length of the longest caption."""
    rows = [[vocabulary.encode(text, max_length, code) for code, text in some] for some in captions]
    ids = torch.from_numpy(np.array(rows))
    return ids[:, :, : 1 + int(until_end(ids[:, :, 1:], vocabulary.end).sum(-1).max())]


def until_end(words: Tensor, end: int) -> Tensor:
    """True up to and including the first end of each row: bool of the same shape ``[..., T]``."""
    return (words == end).cumsum(-1) <= (words == end).long()
