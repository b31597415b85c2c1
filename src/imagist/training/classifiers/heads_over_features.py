"""A linear layer over features that a frozen network gave: by steps over small batches, or its optimum at once.

Shapes: N examples; C classes; E features; R rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Array, Floats, Ints
from imagist.errors import DataError, UsageError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.training import checkpoint
from imagist.training.classifiers.history import Epoch
from imagist.training.classifiers.image_settings import Linear
from imagist.training.classifiers.linear import best_linear, fit_linear

MOMENTUM = 0.9

Labelled = tuple[Array, Ints]


@dataclass(frozen=True, eq=False)
class Head:
    """A fitted layer: ``features @ matrix + bias`` are the logits.

    Attributes:
        matrix: float32 ``[E, C]``.
        bias: float32 ``[C]``.
        history: How it came about.
    """

    matrix: Array
    bias: Array
    history: tuple[Epoch, ...]


def fit_head(
    settings: Linear, train: Labelled, dev: Labelled | None, classes: int, *, seed: int, path: Path | None, key: str
) -> Head:
    """Fits the layer, or resumes a killed run from ``path``.

    Args:
        settings: How.
        train: Features ``[N, E]`` and targets ``[N]``.
        dev: The same of held-out examples.
        classes: C.
        seed: Of the order of the examples; ``lbfgs`` draws nothing.
        path: Of the checkpoint; None keeps none.
        key: Tells this fit from any other.

    Raises:
        UsageError: ``lbfgs`` with neither dev nor penalty.
        DataError: The checkpoint is of another fit, or cannot be read.
    """
    if settings.solver == "lbfgs":
        return _optimum(settings, train, dev, classes)
    return _by_steps(settings, train, dev, classes, seed, path, key)


def _optimum(settings: Linear, train: Labelled, dev: Labelled | None, classes: int) -> Head:
    features, targets = train
    weighted = features, targets, np.ones(len(targets), np.float32)
    if settings.penalty is not None:
        matrix, bias = fit_linear(*weighted, classes, settings.penalty)
    elif dev is None:
        raise UsageError("without dev there is nothing to choose it on", item="penalty", remedy="set it, or give dev")
    else:
        best = best_linear("image", weighted, dev, classes)
        matrix, bias = best.calibrated
    loss, right = _figures(matrix, bias, train)
    return Head(matrix, bias, (_epoch(1, loss, right, matrix, bias, dev),))


def _by_steps(
    settings: Linear, train: Labelled, dev: Labelled | None, classes: int, seed: int, path: Path | None, key: str
) -> Head:
    layer = nn.Linear(train[0].shape[1], classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = _optimiser(settings, layer)
    history: list[Epoch] = []
    if path and (state := checkpoint.load(path)):
        if state["key"] != key:
            raise DataError("is of other data or settings", item=str(path), remedy="delete it to begin anew")
        layer.load_state_dict(state["layer"])
        optimiser.load_state_dict(state["optimiser"])
        history = [Epoch(*values) for values in state["history"]]
    begun = min(len(history) * settings.eval_every, settings.steps)
    features, targets = torch.from_numpy(train[0]), torch.from_numpy(train[1])
    order = batches(len(targets), settings.batch_size, seed)
    sums = np.zeros(3)  # losses, right ones and examples since the last evaluation
    for step, rows in zip(range(settings.steps), order, strict=False):
        if step < begun:
            continue
        sums += _step(layer, optimiser, features[rows], targets[rows])
        if (step + 1) % settings.eval_every == 0 or step + 1 == settings.steps:
            matrix, bias = _arrays(layer)
            history.append(_epoch(len(history) + 1, sums[0] / sums[2], sums[1] / sums[2], matrix, bias, dev))
            sums[:] = 0
            if path:
                saved_now: dict[str, Any] = {"layer": layer.state_dict(), "optimiser": optimiser.state_dict()}
                checkpoint.save(path, saved_now | {"history": [[*vars(each).values()] for each in history], "key": key})
    return Head(*_arrays(layer), tuple(history))


def _optimiser(settings: Linear, layer: nn.Linear) -> torch.optim.Optimizer:
    if settings.solver == "sgd":
        return torch.optim.SGD(layer.parameters(), lr=settings.learning_rate, momentum=MOMENTUM)
    return torch.optim.Adam(layer.parameters(), lr=settings.learning_rate)


def _step(layer: nn.Linear, optimiser: torch.optim.Optimizer, given: Tensor, goal: Tensor) -> Floats:
    logits = layer(given)
    loss = F.cross_entropy(logits, goal)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    right = int((logits.argmax(1) == goal).sum())
    return np.array([float(loss.detach()) * len(goal), right, len(goal)])


def batches(number: int, size: int, seed: int) -> Iterator[Ints]:
    """Rows of batches without end: pass after pass, each in an order of its own; the last batch of one may be smaller.

    Args:
        number: N.
        size: Most rows of a batch.
        seed: Of the orders.
    """
    turn = 0
    while True:
        order = np.random.default_rng((seed, turn)).permutation(number)
        yield from (order[start : start + size] for start in range(0, number, size))
        turn += 1


def _arrays(layer: nn.Linear) -> tuple[Array, Array]:
    return layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()


def _epoch(number: int, loss: float, right: float, matrix: Array, bias: Array, dev: Labelled | None) -> Epoch:
    dev_loss, dev_right = (None, None) if dev is None else _figures(matrix, bias, dev)
    return Epoch(number, float(loss), float(right), dev_right, dev_loss)


def _figures(matrix: Array, bias: Array, labelled: Labelled) -> tuple[float, float]:
    """Mean loss and accuracy."""
    scores = torch.softmax(torch.from_numpy(labelled[0] @ matrix + bias), 1).numpy()
    return negative_log_likelihood(scores, labelled[1]), accuracy(scores, labelled[1])
