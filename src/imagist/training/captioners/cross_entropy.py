"""Phase 1 of a captioner: the next word, with label smoothing and attention that is to look everywhere.

Shapes: N photos, B sentences a photo, T words, L cells, V words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imagist.errors import UsageError
from imagist.training.captioners.corpus import Corpus, batch, until_end
from imagist.training.captioners.evaluator import CaptionModel, Judge
from imagist.training.captioners.label_smoothing import smoothed
from imagist.training.captioners.recipe import Words
from imagist.training.captioners.run import Run
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.progress import Progress
from imagist.training.schedules import rate_at


@dataclass(frozen=True)
class Learning:
    """What both phases share.

    Attributes:
        corpora: The sets; epochs are counted on the first.
        shares: Photos of each set for one of the first; 1 for the first.
        vocabulary: Of the model.
        max_length: Most words of a sentence.
        judge: Says what dev thinks.
        folder: Receives checkpoints.
        accelerator: Joins processes and devices.
        seed: Of everything that is drawn.
        encoder_rate: Learning rate of the encoder as a share of the decoder's.
        bf16: Multiply in bfloat16.
        told: Called with the name of a phase, the step and figures, for curves.
    """

    corpora: Sequence[Corpus]
    vocabulary: Vocabulary
    max_length: int
    judge: Judge
    folder: Path
    accelerator: Accelerator
    shares: Sequence[float] = (1.0,)
    seed: int = 0
    encoder_rate: float = 0.05
    bf16: bool = True
    told: Callable[[str, int, dict[str, float]], None] = lambda phase, step, figures: None

    @property
    def rates(self) -> dict[str, float]:
        """For each part of the model its learning rate as a share."""
        return {"encoder": self.encoder_rate, "decoder": 1.0}

    def autocast(self) -> torch.autocast:
        """Multiplies in bfloat16 within, if asked to."""
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16)

    def batch(self, photos: int, sentences: int, step: int) -> tuple[Tensor, Tensor]:
        """This process's part of a step's batch from every set: given ``[N, ...]``, words."""
        sizes = [max(1, round(photos * share)) for share in self.shares]
        given, words = batch(self.corpora, sizes, sentences, self.vocabulary, self.max_length, step, self.seed)
        return self.mine(given), self.mine(words)

    def mine(self, rows: Tensor) -> Tensor:
        """This process's part of a batch, on its device."""
        own = rows[self.accelerator.process_index :: self.accelerator.num_processes]
        return own.to(self.accelerator.device)

    def seed_of(self, step: int) -> int:
        """Of what a step draws; each process draws its own, or all would drop the same of their photos."""
        every = self.seed * 1_000_003 + step
        return every * int(self.accelerator.num_processes) + int(self.accelerator.process_index)

    def total(self, count: Tensor) -> Tensor:
        """The mean over processes of a number that each has its own of."""
        return self.accelerator.reduce(count.detach().float(), "mean")  # type: ignore[no-any-return]


def cross_entropy(model: CaptionModel, learning: Learning, config: Words) -> None:
    """Phase 1. Ends with the moving average of the weights, at the epoch that dev likes best."""
    run = Run(
        model, learning.rates, decay=config.decay, average=config.average, clip=config.clip,
        path=learning.folder / "words.pt", accelerator=learning.accelerator,
    )  # fmt: skip
    epoch = max(1, len(learning.corpora[0]) // config.batch)
    steps = config.epochs * epoch
    progress = Progress("words", steps, run.step)
    for step in range(run.step, steps):
        if config.patience and run.worse >= config.patience:
            break
        torch.manual_seed(learning.seed_of(step))  # of the dropout: a resumed run equals an unbroken one
        given, words = learning.batch(config.batch, config.sentences, step)
        model.train()
        loss = word_loss(run.wrapped, given, words, learning, config)
        run.learn(loss, rate_at(config.rate, step, steps, warm=config.warm))
        captions = words[:, :, 0].numel() * learning.accelerator.num_processes
        if progress.step(captions, loss=float(loss.detach())):
            learning.told("words", run.step, {"loss": float(loss.detach())})
        if run.step == steps or (run.step % epoch == 0 and run.step >= config.first_look * steps):
            learning.told("words", run.step, run.judge(learning.judge))
        elif run.step % 100 == 0:
            run.keep()
    run.take_best()


def word_loss(model: nn.Module, given: Tensor, words: Tensor, learning: Learning, config: Words) -> Tensor:
    """Smoothed cross-entropy up to the first end, plus the penalty for cells that a sentence never looks at.

    Args:
        model: A `CaptionModel`.
        given: What it is given, ``[N, ...]``.
        words: int64 ``[N, B, T + 1]``, from the start.
        learning: The vocabulary; and the other processes, over all of which the mean is taken.
        config: Settings.
    """
    goal = words[:, :, 1:]
    spoken = until_end(goal, learning.vocabulary.end)
    counts = spoken if learning.vocabulary.unknown is None else spoken & (goal != learning.vocabulary.unknown)
    read = hide(words[:, :, :-1], config.hidden, learning.vocabulary) if model.training else words[:, :, :-1]
    with learning.autocast():
        logits, attention = model(given, read, counts)
    loss = smoothed(logits, goal[counts], config.smoothing) / learning.total(counts.sum())
    if attention is None or not config.doubly_stochastic_weight:
        return loss
    seen = (attention.float() * spoken[..., None]).sum(2)
    fair = spoken.sum(2, keepdim=True) / attention.shape[-1]
    staring: Tensor = ((seen - fair) ** 2).sum(-1)
    return loss + config.doubly_stochastic_weight * staring.sum() / learning.total(staring.new_tensor(staring.numel()))


def hide(words: Tensor, share: float, vocabulary: Vocabulary) -> Tensor:
    """``[..., T]`` with a share of the words unknown, but for the first, which is the start.

    Raises:
        UsageError: A vocabulary of BPE tokens, which has no unknown words.
    """
    if not share:
        return words
    if vocabulary.unknown is None:
        raise UsageError("this vocabulary has no unknown word to hide others behind", item="words.hidden", remedy="0")
    hidden = torch.rand(words.shape, device=words.device) < share
    hidden[..., 0] = False
    return words.masked_fill(hidden, vocabulary.unknown)
