"""Phase 2 of a captioner: self-critical training on CIDEr-D, and on BLEU-4 beside it where that is asked for.

Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning"; the score to beat is the mean of the other
samples of the same photo (Luo 2020, "A Better Variant of Self-Critical Sequence Training").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import Floats, Ints
from imagist.metrics.captions import bleu_rows, smoothed_bleu_items
from imagist.metrics.cider import CiderD
from imagist.training.captioners.corpus import photos_of, until_end
from imagist.training.captioners.cross_entropy import Learning, word_loss
from imagist.training.captioners.evaluator import CaptionModel
from imagist.training.captioners.recipe import Critical, Words
from imagist.training.captioners.run import Run
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.networks.decoder import CaptionDecoder, beams_of
from imagist.training.progress import Progress
from imagist.training.schedules import rate_at

_END = "<end>"  # in the reward the end counts as a word; without it, sentences learn to break off after an article


def self_critical(model: CaptionModel, learning: Learning, config: Critical, words: Words) -> None:
    """Phase 2: sampled sentences, each weighed by how much its reward is above that of the photo's other samples.

    With ``config.words`` cross-entropy goes on beside it, on all sets: the words of those without references would be
    lost, and the others' captions get worse on dev where they are rewarded alone.
    """
    if config.seen is not None:
        model.decoder.seen = config.seen
    run = Run(
        model, learning.rates, decay=0.0, average=config.average, clip=config.clip,
        path=learning.folder / "critical.pt", accelerator=learning.accelerator,
    )  # fmt: skip
    if run.step == 0:
        learning.told("critical", 0, run.judge(learning.judge))
    corpus, language = learning.corpora[0], next(iter(learning.vocabulary.starts))
    references = corpus.references(language)
    reward = Reward([[f"{text} {_END}" for text in of] for of in references], config.bleu)
    progress = Progress("critical", config.steps, run.step)
    for step in range(run.step, config.steps):
        rng = np.random.default_rng((learning.seed, 2, step))
        photos = photos_of(corpus, step, config.batch, learning.seed + 1)
        given = learning.mine(corpus.features.some(photos, rng))
        mine = photos[learning.accelerator.process_index :: learning.accelerator.num_processes]
        dropped = learning.seed_of(500_000 + step)
        model.train()  # without what is dropped, photos would be learnt by heart, and dev get worse
        torch.manual_seed(dropped)
        with torch.no_grad(), learning.autocast():
            grid = model.encoder(given)
            sampled = sample(
                model.decoder, grid, config.samples, learning.max_length, learning.vocabulary, language,
                config.temperature,
            )  # fmt: skip
        gain, scores = advantages(reward, sampled, mine, learning.vocabulary)
        spoken = until_end(sampled[:, :, 1:], learning.vocabulary.end)
        sampled = sampled[:, :, : 1 + int(spoken.sum(-1).max())]
        goal, counts = sampled[:, :, 1:], spoken[:, :, : sampled.shape[2] - 1]
        torch.manual_seed(dropped)  # learns from the cells that the sentences were drawn from
        with learning.autocast():
            logits, _ = run.wrapped(given, sampled[:, :, :-1], counts)
        chosen = F.log_softmax(logits.float() / config.temperature, -1).gather(1, goal[counts][:, None])[:, 0]
        weight = gain.to(chosen)[..., None].expand(counts.shape)[counts]
        loss = -(weight * chosen).sum() / learning.total(counts.sum())
        if config.words:
            given, known = learning.batch(config.batch, words.sentences, step)
            loss = loss + config.words * word_loss(run.wrapped, given, known, learning, words)
        run.learn(loss, rate_at(config.rate, step, config.steps, warm=config.warm))
        if progress.step(sampled[:, :, 0].numel(), reward=float(scores.mean())):
            learning.told("critical", run.step, {"reward": float(scores.mean())})
        if run.step % config.look_every == 0 or run.step == config.steps:
            learning.told("critical", run.step, run.judge(learning.judge))
    run.take_best()


class Reward:
    """How good a sentence is for a photo: its CIDEr-D, and so many times its BLEU-4.

    Args:
        references: Of each photo.
        bleu: How many times.
    """

    def __init__(self, references: Sequence[Sequence[str]], bleu: float = 0.0) -> None:
        self._references, self._bleu, self._cider = references, bleu, CiderD(references)

    def scores(self, texts: Sequence[str], photos: Ints) -> Floats:
        """Of texts about some photos, float64 ``[N]``."""
        found: Floats = self._cider.scores(texts, photos)
        if self._bleu:
            rows = bleu_rows(texts, [self._references[photo] for photo in photos])
            found = found + self._bleu * smoothed_bleu_items(rows)
        return found


def advantages(reward: Reward, sampled: Tensor, photos: Ints, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """How much better each sample is than the others of its photo, and how good: both ``[N, B]``."""
    number, samples = sampled.shape[:2]
    texts = []
    for ids in sampled[:, :, 1:].flatten(0, 1).tolist():
        text = vocabulary.decode(ids)
        texts.append(f"{text} {_END}" if vocabulary.end in ids else text)
    scores = torch.from_numpy(reward.scores(texts, np.repeat(photos, samples)).reshape(number, samples)).float()
    return scores - (scores.sum(1, keepdim=True) - scores) / (samples - 1), scores


@torch.no_grad()
def sample(
    decoder: CaptionDecoder,
    grid: Tensor,
    samples: int,
    max_length: int,
    vocabulary: Vocabulary,
    language: str,
    temperature: float = 1.0,
) -> Tensor:
    """Sentences drawn word by word: int64 ``[N, samples, max_length + 2]``, padded with the end.

    Args:
        decoder: The model.
        grid: ``[N, L, D]``.
        samples: Sentences a photo.
        max_length: Most words.
        vocabulary: Its start, end and banned words.
        language: Of the sentences.
        temperature: Below 1, likely words are drawn the more often.
    """
    memory, first = decoder.begin(grid)
    state = beams_of(first, samples)
    words = torch.full((len(grid), samples), vocabulary.starts[language], device=grid.device)
    drawn = [words]
    ended = torch.zeros_like(words, dtype=torch.bool)
    for _ in range(max_length):
        logits, _, state = decoder.step(words, memory, state)
        logits[..., list(vocabulary.banned)] = -torch.inf
        chances = torch.softmax(logits.float() / temperature, -1)
        words = torch.multinomial(chances.flatten(0, 1), 1).view_as(words).masked_fill(ended, vocabulary.end)
        drawn.append(words)
        ended |= words == vocabulary.end
        if ended.all():
            break
    drawn += [torch.full_like(words, vocabulary.end)] * (max_length + 2 - len(drawn))
    return torch.stack(drawn, -1)
