"""Phase 1 of the captioner: the next word, with label smoothing and attention that is to look everywhere.

Shapes: N photos, B sentences a photo, T words, L cells, V words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.training.captioning import UNKNOWN, CaptionConfig, Captioned, Sentences, batch, until_end
from imagist.training.distil import set_rate
from imagist.training.judge import Judge
from imagist.training.networks import Decoder
from imagist.training.progress import Progress
from imagist.training.run import Run


def cross_entropy(
    decoder: Decoder, sets: Sequence[Captioned], sentences: Sentences, judge: Judge, folder: Path, config: CaptionConfig
) -> None:
    """Phase 1: the next word. Ends with the moving average of the weights, at the epoch that dev likes best."""
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=config.rate, weight_decay=1e-2)
    run = Run(decoder, optimiser, folder / "words.pt")
    epoch_steps = len(sets[0].photos) // config.batch[0]
    steps = config.epochs * epoch_steps
    progress = Progress("captioner, words", steps, run.step)
    for step in range(run.step, steps):
        set_rate(optimiser, config.rate, step, steps, warm=200)
        rng = np.random.default_rng((config.seed, step))
        torch.manual_seed(int(rng.integers(2**31)))  # of the dropout, so that a resumed run equals an unbroken one
        grid, words = batch(sets, sentences, rng, config)
        decoder.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, attention = decoder(grid, words[:, :, :-1])
        loss = word_loss(logits.float(), attention.float(), words[:, :, 1:], config)
        run.learn(loss)
        progress.step(words[:, :, 0].numel(), loss=float(loss.detach()))
        if step + 1 == steps or ((step + 1) % epoch_steps == 0 and 2 * step > steps):
            run.judge(judge)
        elif (step + 1) % 100 == 0:
            run.keep()
    run.take_best()


def word_loss(logits: Tensor, attention: Tensor, goal: Tensor, config: CaptionConfig) -> Tensor:
    """Smoothed cross-entropy up to the first end, plus the penalty for cells that a sentence never looks at.

    Args:
        logits: ``[N, B, T, V]``.
        attention: ``[N, B, T, L]``.
        goal: int64 ``[N, B, T]``.
        config: Settings.
    """
    counts = until_end(goal)
    counts = counts & (goal != UNKNOWN)
    loss = F.cross_entropy(logits[counts], goal[counts], label_smoothing=config.smoothing)
    seen = (attention * until_end(goal)[..., None]).sum(2)
    fair = until_end(goal).sum(2, keepdim=True) / attention.shape[-1]
    return loss + config.attend_all * ((seen - fair) ** 2).sum(-1).mean()
