"""Tunes a whole network on labelled photos: varied views, mixup, smoothed labels, a moving average of the weights.

Shapes: N examples; R photos of a batch; S side in pixels; C classes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Ints
from imagist.classifiers.image.network import Network, NetworkClassifier
from imagist.images.photo import ImageSource, photo_of
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.records import LabelSet
from imagist.training.classifiers.augmentation import Augmentation, mixed
from imagist.training.classifiers.heads_over_features import batches
from imagist.training.classifiers.history import Epoch
from imagist.training.classifiers.image_features import photos_of
from imagist.training.classifiers.image_settings import Finetuned
from imagist.training.classifiers.text_run import WordsRun
from imagist.training.devices import device_of
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

KEEP = 50  # steps between checkpoints

Labelled = tuple[Sequence[ImageSource], Ints]


class _Averaged(nn.Module):
    """A network and the moving average of its weights: one module, so that one checkpoint holds both."""

    def __init__(self, network: Network, ema_decay: float) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self._ema_decay = ema_decay

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network(pixels)
        return logits

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Updates the average; faster in the first steps, so that the initial weights do not count for long."""
        decay = min(self._ema_decay, (1 + step) / (10 + step))
        for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)


def finetune(
    network: Network, settings: Finetuned, train: Labelled, dev: Labelled | None, labels: LabelSet, *,
    seed: int, path: Path | None, key: str,
) -> tuple[Network, tuple[Epoch, ...]]:  # fmt: skip
    """Tunes the network, or resumes a killed run from ``path``.

    The training accuracy of the history is over varied views, mixed ones counting for their larger part.

    Args:
        network: With a last layer of C classes.
        settings: How.
        train: N examples and their targets.
        dev: What decides when to stop, and which epoch to keep.
        labels: The C names.
        seed: Of the order, the views and the dropout.
        path: Of the checkpoint; None keeps none.
        key: Tells this fit from any other.

    Returns:
        The average of its weights, and the epochs.

    Raises:
        ItemError: An image cannot be read.
        DataError: The checkpoint is of another fit, or cannot be read.
    """
    accelerator = Accelerator(cpu=device_of(settings.network.device).type == "cpu")
    module = _Averaged(network, settings.ema_decay).to(accelerator.device)
    groups = [
        {"params": [*module.network.body.parameters()], "rate": settings.learning_rate * settings.body_share},
        {"params": [*module.network.last.parameters()], "rate": settings.learning_rate},
    ]
    groups = [group | {"weight_decay": settings.weight_decay} for group in groups]
    run = WordsRun(module, groups, clip=settings.clip, path=path, key=key, accelerator=accelerator)
    if not run.done:
        _learn(settings, module, run, train, dev, labels, seed, accelerator)
        run.finish(best=bool(settings.patience and dev))
    return module.average.cpu(), tuple(run.history)


def _learn(
    settings: Finetuned, module: _Averaged, run: WordsRun, train: Labelled, dev: Labelled | None, labels: LabelSet,
    seed: int, accelerator: Accelerator,
) -> None:  # fmt: skip
    epoch = math.ceil(len(train[0]) / settings.batch_size)
    steps = settings.epochs * epoch
    warmup = max(1, round(settings.warmup_share * steps))
    varied = Augmentation(settings.network.side, settings.min_crop_area, settings.colour)
    progress = Progress("images", steps, run.step)
    for rows in islice(batches(len(train[0]), settings.batch_size, seed), run.step, steps):
        if settings.patience and run.worse >= settings.patience:
            break
        # of views and dropout: a resumed run equals an unbroken one
        torch.manual_seed(seed * 1_000_003 + run.step)
        pixels, goals = _batch(settings, train, rows, len(labels), varied, np.random.default_rng((seed, run.step, 1)))
        own = slice(accelerator.process_index, None, accelerator.num_processes)
        losses, right = _losses(settings, module, run.wrapped, pixels[own], goals[own], accelerator)
        run.learn(losses, right, len(goals[own]), warmup_cosine(1.0, run.step, steps, warmup_steps=warmup))
        module.follow(run.step)
        progress.step(len(rows), loss=float(losses.detach()) / max(1, len(goals[own])))
        if run.step % epoch == 0:
            run.close_epoch(_evaluated(settings, module, dev, labels))
            run.keep()
        elif run.step % KEEP == 0:
            run.keep()


def _batch(
    settings: Finetuned, train: Labelled, rows: Ints, classes: int, varied: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Pixels ``[R, S, S, 3]`` and goals ``[R, C]`` of a step, the same in every process."""
    with ThreadPoolExecutor() as pool:
        photos = [*pool.map(lambda row: photo_of(train[0][row]), rows)]
    pixels = torch.stack([varied(photo.pixels) for photo in photos])
    goals = F.one_hot(torch.from_numpy(train[1][rows]), classes).float()
    return mixed(pixels, goals, settings.mixup, rng)


def _losses(
    settings: Finetuned, module: nn.Module, wrapped: nn.Module, pixels: Tensor, goals: Tensor, accelerator: Accelerator
) -> tuple[Tensor, int]:
    """The sum of this process's losses, and how many of its photos are right."""
    module.train()
    if not len(goals):
        # every process takes part in every step, one without a photo with a weight of 0
        blank = torch.zeros(1, *pixels.shape[1:], device=accelerator.device)
        return wrapped(blank).sum() * 0, 0
    logits = wrapped(pixels.to(accelerator.device)).float()
    wanted = goals.to(logits.device)
    right = int((logits.argmax(1) == wanted.argmax(1)).sum())
    return F.cross_entropy(logits, wanted, reduction="sum", label_smoothing=settings.smoothing), right


def _evaluated(
    settings: Finetuned, module: _Averaged, dev: Labelled | None, labels: LabelSet
) -> tuple[float, float] | None:
    """Accuracy and loss of the average on dev."""
    if dev is None:
        return None
    network, device = module.average, module.average.last.weight.device
    shown = settings.network
    classifier = NetworkClassifier(network, labels, views=shown.views, mirror=shown.mirror, device=str(device))
    scores = np.concatenate([classifier.scores(photos) for photos in photos_of(dev[0])])
    return accuracy(scores, dev[1]), negative_log_likelihood(scores, dev[1])
