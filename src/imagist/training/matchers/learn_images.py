"""Trains the image tower, and the rotation of the texts' space that goes with it.

Shapes: N images with captions; B of a batch; A images of a batch, others included; C classes; G everyday words; W
nouns; F sentences of a noun; S sentences of names; E channels; D width of the vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Array, Ints
from imagist.training.matchers.images import Encoders, ImageSet
from imagist.training.matchers.loop import FACTOR, Curves, run_steps
from imagist.training.matchers.recipe import ImageTower as Settings
from imagist.training.matchers.towers import ImageTower

PHASE = "image tower"
LOSSES = "captions", "classes", "groups", "nouns"
SCALES = {"captions": 20.0, "classes": 20.0, "words": 10.0}  # of cosines, from which they are learnt
GROUP_BIAS, NOUN_BIAS = -3.0, -2.0  # few of the words fit an image
FAST = 10  # times the learning rate, for the scales and biases
_PER_WORD = 0.1  # of the sums over words in the losses


@dataclass(frozen=True, eq=False)
class Lessons:
    """What the image tower learns from.

    Attributes:
        captioned: N images.
        captions: Vectors of their captions, float32 ``[K, D]``.
        first: Where the captions of each image begin, int64 ``[N + 1]``.
        named: Further images, each with its share of a batch relative to those with captions.
        names: Vectors of sentences of names, float32 ``[S, D]``.
        owners: The class of each, or C and the number of its word, ascending, int64 ``[S]``.
        members: Which classes each everyday word may mean, float32 ``[C, G]``, 0 or 1.
        nouns: Vectors of sentences of nouns, float32 ``[W, F, D]``.
        shares: How sure each captioned image shows each noun, float32 ``[N, W]``.
    """

    captioned: ImageSet
    captions: Tensor
    first: Ints
    named: Sequence[tuple[ImageSet, float]]
    names: Tensor
    owners: Ints
    members: Tensor
    nouns: Tensor
    shares: Tensor

    def class_vectors(self) -> Tensor:
        """The mean vector of the names of each class, of length 1: ``[C, D]``."""
        classes = len(self.members)
        rows = torch.from_numpy(self.owners < classes)
        own = torch.from_numpy(self.owners)[rows]
        return F.normalize(torch.zeros(classes, self.names.shape[1]).index_add_(0, own, self.names[rows]), dim=1)


class Space(nn.Module):
    """The image tower with the rotation from the texts' space and the scales of the losses.

    Args:
        tower: The image tower.
        width: D.
    """

    def __init__(self, tower: ImageTower, width: int) -> None:
        super().__init__()
        self.tower = tower
        self.rotation = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.rotation.weight)
        self.scales = nn.ParameterDict({name: nn.Parameter(torch.tensor(math.log(x))) for name, x in SCALES.items()})
        self.group_bias = nn.Parameter(torch.tensor(GROUP_BIAS))
        self.noun_bias = nn.Parameter(torch.tensor(NOUN_BIAS))

    def logits(self, images: Tensor, vectors: Tensor, scale: str) -> Tensor:
        """Scaled cosines between rows of length 1 ``[A, D]`` and vectors of texts ``[X, D]``: ``[A, X]``."""
        found: Tensor = images @ F.normalize(self.rotation(vectors), dim=1).T * self.scales[scale].exp()
        return found


@dataclass(frozen=True, eq=False)
class Batch:
    """The batch of a step.

    Attributes:
        means: Of windows of grids, those with captions first, ``[A, E]``.
        classes: By the encoder's head, ``[A, C]``.
        targets: Classes to learn, ``[A, C]``.
        images: Numbers of those with captions, int64 ``[B]``.
        whole: Whether the window of each is the whole grid, bool ``[B]``.
        captions: The vector of a caption of each, ``[B, D]``.
        names: The vector of a sentence of each class, then of each everyday word, ``[C + G, D]``.
        nouns: The vector of a sentence of each noun, ``[W, D]``.
    """

    means: Tensor
    classes: Tensor
    targets: Tensor
    images: Tensor
    whole: Tensor
    captions: Tensor
    names: Tensor
    nouns: Tensor


def batch_of(lessons: Lessons, encoders: Encoders, settings: Settings, seed: Sequence[int]) -> Batch:
    """The batch of a step, which depends on the arguments alone, if torch's own seed is set."""
    rng = np.random.default_rng(seed)
    encoder, size = int(rng.integers(len(encoders.heads))), settings.batch_size
    means, targets, chosen, windows = [], [], [], []
    for images, share in ((lessons.captioned, 1.0), *lessons.named):
        rows = rng.integers(len(images), size=max(1, round(share * size)))
        parts = rng.integers(images.number, size=len(rows))
        means.append(images.means(encoder, rows, parts))
        targets.append(images.targets[rows])
        chosen.append(rows)
        windows.append(parts)
    own = chosen[0]
    caption = rng.integers(lessons.first[own], lessons.first[own + 1])
    _, starts, counts = np.unique(lessons.owners, return_index=True, return_counts=True)
    name = rng.integers(starts, starts + counts)
    sentence = rng.integers(lessons.nouns.shape[1], size=len(lessons.nouns))
    device = encoders.device
    seen = torch.cat(means).to(device)
    noisy = (lessons.captions[caption], lessons.names[name], lessons.nouns[range(len(sentence)), sentence])
    return Batch(
        seen, encoders.classes(encoder, seen), torch.cat(targets).to(device), torch.from_numpy(own).to(device),
        torch.from_numpy(windows[0] == 0).to(device),
        *(F.normalize(x + settings.noise * torch.randn_like(x), dim=1).to(device) for x in noisy),
    )  # fmt: skip


def losses(space: Space, batch: Batch, lessons: Lessons, settings: Settings) -> dict[str, Tensor]:
    """The four losses of a batch, each a number, by the names of their weights."""
    found = space.tower(batch.means, batch.classes)
    size, classes = len(batch.images), batch.targets.shape[1]
    own, weights = found[:size], settings.losses
    pairs = space.logits(own, batch.captions, "captions")
    itself = torch.eye(size, dtype=torch.bool, device=pairs.device)
    again = (batch.images[:, None] == batch.images) & ~itself  # another caption of the same image
    pairs, right = pairs.masked_fill(again, -1e4), torch.arange(size, device=pairs.device)
    weight = torch.ones(len(found), device=pairs.device)
    weight[:size] = weights.captioned
    by_class = F.log_softmax(space.logits(found, batch.names[:classes], "classes"), 1)
    fit = (batch.targets @ lessons.members.to(pairs.device)).clamp(0, 1)
    groups = _words(space.logits(found, batch.names[classes:], "words") + space.group_bias, fit)
    shown = lessons.shares.to(pairs.device)[batch.images]
    nouns = _words(space.logits(own, batch.nouns, "words") + space.noun_bias, shown)
    return {
        "captions": (F.cross_entropy(pairs, right) + F.cross_entropy(pairs.T, right)) / 2,
        "classes": -((batch.targets * by_class).sum(1) * weight).sum() / weight.sum(),
        "groups": (groups * weight).sum() / weight.sum(),
        "nouns": (nouns * torch.where(batch.whole, 1.0, weights.windows)).mean(),
    }


def _words(logits: Tensor, fit: Tensor) -> Tensor:
    """The binary cross-entropy of each image, over all words: ``[A]``."""
    return F.binary_cross_entropy_with_logits(logits, fit, reduction="none").sum(1) * _PER_WORD


def learn_images(
    lessons: Lessons, encoders: Encoders, settings: Settings, path: Path, seed: int, curves: Curves
) -> Space:
    """Trains the tower from its checkpoint on; batches depend on seed and step alone.

    Args:
        lessons: What it learns from.
        encoders: Tell the classes that the tower reads.
        settings: Of the tower.
        path: Of the checkpoint.
        seed: Of weights and batches.
        curves: Called with the name of the phase, the step and the losses.

    Returns:
        The tower with its rotation, in eval mode.
    """
    torch.manual_seed(seed)
    channels = lessons.captioned.windows[0].shape[2]
    tower = ImageTower(lessons.class_vectors(), channels, settings)
    space = Space(tower, lessons.names.shape[1]).to(encoders.device)

    def losses_of(step: int) -> dict[str, Tensor]:
        torch.manual_seed(int(np.random.default_rng((seed, 4, step)).integers(2**62)))
        return losses(space, batch_of(lessons, encoders, settings, (seed, 5, step)), lessons, settings)

    weights = {name: getattr(settings.losses, name) for name in LOSSES}
    run_steps(PHASE, space, make_optimizer(space, settings), losses_of, weights, settings, path, curves)
    return space


def make_optimizer(space: Space, settings: Settings) -> torch.optim.Optimizer:
    """AdamW that decays the tower alone; scales and biases learn `FAST`."""
    fast = [*space.scales.parameters(), space.group_bias, space.noun_bias]
    groups = [
        {"params": [*space.tower.parameters()], "weight_decay": settings.weight_decay, FACTOR: 1},
        {"params": [*space.rotation.parameters()], "weight_decay": 0.0, FACTOR: 1},
        {"params": fast, "weight_decay": 0.0, FACTOR: FAST},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def membership(groups: Sequence[Ints], classes: int) -> Tensor:
    """Which classes belong to each group: float32 ``[C, G]``, 0 or 1."""
    found: Array = np.zeros((classes, len(groups)), np.float32)
    for place, numbers in enumerate(groups):
        found[numbers, place] = 1
    return torch.from_numpy(found)
