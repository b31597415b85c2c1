"""Phase 2 of the captioner: self-critical training on CIDEr-D.

Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning"; the score to beat is the mean of the other
samples of the same photo (Luo 2020, "A Better Variant of Self-Critical Sequence Training").
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.decoding import END, START
from imagist.metrics.cider import CiderD
from imagist.training.captioning import (
    SPECIAL,
    UNKNOWN,
    CaptionConfig,
    Captioned,
    Sentences,
    batch,
    some_grids,
    until_end,
)
from imagist.training.crossentropy import word_loss
from imagist.training.distil import set_rate
from imagist.training.judge import Judge
from imagist.training.networks import Decoder
from imagist.training.progress import Progress
from imagist.training.run import Run


def self_critical(
    decoder: Decoder, sets: Sequence[Captioned], sentences: Sentences, judge: Judge, folder: Path, config: CaptionConfig
) -> None:
    """Phase 2: sampled sentences, each weighed by how much its CIDEr-D is above that of the photo's other samples.

    The end counts as a word of the reward; without it, sentences learn to break off after an article.
    The labelled sets go on with cross-entropy beside it, or their words would be lost.
    """
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=config.critical_rate, weight_decay=0.0)
    run = Run(decoder, optimiser, folder / "critical.pt")
    if run.step == 0:
        run.judge(judge)
    reward = CiderD([[f"{text} {SPECIAL[END]}" for text in of] for of in sentences.references(0)])
    progress = Progress("captioner, CIDEr", config.critical_steps, run.step)
    samples = config.critical_samples
    for step in range(run.step, config.critical_steps):
        set_rate(optimiser, config.critical_rate, step, config.critical_steps, warm=20)
        rng = np.random.default_rng((config.seed, 2, step))
        torch.manual_seed(int(rng.integers(2**31)))
        photos, grid = some_grids(sets[0], config.batch[0], rng)
        decoder.eval()  # sampled without dropout, learnt without dropout
        sampled = sample(decoder, grid, samples, config.longest)
        texts = [sentences.decode(ids, with_end=True) for ids in sampled.flatten(0, 1).tolist()]
        scores = torch.from_numpy(
            reward.scores(texts, np.repeat(photos, samples)).reshape(len(photos), samples)
        ).float()
        others = (scores.sum(1, keepdim=True) - scores) / (samples - 1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, _ = decoder(grid, sampled[:, :, :-1])
        goal = sampled[:, :, 1:]
        chosen = F.log_softmax(logits.float(), -1).gather(-1, goal[..., None])[..., 0]
        counts = until_end(goal)
        loss = -((scores - others)[..., None] * chosen * counts).sum() / counts.sum()
        grid, words = batch(sets[1:], sentences, rng, config, first=1)
        decoder.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, attention = decoder(grid, words[:, :, :-1])
        run.learn(loss + 0.3 * word_loss(logits.float(), attention.float(), words[:, :, 1:], config))
        progress.step(sampled[:, :, 0].numel(), reward=float(scores.mean()))
        if (step + 1) % 100 == 0 or step + 1 == config.critical_steps:
            run.judge(judge)
    run.take_best()


@torch.no_grad()
def sample(decoder: Decoder, grid: Tensor, samples: int, longest: int) -> Tensor:
    """Sentences drawn word by word: int64 ``[N, samples, longest + 2]``, padded with the end.

    Args:
        decoder: The model.
        grid: ``[N, L, D]``.
        samples: Sentences a photo.
        longest: Most words.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values, keys, state, cell = decoder.begin(grid)
        state, cell = (x[:, None].expand(-1, samples, -1) for x in (state, cell))
        words = torch.full((len(grid), samples), START)
        drawn = [words]
        ended = torch.zeros_like(words, dtype=torch.bool)
        for _ in range(longest):
            logits, _, state, cell = decoder.step(words, values, keys, state, cell)
            logits[..., START] = logits[..., UNKNOWN] = -torch.inf
            chances = torch.softmax(logits.float(), -1)
            words = torch.multinomial(chances.flatten(0, 1), 1).view_as(words).masked_fill(ended, END)
            drawn.append(words)
            ended |= words == END
            if ended.all():
                break
    drawn += [torch.full_like(words, END)] * (longest + 2 - len(drawn))
    return torch.stack(drawn, -1)
