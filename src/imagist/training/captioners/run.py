"""One phase of training on disk: weights, their moving average, the optimiser, and the best that dev has seen."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imagist.training import checkpoint
from imagist.training.captioners.evaluator import Judge

log = logging.getLogger("imagist.training")


class Run:
    """The state of one phase; every process holds the same, the first one writes it.

    Args:
        model: Trained in place.
        groups: Its parameters as the optimiser takes them, each with its ``rate``.
        decay: Weight decay of the optimiser, AdamW.
        average: Decay of the moving average.
        clip: Longest gradient.
        path: Of the checkpoint; what dev said lies beside it in ``.jsonl``.
        accelerator: Joins processes and devices.
    """

    def __init__(
        self, model: nn.Module, rates: dict[str, float], *, decay: float, average: float, clip: float, path: Path,
        accelerator: Accelerator,
    ) -> None:  # fmt: skip
        self._model, self._path, self._clip, self._accelerator = model, path, clip, accelerator
        groups = [
            {"params": [p for p in part.parameters() if p.requires_grad], "share": rates[name]}
            for name, part in model.named_children()
            if any(p.requires_grad for p in part.parameters())
        ]
        optimiser = torch.optim.AdamW(groups, lr=1.0, weight_decay=decay, fused=True)
        self._average = torch.optim.swa_utils.AveragedModel(
            model,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(average),  # type: ignore[no-untyped-call]
        )
        self._best: dict[str, Tensor] = {}
        self._figure, self.step, self.worse = -math.inf, 0, 0
        if state := checkpoint.load(path):
            model.load_state_dict(state["weights"])
            self._average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            self._best, self._figure, self.step, self.worse = (state[k] for k in ("best", "figure", "step", "worse"))
        self.wrapped, self._optimiser = accelerator.prepare(model, optimiser)

    def learn(self, loss: Tensor, rate: float) -> None:
        """One step down the gradient at a learning rate."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.zero_grad()
        self._accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self._model.parameters(), self._clip)
        self._optimiser.step()
        self._average.update_parameters(self._model)
        self.step += 1

    def judge(self, judge: Judge) -> dict[str, float]:
        """Compares the averaged weights with the best so far, on dev."""
        figures = judge.figures(self._average.module)
        log.info("at %d  dev %s", self.step, "  ".join(f"{k} {v:.4f}" for k, v in figures.items()))
        figure = sum(v for k, v in figures.items() if k.startswith("cider"))
        self.worse += 1
        if figure > self._figure:
            self._figure, self.worse = figure, 0
            self._best = {k: v.clone() for k, v in self._average.module.state_dict().items()}
        self.keep()
        if self._accelerator.is_main_process:
            with self._path.with_suffix(".jsonl").open("a") as file:
                file.write(json.dumps({"step": self.step} | figures) + "\n")
        return figures

    def keep(self) -> None:
        """Writes the checkpoint."""
        if not self._accelerator.is_main_process:
            return
        state = {"weights": self._model.state_dict(), "average": self._average.state_dict(), "step": self.step}
        state |= {"optimiser": self._optimiser.state_dict(), "best": self._best, "figure": self._figure}
        checkpoint.save(self._path, state | {"worse": self.worse})

    def take_best(self) -> None:
        """Leaves the model with the weights that dev liked best."""
        self._model.load_state_dict(self._best)
