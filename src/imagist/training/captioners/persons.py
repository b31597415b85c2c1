"""Where somebody is to be seen: learnt from what captions and labels speak of.

Each cell of the grid has a score; that of an image is the soft maximum over means of neighbouring cells, as somebody
may be small.

Shapes: N images, L cells, D channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Floats, Ints
from imagist.captioning.hedging import NEIGHBOURS, SHARPNESS
from imagist.errors import UsageError
from imagist.images.photo import ImageSource
from imagist.training.captioners.class_sentences import PERSONS
from imagist.training.captioners.corpora import Encoding, grid_shape, images_of
from imagist.training.captioners.corpus import Corpus, batch_images
from imagist.training.captioners.recipe import Recipe
from imagist.training.encoders.features import Features

SPOKEN_OF = PERSONS - {"group", "their"}  # "a group of birds"
MANY, FEW = 0.5, 0.25  # shares of an image's captions that speak of persons: somebody is there, nobody is there
SOMETIMES = 0.3  # share of a label's sentences
STEPS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 700, 256, 2e-3, 0.3
SMOOTHING = 0.03  # of what is known


def person_detector(recipe: Recipe, encoding: Encoding, known: Sequence[Corpus]) -> PersonDetector | None:
    """A detector fitted to the images of a recipe; None where the recipe has no use for one.

    Args:
        recipe: With `HedgingSettings`, or a `NamingReward`.
        encoding: Its encoders.
        known: Corpora whose captions or labels say whether persons are to be seen.

    Raises:
        UsageError: The recipe has no names of classes, its encoder is trained, or has no classes to hedge by.
        DataError: A file cannot be read.
    """
    naming, data = recipe.self_critical.steps and recipe.self_critical.naming.share, recipe.data
    if not naming and recipe.hedging is None:
        return None
    item = "hedging" if recipe.hedging is not None else "self_critical.naming"
    if data.class_names is None:
        raise UsageError("needs data.class_names", item=item, remedy="name them, or leave it out")
    if recipe.backbone.finetune:
        raise UsageError("goes with frozen encoders alone", item=item, remedy="leave it out")
    if recipe.hedging is not None and encoding.encoders[0].space is None:
        raise UsageError("needs an encoder that has classes in the bundle", item="hedging", remedy="leave it out")
    nobody = [image for each in data.nobody for image in _some(images_of([each], encoding.data), data.nobody_images)]
    learnt = [Known.of(each) for each in known]
    learnt += [Known.nobody(encoding.features(nobody, 1))] if nobody else []
    return fit_persons(learnt, grid_shape(encoding.encoders[0], recipe.backbone.image_size)[1], recipe.seed)


def _some(images: Sequence[ImageSource], most: int) -> Sequence[ImageSource]:
    """At most so many images, evenly spaced."""
    number = min(len(images), most)
    return [images[i * len(images) // number] for i in range(number)]


class PersonDetector(nn.Module):
    """From a grid ``[N, L, D]`` to the logit that somebody is to be seen, ``[N]``.

    Args:
        channels: D.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.cell = nn.Linear(channels, 1)
        nn.init.zeros_(self.cell.weight)

    def forward(self, grid: Tensor) -> Tensor:
        """As the class says."""
        scores = self.cell((grid - self.mean) / self.scale)[..., 0]
        side = math.isqrt(grid.shape[1])
        near = F.avg_pool2d(scores.unflatten(1, (1, side, side)), min(NEIGHBOURS, side), 1).flatten(1)
        return (torch.logsumexp(SHARPNESS * near, 1) - math.log(near.shape[1])) / SHARPNESS


@dataclass(frozen=True, eq=False)
class Known:
    """Images of which it is known whether somebody is to be seen.

    Attributes:
        features: Grids.
        images: Numbers of the images that are known.
        somebody: For each of these, 1 or 0.
    """

    features: Features
    images: Ints
    somebody: Floats

    @classmethod
    def of(cls, corpus: Corpus) -> Known:
        """What the captions of a corpus say, or the sentences about its labels."""
        if corpus.label_sentences is None:
            shares = [_share(texts) for texts in corpus.references("en")]
            somebody = np.array([1.0 if share >= MANY else 0.0 if share <= FEW else np.nan for share in shares])
        else:
            labels = {label: _share(corpus.label_sentences.all([label])) for label in {*corpus.labels}}
            somebody = np.array([float(labels[label] >= SOMETIMES) for label in corpus.labels])
        images = np.flatnonzero(~np.isnan(somebody))
        return cls(corpus.features, images, somebody[images])

    @classmethod
    def nobody(cls, features: Features) -> Known:
        """Images without persons."""
        return cls(features, np.arange(len(features)), np.zeros(len(features)))


def _share(texts: Iterable[str]) -> float:
    spoken = [not SPOKEN_OF.isdisjoint(text.split()) for text in texts]
    return float(np.mean(spoken)) if spoken else math.nan


def fit_persons(known: Sequence[Known], channels: int, seed: int) -> PersonDetector:
    """Fits a detector; images with somebody and images with nobody count equally in all.

    Args:
        known: The images.
        channels: D.
        seed: Of the order and of the views.
    """
    torch.manual_seed(seed)
    where = np.concatenate(
        [np.stack([np.full(len(each.images), number), each.images], 1) for number, each in enumerate(known)]
    )
    somebody = torch.from_numpy(np.concatenate([each.somebody for each in known])).float()
    share = somebody.mean().clamp(0.01, 0.99)
    weight = torch.where(somebody > 0.5, 0.5 / share, 0.5 / (1 - share))
    detector = PersonDetector(channels)
    first = _drawn(known, where[:: max(1, len(where) // 1000)], np.random.default_rng((seed, 6)))
    detector.mean.copy_(first.mean((0, 1)))
    detector.scale.copy_(first.std((0, 1)) + 1e-2)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    size = min(BATCH_SIZE, len(where))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        rows = batch_images(where, step, size, seed + 7)
        logits = detector(_drawn(known, where[rows], np.random.default_rng((seed, 7, step))))
        target = somebody[rows] * (1 - 2 * SMOOTHING) + SMOOTHING
        loss = F.binary_cross_entropy_with_logits(logits, target, weight[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return detector.eval().requires_grad_(False)


def _drawn(known: Sequence[Known], rows: Ints, rng: np.random.Generator) -> Tensor:
    """Grids ``[n, L, D]`` of a random view of some images, each given by its set and its number there, ``[n, 2]``."""
    sets = [np.flatnonzero(rows[:, 0] == number) for number in range(len(known))]
    drawn = [each.features.some(rows[own, 1], rng) for each, own in zip(known, sets, strict=True) if len(own)]
    return torch.cat(drawn)[torch.from_numpy(np.argsort(np.concatenate(sets)))]
