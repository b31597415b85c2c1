"""One phase of training on disk: weights, their moving average, the optimiser, and the best that dev has seen."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from imagist.training import checkpoint
from imagist.training.judge import Judge

log = logging.getLogger("imagist.training")


class Run:
    """Weights, their moving average, the optimiser and the best so far; kept on disk."""

    def __init__(self, decoder: nn.Module, optimiser: torch.optim.Optimizer, path: Path) -> None:
        self._decoder, self._optimiser, self._path = decoder, optimiser, path
        self._average = torch.optim.swa_utils.AveragedModel(
            decoder,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995),  # type: ignore[no-untyped-call]
        )
        self._best: dict[str, Tensor] = {}
        self._figure = -1.0
        self.step = 0
        if state := checkpoint.load(path):
            decoder.load_state_dict(state["weights"])
            self._average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            self._best, self._figure, self.step = state["best"], state["figure"], state["step"]

    def learn(self, loss: Tensor) -> None:
        """One step down the gradient."""
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._decoder.parameters(), 1.0)
        self._optimiser.step()
        self._average.update_parameters(self._decoder)
        self.step += 1

    def judge(self, judge: Judge) -> None:
        """Compares the averaged weights with the best so far, on dev."""
        figures = judge.figures(self._average.module)
        log.info("captioner at %d  dev %s", self.step, "  ".join(f"{k} {v:.4f}" for k, v in figures.items()))
        if figures["cider"] > self._figure:
            self._figure = figures["cider"]
            self._best = {k: v.clone() for k, v in self._average.module.state_dict().items()}
        self.keep()

    def keep(self) -> None:
        """Writes the checkpoint."""
        state = {"weights": self._decoder.state_dict(), "average": self._average.state_dict(), "step": self.step}
        state |= {"optimiser": self._optimiser.state_dict(), "best": self._best, "figure": self._figure}
        checkpoint.save(self._path, state)

    def take_best(self) -> None:
        """Leaves the decoder with the weights that dev liked best."""
        self._decoder.load_state_dict(self._best)
