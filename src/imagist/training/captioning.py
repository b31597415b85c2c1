"""What the captioner learns from: settings, grids with their sentences, batches of both.

Shapes: N photos, V views, B sentences a photo, T words, L cells, D channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imagist.decoding import END, START, Ints
from imagist.metrics.ptb import tokenize
from imagist.training.features import Halves
from imagist.training.photographs import PhotoSet
from imagist.training.sentences import LabelSentences

UNKNOWN = 2
SPECIAL = ("<end>", "<start>", "<unknown>")  # END is also the padding: behind the first nothing counts


@dataclass(frozen=True)
class CaptionConfig:
    """Settings of the recipe.

    Attributes:
        seed: Of the weights and of the order of everything.
        least_count: A word of Flickr8k train is known from so many occurrences on.
        longest: Sentences are cut to so many words.
        epochs: Passes over Flickr8k train with cross-entropy.
        batch: Photographs a step, of each set.
        sentences: Sentences a photograph and step.
        rate: Peak learning rate.
        smoothing: Label smoothing, 0 to 1.
        attend_all: Weight of the doubly stochastic penalty (Xu et al. 2015, equation 14).
        hidden: Width of the state.
        embedding: Width of a word's vector.
        attention: Width of the comparison of state and cells.
        dropout: 0 to 1.
        critical_steps: Steps of self-critical training.
        critical_rate: Its learning rate.
        critical_samples: Sentences sampled a photo in it.
    """

    seed: int = 0
    least_count: int = 4
    longest: int = 20
    epochs: int = 9
    batch: tuple[int, ...] = (24, 6, 6)
    sentences: int = 5
    rate: float = 1.2e-3
    smoothing: float = 0.1
    attend_all: float = 0.5
    hidden: int = 384
    embedding: int = 256
    attention: int = 128
    dropout: float = 0.4
    critical_steps: int = 400
    critical_rate: float = 5e-5
    critical_samples: int = 5


@dataclass(frozen=True, eq=False)
class Captioned:
    """A set with its grids and, for each photograph, its sentences; labelled sets draw theirs anew each time.

    Attributes:
        photos: The set.
        grids: float16 ``[N, V, L, D]``.
    """

    photos: PhotoSet
    grids: Halves


def vocabulary(captions: Sequence[Sequence[str]], labels: LabelSentences, least: int) -> tuple[str, ...]:
    """The special words, then those of captions (``least`` times or more) and label sentences, most frequent first."""
    count = Counter(word for sentences in captions for sentence in sentences for word in sentence.split())
    known = {word for word, number in count.items() if number >= least}
    known |= {word for sentence in labels.all() for word in sentence.split()}
    return SPECIAL + tuple(sorted(known, key=lambda word: (-count[word], word)))


class Sentences:
    """Sentences as word ids, for each set: Flickr8k's own, or drawn from labels."""

    def __init__(self, sets: Sequence[Captioned], config: CaptionConfig) -> None:
        names = {label for item in sets for label in item.photos.labels}
        self._drawn = LabelSentences(names)
        self._own = [[[" ".join(tokenize(s)) for s in of] for of in item.photos.captions] for item in sets]
        self.words = vocabulary([of for own in self._own for of in own], self._drawn, config.least_count)
        self._places = {word: place for place, word in enumerate(self.words)}
        self._sets = sets
        self._config = config

    def references(self, number: int) -> list[list[str]]:
        """The tokenised captions of each photograph of a captioned set."""
        return self._own[number]

    def draw(self, number: int, photo: int, rng: np.random.Generator) -> Ints:
        """``sentences`` sentences of one photograph: int64 ``[B, longest + 2]`` from start to end."""
        wanted = self._config.sentences
        labels = self._sets[number].photos.labels
        if labels:
            texts = [self._drawn.draw(labels[photo], rng) for _ in range(wanted)]
        else:
            texts = [self._own[number][photo][i] for i in rng.permutation(5)[:wanted]]
        return np.stack([self.encode(text) for text in texts])

    def encode(self, text: str) -> Ints:
        """Words parted by spaces to ids: int64 ``[longest + 2]``, start, words, end and padding."""
        ids = np.full(self._config.longest + 2, END, np.int64)
        words = [self._places.get(word, UNKNOWN) for word in text.split()[: self._config.longest]]
        ids[: len(words) + 1] = [START, *words]
        return ids

    def decode(self, ids: Sequence[int] | Ints, *, with_end: bool = False) -> str:
        """Ids (but for the start) to words parted by spaces, up to the end, or with it where there is one."""
        ids = [i for i in ids if i != START]
        stop = ids.index(END) + with_end if END in ids else len(ids)
        return " ".join(self.words[i] for i in ids[:stop])


def until_end(words: Tensor) -> Tensor:
    """True up to and with the first end of each row: bool of the same shape ``[..., T]``."""
    return (words == END).cumsum(-1) <= (words == END).long()


def some_grids(item: Captioned, number: int, rng: np.random.Generator) -> tuple[Ints, Tensor]:
    """Some photographs of a set, each in one of its views: indices ``[N]`` and float32 ``[N, L, D]``."""
    photos = rng.choice(len(item.photos), number, replace=False)
    views = rng.integers(item.grids.shape[1], size=number)
    return photos, torch.from_numpy(item.grids[photos, views].astype(np.float32))


def batch(
    sets: Sequence[Captioned], sentences: Sentences, rng: np.random.Generator, config: CaptionConfig, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Grids ``[N, L, D]`` and sentences int64 ``[N, B, T]`` (T of the longest) from every set."""
    grids, words = [], []
    for number, item in enumerate(sets, start=first):
        photos, grid = some_grids(item, config.batch[number], rng)
        grids.append(grid)
        words += [sentences.draw(number, photo, rng) for photo in photos]
    drawn = torch.from_numpy(np.stack(words))
    longest = int(until_end(drawn).sum(-1).max())
    return torch.cat(grids), drawn[:, :, :longest]
