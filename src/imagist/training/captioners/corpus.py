"""Sets of photos with sentences, and batches of them.

Shapes: N photos, V views, B sentences a photo, T words, L cells, D channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Ints
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.embedded.sentences import LabelSentences
from imagist.training.encoders.features import Features

Said = tuple[str, str]  # language and tokenised sentence


@dataclass(frozen=True, eq=False)
class Corpus:
    """A set whose photos are encoded.

    Attributes:
        features: What the model is given of each photo.
        said: For each photo what people said of it; tokenised.
        labels: For each photo its label, of a set that has nothing else; sentences are drawn from it anew each time.
        drawn: Makes them.
    """

    features: Features
    said: Sequence[Sequence[Said]] = ()
    labels: Sequence[str] = ()
    drawn: LabelSentences | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.features)

    def references(self, language: str) -> list[list[str]]:
        """The sentences of each photo in one language; none for some, maybe."""
        return [[text for code, text in of if code == language] for of in self.said]

    def draw(self, photo: int, number: int, rng: np.random.Generator) -> list[Said]:
        """``number`` sentences of one photo, each once as long as there are enough."""
        if self.drawn is not None:
            return [("en", self.drawn.draw(self.labels[photo], rng)) for _ in range(number)]
        own = self.said[photo]
        rounds = -(-number // len(own))
        order = np.concatenate([rng.permutation(len(own)) for _ in range(rounds)])[:number]
        return [own[i] for i in order]


def photos_of(corpus: Corpus, step: int, number: int, seed: int) -> Ints:
    """Which photos a step takes: every photo once an epoch, in an order of the epoch's own."""
    if number > len(corpus):
        return np.random.default_rng((seed, step)).integers(len(corpus), size=number)
    steps = len(corpus) // number
    order = np.random.default_rng((seed, step // steps)).permutation(len(corpus))
    return order[step % steps * number :][:number]


def batch(
    corpora: Sequence[Corpus],
    sizes: Sequence[int],
    sentences: int,
    vocabulary: Vocabulary,
    max_length: int,
    step: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """What the model is given ``[N, ...]`` and sentences int64 ``[N, B, T]`` (T of the longest), from every set."""
    given, words = [], []
    for number, (corpus, size) in enumerate(zip(corpora, sizes, strict=True)):
        rng = np.random.default_rng((seed, number, step))
        photos = photos_of(corpus, step, size, seed + number)
        given.append(corpus.features.some(photos, rng))
        drawn = [corpus.draw(photo, sentences, rng) for photo in photos]
        words += [[vocabulary.encode(text, max_length, code) for code, text in of] for of in drawn]
    ids = torch.from_numpy(np.array(words))
    return torch.cat(given), ids[:, :, : 1 + int(until_end(ids[:, :, 1:], vocabulary.end).sum(-1).max())]


def until_end(words: Tensor, end: int) -> Tensor:
    """True up to and with the first end of each row: bool of the same shape ``[..., T]``."""
    return (words == end).cumsum(-1) <= (words == end).long()
