"""The phases that train a captioner's weights, in order."""

from __future__ import annotations

from imagist.training import checkpoint
from imagist.training.captioners.context import TrainingContext
from imagist.training.captioners.cross_entropy import train_cross_entropy
from imagist.training.captioners.evaluator import CaptionModel
from imagist.training.captioners.recipe import CrossEntropy, SelfCritical
from imagist.training.captioners.self_critical import train_self_critical


def train_phases(
    model: CaptionModel, context: TrainingContext, cross_entropy: CrossEntropy, self_critical: SelfCritical
) -> None:
    """Trains a captioner in place, or resumes from the checkpoints in ``context.folder``.

    Args:
        model: Encoder and decoder; in eval mode afterwards.
        context: Data, evaluation and devices. Its folder receives checkpoints and the weights, ``captioner.pt``.
        cross_entropy: Settings of phase 1.
        self_critical: Settings of phase 2, which 0 steps skip.
    """
    path = context.folder / "captioner.pt"
    if finished := checkpoint.load(path):
        model.load_state_dict(finished["weights"])
    else:
        train_cross_entropy(model, context, cross_entropy)
        if self_critical.steps:
            train_self_critical(model, context, self_critical, cross_entropy)
        if context.accelerator.is_main_process:
            checkpoint.save(path, {"weights": {k: v.cpu() for k, v in model.state_dict().items()}})
    model.eval()
