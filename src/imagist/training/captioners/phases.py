"""Recipe: the two phases of a captioner, cross-entropy and self-critical training; dev chooses in each."""

from __future__ import annotations

import torch

from imagist.training import checkpoint
from imagist.training.captioners.cross_entropy import Learning, cross_entropy
from imagist.training.captioners.evaluator import CaptionModel
from imagist.training.captioners.recipe import Critical, Words
from imagist.training.captioners.self_critical import self_critical


def learn(model: CaptionModel, learning: Learning, words: Words, critical: Critical) -> None:
    """Trains a captioner in place, or goes on where ``learning.folder`` says an earlier run stood.

    Args:
        model: Leaves in eval mode.
        learning: Data, folder and what else both phases share; the folder receives checkpoints and ``captioner.pt``.
        words: Settings of phase 1.
        critical: Of phase 2, left out with 0 steps.
    """
    done = learning.folder / "captioner.pt"
    if finished := checkpoint.load(done):
        model.load_state_dict(finished["weights"])
    else:
        cross_entropy(model, learning, words)
        if critical.steps:
            self_critical(model, learning, critical, words)
        if learning.accelerator.is_main_process:
            checkpoint.save(done, {"weights": {k: v.cpu() for k, v in model.state_dict().items()}})
    model.eval()


def device_of(name: str) -> torch.device:
    """``auto`` is the accelerator that is there, or the processor."""
    if name != "auto":
        return torch.device(name)
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")
