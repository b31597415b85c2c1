"""The training loop of both towers: steps with a schedule, from a checkpoint on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from imagist.training import checkpoint
from imagist.training.matchers.recipe import ImageTower, TextTower
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

Curves = Callable[[str, int, dict[str, float]], None]
FACTOR = "factor"  # of the learning rate, in a group of the optimizer's parameters
FIGURES_EVERY = 20  # steps; to read a loss, the host waits for the device


def run_steps(
    name: str,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    losses: Callable[[int], dict[str, Tensor]],
    weights: Mapping[str, float],
    settings: ImageTower | TextTower,
    path: Path,
    curves: Curves,
) -> None:
    """Trains a network in place.

    Args:
        name: Of the training.
        network: The network.
        optimizer: Of its weights; its groups may have a `FACTOR`.
        losses: From the number of a step to its losses, by name; the same at every call for the same weights.
        weights: Of the losses.
        settings: Of the tower.
        path: Of the checkpoint.
        curves: Called with the name, the step and the losses.
    """
    first = 0
    if saved := checkpoint.load(path):
        network.load_state_dict(saved["weights"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
    progress, figures = Progress(name, settings.steps, first), dict[str, float]()
    network.train()
    for step in range(first, settings.steps):
        rate = warmup_cosine(settings.learning_rate, step, settings.steps, warmup_steps=settings.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get(FACTOR, 1)
        parts = losses(step)
        optimizer.zero_grad()
        torch.stack([weights[key] * part for key, part in parts.items()]).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), settings.max_grad_norm)
        optimizer.step()
        if step % FIGURES_EVERY == 0:
            figures = {key: float(part.detach()) for key, part in parts.items()}
        progress.step(settings.batch_size, **figures)
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            curves(name, step + 1, figures)
            state = {"weights": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            checkpoint.save(path, state)
    network.eval()
