"""One fine-tuning on disk: weights, optimiser, the epochs so far, and the best weights by dev."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imagist.errors import DataError
from imagist.training import checkpoint
from imagist.training.classifiers.history import Epoch

Groups = list[dict[str, Any]]


class WordsRun:
    """Every process holds the same; the first one writes it.

    Args:
        module: Trained in place, already on its device.
        groups: Its parameters as the optimiser takes them, each with its peak ``rate``.
        clip: Longest gradient.
        path: Of the checkpoint; None keeps none.
        key: Tells this fit from any other.
        accelerator: Joins processes and devices.

    Raises:
        DataError: The checkpoint is of another fit, or cannot be read.
    """

    def __init__(
        self, module: nn.Module, groups: Groups, *, clip: float, path: Path | None, key: str, accelerator: Accelerator
    ) -> None:
        self._module, self._clip, self._path, self._key = module, clip, path, key
        self._accelerator = accelerator
        self.step, self.worse, self.done = 0, 0, False
        self.history: list[Epoch] = []
        self._sums = torch.zeros(3, dtype=torch.float64)  # of the epoch so far: losses, right ones, texts
        self._best: dict[str, Tensor] = {}
        self._figure = (-math.inf, -math.inf)
        optimiser = torch.optim.AdamW(groups, lr=1.0)
        if path and (state := checkpoint.load(path)):
            if state["key"] != key:
                raise DataError("is of other data or settings", item=str(path), remedy="delete it to begin anew")
            self._restore(state, optimiser)
        self.wrapped, self._optimiser = accelerator.prepare(module, optimiser)

    def learn(self, losses: Tensor, right: int, texts: int, share: float) -> None:
        """One step down the gradient.

        Args:
            losses: The sum of this process's losses.
            right: How many of its texts are right.
            texts: How many it has.
            share: Of the peak rates.
        """
        sums = torch.tensor([float(losses.detach()), right, texts], device=self._accelerator.device)
        summed = self._accelerator.reduce(sums, "sum")
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate"] * share
        self._optimiser.zero_grad()
        # gradients are averaged over processes, and the loss is to be the mean over all texts
        self._accelerator.backward(losses * self._accelerator.num_processes / summed[2])
        nn.utils.clip_grad_norm_(self._module.parameters(), self._clip)
        self._optimiser.step()
        self._sums += summed.cpu().double()
        self.step += 1

    def close_epoch(self, dev: tuple[float, float] | None) -> Epoch:
        """Ends an epoch, and remembers the weights where dev likes them best: accuracy first, then loss."""
        losses, right, texts = self._sums.tolist()
        accuracy, loss = dev or (None, None)
        epoch = Epoch(len(self.history) + 1, losses / texts, right / texts, accuracy, loss)
        self.history.append(epoch)
        self._sums.zero_()
        if not dev:
            return epoch
        self.worse += 1
        if (dev[0], -dev[1]) > self._figure:
            self._figure, self.worse = (dev[0], -dev[1]), 0
            self._best = {name: value.detach().cpu().clone() for name, value in self._module.state_dict().items()}
        return epoch

    def keep(self) -> None:
        """Writes the checkpoint."""
        if self._accelerator.is_main_process:
            tensors = {"weights": self._module.state_dict(), "best": self._best, "sums": self._sums}
            figures = {"figure": list(self._figure), "step": self.step, "worse": self.worse}
            self._write({**tensors, **figures, "optimiser": self._optimiser.state_dict()})

    def finish(self, *, best: bool) -> None:
        """Leaves the module with the last weights, or those that dev liked best, and writes those alone."""
        if best:
            self._module.load_state_dict(self._best)
        self.done = True
        if self._accelerator.is_main_process:
            self._write({"weights": self._module.state_dict()})

    def _write(self, state: dict[str, Any]) -> None:
        if self._path:
            history = [[*vars(epoch).values()] for epoch in self.history]
            checkpoint.save(self._path, state | {"key": self._key, "history": history, "done": self.done})

    def _restore(self, state: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
        self._module.load_state_dict(state["weights"])
        self.history, self.done = [Epoch(*values) for values in state["history"]], state["done"]
        if not self.done:
            optimiser.load_state_dict(state["optimiser"])
            self._best, self._sums, self._figure = state["best"], state["sums"], tuple(state["figure"])
            self.step, self.worse = state["step"], state["worse"]
