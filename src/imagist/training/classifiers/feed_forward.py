"""Fits a small feed-forward network over features to any loss of its logits.

Shapes: N examples; C classes; D features; R rows of a batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import AnyArray, Array, Floats
from imagist.classifiers.calibration import check_targets
from imagist.classifiers.fusion import FeedForward
from imagist.errors import UsageError
from imagist.settings import PartialShare
from imagist.training.classifiers.history import Epoch

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Network:
    """A small network over features, and how it learns: by AdamW, from the mean and spread of each feature on.

    Attributes:
        hidden: Units of the one hidden layer; 0 leaves it out.
        dropout: Share of the hidden units (of the features, without a hidden layer) left out of each step.
        epochs: Most passes over the examples.
        patience: Epochs without a lower loss on dev after which it ends; the best is kept. Without dev all are made,
            and the last is kept.
        batch_size: Examples a step.
        learning_rate: Learning rate.
        weight_decay: Weight decay.
    """

    hidden: NonNegativeInt = 128
    dropout: PartialShare = 0.2
    epochs: PositiveInt = 100
    patience: PositiveInt = 10
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-2


def learn(
    settings: Network,
    features: Array,
    wanted: Tensor,
    loss_of: Loss,
    classes: int,
    dev: tuple[Array, AnyArray] | None,
    seed: int,
) -> tuple[FeedForward, tuple[Epoch, ...]]:
    """Fits a network to a loss.

    Args:
        settings: Of the network and its training.
        features: float32 ``[N, D]``.
        wanted: int64 ``[N]``, what counts as right in the history.
        loss_of: The mean loss, in nats, of logits ``[R, C]`` and the rows ``[R]`` that they are of.
        classes: C.
        dev: Features and targets on which epochs are compared.
        seed: Of all that is drawn.

    Raises:
        UsageError: Shapes or targets that make no sense, or a feature that is not finite.
    """
    _check_features(features)
    if dev is not None:
        _check_features(dev[0], features.shape[1])
        check_targets(np.broadcast_to(np.float32(0), (len(dev[0]), classes)), np.asarray(dev[1]))
    spread = features.std(axis=0, dtype=np.float64)
    scale = features.mean(axis=0, dtype=np.float64), np.where(spread > 0, spread, 1.0)
    x, held_out = _scaled(features, scale), None if dev is None else _scaled(dev[0], scale)
    history: list[Epoch] = []
    best, kept, since = np.inf, None, 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _module(settings, features.shape[1], classes)
        optimiser = torch.optim.AdamW(
            module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        for number in range(1, settings.epochs + 1):
            loss, share = _pass(module, optimiser, x, wanted, loss_of, settings.batch_size)
            accuracy, dev_loss = (
                (None, None) if held_out is None or dev is None else _evaluate(module, held_out, dev[1])
            )
            history.append(Epoch(number, loss, share, accuracy, dev_loss))
            if dev_loss is None:
                continue
            since += 1
            if dev_loss < best:
                best, kept, since = dev_loss, copy.deepcopy(module.state_dict()), 0
            elif since == settings.patience:
                break
    if kept is not None:
        module.load_state_dict(kept)
    return _folded(module, scale), tuple(history)


def _module(settings: Network, width: int, classes: int) -> nn.Sequential:
    if not settings.hidden:
        return nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(width, classes))
    first, last = nn.Linear(width, settings.hidden), nn.Linear(settings.hidden, classes)
    return nn.Sequential(first, nn.ReLU(), nn.Dropout(settings.dropout), last)


def _pass(
    module: nn.Sequential, optimiser: torch.optim.Optimizer, x: Tensor, wanted: Tensor, loss_of: Loss, batch: int
) -> tuple[float, float]:
    """One epoch: its mean loss, and the share that was right during it."""
    module.train()
    total = right = 0.0
    for rows in torch.split(torch.randperm(len(x)), batch):
        logits = module(x[rows])
        loss = loss_of(logits, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(rows)
        right += int((logits.detach().argmax(1) == wanted[rows]).sum())
    return total / len(x), right / len(x)


@torch.no_grad()
def _evaluate(module: nn.Sequential, x: Tensor, targets: AnyArray) -> tuple[float, float]:
    """Accuracy and mean negative log-likelihood on dev."""
    module.eval()
    logits, truth = module(x), torch.from_numpy(np.asarray(targets).astype(np.int64))
    return float((logits.argmax(1) == truth).float().mean()), float(F.cross_entropy(logits, truth))


def _folded(module: nn.Sequential, scale: tuple[Floats, Floats]) -> FeedForward:
    """The network over features as they come: what scaled them goes into the first layer."""
    mean, spread = scale
    layers = [
        (layer.weight.detach().double().numpy().T, layer.bias.detach().double().numpy())
        for layer in module
        if isinstance(layer, nn.Linear)
    ]
    matrix, bias = layers[0]
    layers[0] = matrix / spread[:, None], bias - (mean / spread) @ matrix
    return FeedForward(tuple((m.astype(np.float32), b.astype(np.float32)) for m, b in layers))


def _scaled(features: Array, scale: tuple[Floats, Floats]) -> Tensor:
    return torch.from_numpy(((features - scale[0]) / scale[1]).astype(np.float32))


def _check_features(features: Array, width: int | None = None) -> None:
    if features.ndim != 2 or 0 in features.shape or width not in (None, features.shape[1]):
        raise UsageError(f"needs features [N, {width or 'D'}], got {list(features.shape)}")
    if not np.isfinite(features).all():
        raise UsageError("a feature is not finite")
