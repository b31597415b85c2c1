"""Phase 2 of a captioner's training: self-critical sequence training on CIDEr-D and, optionally, BLEU-4 and naming.

Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning"; the baseline of a sample is the mean reward
of the image's other samples (Luo 2020, "A Better Variant of Self-Critical Sequence Training").

Shapes: N images, B samples per image, T words, L cells, D channels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import Ints
from imagist.training.captioners.context import TrainingContext
from imagist.training.captioners.corpus import batch_images, until_end
from imagist.training.captioners.cross_entropy import corpora_loss
from imagist.training.captioners.evaluator import CaptionModel
from imagist.training.captioners.recipe import CrossEntropy, SelfCritical
from imagist.training.captioners.rewards import END_WORD, Judged, Reward, Scorer
from imagist.training.captioners.run import TrainingRun
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.networks.decoder import CaptionDecoder, beams_of
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

PHASE = "self_critical"


def train_self_critical(
    model: CaptionModel, context: TrainingContext, config: SelfCritical, cross_entropy: CrossEntropy
) -> None:
    """Trains the model in place. It leaves with the averaged weights of the best evaluation on dev.

    Captions of images without references are judged, too, where the context has such. With
    ``config.cross_entropy_weight`` the loss of phase 1 is added, on all corpora. It keeps the words of corpora
    without references in use, and captions of the others do not get worse on dev.
    """
    if config.patch_keep_rate is not None:
        model.decoder.patch_keep_rate = config.patch_keep_rate
    run = TrainingRun(
        model, context.learning_rate_factors, weight_decay=0.0, ema_decay=config.ema_decay,
        max_grad_norm=config.max_grad_norm, path=context.folder / f"{PHASE}.pt", accelerator=context.accelerator,
    )  # fmt: skip
    if run.step == 0:
        context.log_metrics(PHASE, 0, run.evaluate(context.evaluator))
    language = next(iter(context.vocabulary.starts))
    references = context.corpora[0].references(language)
    reward = Reward([[f"{text} {END_WORD}" for text in texts] for texts in references], config.bleu_weight)
    captioned = Judged(context.corpora[0].features, reward, config.temperature)
    progress = Progress(PHASE, config.steps, run.step)
    for step in range(run.step, config.steps):
        loss, rewards = policy_loss(model, run, step, captioned, config.batch_size, context, config)
        told = {"reward": rewards}
        if context.judged is not None:
            size = max(1, round(config.batch_size * config.naming.share))
            further, told["naming"] = policy_loss(model, run, step, context.judged, size, context, config)
            loss = loss + config.naming.weight * further
        if config.cross_entropy_weight:
            batch = context.batch(config.batch_size, cross_entropy.captions_per_image, step)
            known = corpora_loss(run.wrapped, batch, config.weights, context, cross_entropy)
            loss = loss + config.cross_entropy_weight * known
        run.update(loss, warmup_cosine(config.learning_rate, step, config.steps, warmup_steps=config.warmup_steps))
        means = {name: float(each.mean()) for name, each in told.items()}
        if progress.step(sum(each.numel() for each in told.values()), **means):
            context.log_metrics(PHASE, run.step, means)
        if run.step % config.eval_every == 0 or run.step == config.steps:
            context.log_metrics(PHASE, run.step, run.evaluate(context.evaluator))
    run.load_best()


def policy_loss(
    model: CaptionModel, run: TrainingRun, step: int, judged: Judged, size: int, context: TrainingContext,
    config: SelfCritical,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Samples captions of ``size`` images of a step; each sample's log-probability is weighted by its advantage.

    Returns:
        The mean loss per word, and the rewards of this process's samples ``[n, B]``.
    """
    vocabulary = context.vocabulary
    rng = np.random.default_rng((context.seed, 2 + judged.seed, step))
    images = batch_images(judged, step, size, context.seed + 1 + judged.seed)
    inputs = context.local(judged.features.some(images, rng))
    own = images[context.accelerator.process_index :: context.accelerator.num_processes]
    dropout_seed = context.step_seed(500_000 * (1 + judged.seed) + step)
    model.train()  # with dropout: without it the images would be memorised, and dev would get worse
    torch.manual_seed(dropout_seed)
    with torch.no_grad(), context.autocast():
        grid = model.encoder(inputs)
        sampled = sample_captions(
            model.decoder, grid, config.samples_per_image, context.max_length, vocabulary,
            next(iter(vocabulary.starts)), judged.temperature,
        )  # fmt: skip
    advantage, rewards = advantages(judged.reward, sampled, own, vocabulary)
    in_caption = until_end(sampled[:, :, 1:], vocabulary.end)
    sampled = sampled[:, :, : 1 + int(in_caption.sum(-1).max())]
    target, counted = sampled[:, :, 1:], in_caption[:, :, : sampled.shape[2] - 1]
    torch.manual_seed(dropout_seed)  # the same cells and units as when the captions were sampled
    with context.autocast():
        logits, _ = run.wrapped(inputs, sampled[:, :, :-1], counted)
    chosen = F.log_softmax(logits.float() / judged.temperature, -1).gather(1, target[counted][:, None])[:, 0]
    weight = advantage.to(chosen)[..., None].expand(counted.shape)[counted]
    return -(weight * chosen).sum() / context.mean_over_processes(counted.sum()), rewards


def advantages(reward: Scorer, sampled: Tensor, images: Ints, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Advantages and rewards of samples, both float32 ``[N, B]``.

    The advantage is the reward minus the mean reward of the image's other samples.

    Args:
        reward: The reward.
        sampled: Words int64 ``[N, B, T]``, with the start.
        images: Numbers of the images, int64 ``[N]``.
        vocabulary: Decodes the words.
    """
    number, samples = sampled.shape[:2]
    texts = []
    for ids in sampled[:, :, 1:].flatten(0, 1).tolist():
        text = vocabulary.decode(ids)
        texts.append(f"{text} {END_WORD}" if vocabulary.end in ids else text)
    rewards = torch.from_numpy(reward.scores(texts, np.repeat(images, samples)).reshape(number, samples)).float()
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / (samples - 1), rewards


@torch.no_grad()
def sample_captions(
    decoder: CaptionDecoder,
    grid: Tensor,
    samples: int,
    max_length: int,
    vocabulary: Vocabulary,
    language: str,
    temperature: float = 1.0,
) -> Tensor:
    """Samples captions word by word: int64 ``[N, B, max_length + 2]``, padded with the end.

    Args:
        decoder: The decoder.
        grid: ``[N, L, D]``.
        samples: B, captions per image.
        max_length: Maximum number of words.
        vocabulary: Start, end and suppressed words.
        language: Language of the captions.
        temperature: Of the softmax; below 1, likely words are sampled more often.
    """
    memory, first = decoder.begin(grid)
    state = beams_of(first, samples)
    words = torch.full((len(grid), samples), vocabulary.starts[language], device=grid.device)
    sampled = [words]
    ended = torch.zeros_like(words, dtype=torch.bool)
    for _ in range(max_length):
        logits, _, state = decoder.step(words, memory, state)
        logits[..., list(vocabulary.suppressed_tokens)] = -torch.inf
        probabilities = torch.softmax(logits.float() / temperature, -1)
        words = torch.multinomial(probabilities.flatten(0, 1), 1).view_as(words).masked_fill(ended, vocabulary.end)
        sampled.append(words)
        ended |= words == vocabulary.end
        if ended.all():
            break
    sampled += [torch.full_like(words, vocabulary.end)] * (max_length + 2 - len(sampled))
    return torch.stack(sampled, -1)
