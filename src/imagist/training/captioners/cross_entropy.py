"""Phase 1 of a captioner's training: cross-entropy of the next word.

Shapes: N images, B captions per image, T words, L cells, V words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from imagist.errors import UsageError
from imagist.training.captioners.context import TrainingContext
from imagist.training.captioners.corpus import until_end
from imagist.training.captioners.evaluator import CaptionModel
from imagist.training.captioners.label_smoothing import smoothed_cross_entropy
from imagist.training.captioners.recipe import CorpusWeights, CrossEntropy
from imagist.training.captioners.run import TrainingRun
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

PHASE = "cross_entropy"
SAVE_EVERY = 100  # steps between checkpoints


def train_cross_entropy(model: CaptionModel, context: TrainingContext, config: CrossEntropy) -> None:
    """Trains the model in place. It leaves with the averaged weights of the best evaluation on dev."""
    run = TrainingRun(
        model, context.learning_rate_factors, weight_decay=config.weight_decay, ema_decay=config.ema_decay,
        max_grad_norm=config.max_grad_norm, path=context.folder / f"{PHASE}.pt", accelerator=context.accelerator,
    )  # fmt: skip
    epoch = max(1, len(context.corpora[0]) // config.batch_size)
    steps = config.epochs * epoch
    progress = Progress(PHASE, steps, run.step)
    for step in range(run.step, steps):
        if config.patience and run.evaluations_without_gain >= config.patience:
            break
        torch.manual_seed(context.step_seed(step))  # dropout: a resumed run equals an uninterrupted one
        batch = context.batch(config.batch_size, config.captions_per_image, step)
        model.train()
        loss = corpora_loss(run.wrapped, batch, config.weights, context, config)
        run.update(loss, warmup_cosine(config.learning_rate, step, steps, warmup_steps=config.warmup_steps))
        captions = sum(words[:, :, 0].numel() for _, words in batch.values()) * context.accelerator.num_processes
        if progress.step(captions, loss=float(loss.detach())):
            context.log_metrics(PHASE, run.step, {"loss": float(loss.detach())})
        if run.step == steps or (run.step % epoch == 0 and run.step >= config.first_eval * steps):
            context.log_metrics(PHASE, run.step, run.evaluate(context.evaluator))
        elif run.step % SAVE_EVERY == 0:
            run.save()
    run.load_best()


def corpora_loss(
    model: nn.Module, batch: Mapping[str, tuple[Tensor, Tensor]], weights: CorpusWeights, context: TrainingContext,
    config: CrossEntropy,
) -> Tensor:  # fmt: skip
    """The weighted sum of the `caption_loss` of each kind of corpus in a batch.

    Args:
        model: A `CaptionModel`.
        batch: As `TrainingContext.batch`.
        weights: Of the kinds.
        context: As `caption_loss`.
        config: Settings of the phase.
    """
    losses = [
        getattr(weights, kind) * caption_loss(model, inputs, words, context, config)
        for kind, (inputs, words) in batch.items()
    ]
    return torch.stack(losses).sum()


def caption_loss(
    model: nn.Module, inputs: Tensor, words: Tensor, context: TrainingContext, config: CrossEntropy
) -> Tensor:
    """Mean cross-entropy per word with label smoothing, plus the doubly stochastic attention penalty.

    Words after the first end do not count, nor do unknown words.

    Args:
        model: A `CaptionModel`.
        inputs: Input of the model, ``[N, ...]``, or class probabilities ``[N, C]``.
        words: int64 ``[N, B, T + 1]``, with the start.
        context: The vocabulary, and the processes over which the mean is taken.
        config: Settings of the phase.
    """
    target = words[:, :, 1:]
    in_caption = until_end(target, context.vocabulary.end)
    unknown = context.vocabulary.unknown
    counted = in_caption if unknown is None else in_caption & (target != unknown)
    read = drop_words(words[:, :, :-1], config.word_dropout, context.vocabulary) if model.training else words[:, :, :-1]
    with context.autocast():
        logits, attention = model(inputs, read, counted)
    losses = smoothed_cross_entropy(logits, target[counted], config.label_smoothing)
    loss = losses / context.mean_over_processes(counted.sum())
    if attention is None or not config.doubly_stochastic_weight:
        return loss
    received = (attention.float() * in_caption[..., None]).sum(2)
    expected = in_caption.sum(2, keepdim=True) / attention.shape[-1]
    penalty: Tensor = ((received - expected) ** 2).sum(-1)
    captions = context.mean_over_processes(penalty.new_tensor(penalty.numel()))
    return loss + config.doubly_stochastic_weight * penalty.sum() / captions


def drop_words(words: Tensor, rate: float, vocabulary: Vocabulary) -> Tensor:
    """Replaces a share of the words ``[..., T]`` by the unknown word, never the first, which is the start.

    Raises:
        UsageError: The vocabulary has no unknown word.
    """
    if not rate:
        return words
    if vocabulary.unknown is None:
        raise UsageError("this vocabulary has no unknown word", item="cross_entropy.word_dropout", remedy="set it to 0")
    dropped = torch.rand(words.shape, device=words.device) < rate
    dropped[..., 0] = False
    return words.masked_fill(dropped, vocabulary.unknown)
