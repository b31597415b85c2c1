"""The state of one training phase: weights, their moving average, the optimiser, the best weights so far; on disk."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imagist.training import checkpoint
from imagist.training.captioners.evaluator import CaptionEvaluator

log = logging.getLogger("imagist.training")


class TrainingRun:
    """Updates, evaluates and saves a model. Every process has the same state; the first process writes it.

    Args:
        model: Trained in place.
        learning_rate_factors: For each child module of the model, its learning rate as a multiple of the schedule's.
        weight_decay: Of AdamW.
        ema_decay: Decay of the exponential moving average of the weights.
        max_grad_norm: Gradients are clipped to this norm.
        path: Checkpoint. The evaluations are written to the same path with the suffix ``.jsonl``.
        accelerator: Joins processes and devices.

    Attributes:
        wrapped: The model as the accelerator prepared it.
        step: Updates so far.
        evaluations_without_gain: Evaluations since the best one.
    """

    def __init__(
        self, model: nn.Module, learning_rate_factors: dict[str, float], *, weight_decay: float, ema_decay: float,
        max_grad_norm: float, path: Path, accelerator: Accelerator,
    ) -> None:  # fmt: skip
        self._model, self._path, self._accelerator = model, path, accelerator
        self._max_grad_norm = max_grad_norm
        groups = [
            {"params": [p for p in part.parameters() if p.requires_grad], "factor": learning_rate_factors[name]}
            for name, part in model.named_children()
            if any(p.requires_grad for p in part.parameters())
        ]
        optimiser = torch.optim.AdamW(groups, lr=1.0, weight_decay=weight_decay, fused=True)
        self._average = torch.optim.swa_utils.AveragedModel(
            model,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema_decay),  # type: ignore[no-untyped-call]
        )
        self._best: dict[str, Tensor] = {}
        self._best_score, self.step, self.evaluations_without_gain = -math.inf, 0, 0
        if state := checkpoint.load(path):
            model.load_state_dict(state["weights"])
            self._average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            self._best, self._best_score, self.step = state["best"], state["best_score"], state["step"]
            self.evaluations_without_gain = state["evaluations_without_gain"]
        self.wrapped, self._optimiser = accelerator.prepare(model, optimiser)

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """Makes one step of the optimiser."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate * group["factor"]
        self._optimiser.zero_grad()
        self._accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self._model.parameters(), self._max_grad_norm)
        self._optimiser.step()
        self._average.update_parameters(self._model)
        self.step += 1

    def evaluate(self, evaluator: CaptionEvaluator) -> dict[str, float]:
        """Evaluates the averaged weights, keeps them if their CIDEr is the best so far, and saves the state."""
        metrics = evaluator.evaluate(self._average.module)
        log.info("dev at step %d  %s", self.step, "  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        score = sum(value for name, value in metrics.items() if name.startswith("cider"))
        self.evaluations_without_gain += 1
        if score > self._best_score:
            self._best_score, self.evaluations_without_gain = score, 0
            self._best = {k: v.clone() for k, v in self._average.module.state_dict().items()}
        self.save()
        if self._accelerator.is_main_process:
            with self._path.with_suffix(".jsonl").open("a") as file:
                file.write(json.dumps({"step": self.step} | metrics) + "\n")
        return metrics

    def save(self) -> None:
        """Writes the checkpoint."""
        if not self._accelerator.is_main_process:
            return
        state = {"weights": self._model.state_dict(), "average": self._average.state_dict(), "step": self.step}
        state |= {"optimiser": self._optimiser.state_dict(), "best": self._best, "best_score": self._best_score}
        checkpoint.save(self._path, state | {"evaluations_without_gain": self.evaluations_without_gain})

    def load_best(self) -> None:
        """Gives the model the averaged weights of the best evaluation."""
        self._model.load_state_dict(self._best)
