"""Recipe: the embedded captioner, on Flickr8k's sentences and on sentences made from labels.

Cross-entropy with label smoothing first, then self-critical training on CIDEr-D (Rennie et al. 2017), its score to beat
being the mean of the other samples of the same photo (Luo 2020, "A Better Variant of Self-Critical Sequence Training").
The best epoch is chosen on dev.

Shapes: N photos, B sentences a photo, T words, L cells, D channels.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.decoding import END, START, Decoding, Ints, beam_search
from imagist.metrics.captions import bleu
from imagist.metrics.cider import CiderD, cider
from imagist.metrics.ptb import tokenize
from imagist.records import Array
from imagist.training import checkpoint
from imagist.training.distil import set_rate
from imagist.training.features import Halves
from imagist.training.networks import Decoder
from imagist.training.photographs import PhotoSet
from imagist.training.progress import Progress
from imagist.training.sentences import LabelSentences

log = logging.getLogger("imagist.training")

UNKNOWN = 2
SPECIAL = ("<end>", "<start>", "<unknown>")  # END is also the padding: behind the first nothing counts


@dataclass(frozen=True)
class CaptionConfig:
    """Settings of the recipe.

    Attributes:
        seed: Of the weights and of the order of everything.
        least_count: A word of Flickr8k train is known from so many occurrences on.
        longest: Sentences are cut to so many words.
        epochs: Passes over Flickr8k train with cross-entropy.
        batch: Photographs a step, of each set.
        sentences: Sentences a photograph and step.
        rate: Peak learning rate.
        smoothing: Label smoothing, 0 to 1.
        attend_all: Weight of the doubly stochastic penalty (Xu et al. 2015, equation 14).
        hidden: Width of the state.
        embedding: Width of a word's vector.
        attention: Width of the comparison of state and cells.
        dropout: 0 to 1.
        critical_steps: Steps of self-critical training.
        critical_rate: Its learning rate.
        critical_samples: Sentences sampled a photo in it.
    """

    seed: int = 0
    least_count: int = 4
    longest: int = 20
    epochs: int = 9
    batch: tuple[int, ...] = (24, 6, 6)
    sentences: int = 5
    rate: float = 1.2e-3
    smoothing: float = 0.1
    attend_all: float = 0.5
    hidden: int = 384
    embedding: int = 256
    attention: int = 128
    dropout: float = 0.4
    critical_steps: int = 400
    critical_rate: float = 5e-5
    critical_samples: int = 5


@dataclass(frozen=True, eq=False)
class Captioned:
    """A set with its grids and, for each photograph, its sentences; labelled sets draw theirs anew each time.

    Attributes:
        photos: The set.
        grids: float16 ``[N, V, L, D]``.
    """

    photos: PhotoSet
    grids: Halves


def vocabulary(captions: Sequence[Sequence[str]], labels: LabelSentences, least: int) -> tuple[str, ...]:
    """The special words, then those of captions (``least`` times or more) and of label sentences, most frequent first."""
    count = Counter(word for sentences in captions for sentence in sentences for word in sentence.split())
    known = {word for word, number in count.items() if number >= least}
    known |= {word for sentence in labels.all() for word in sentence.split()}
    return SPECIAL + tuple(sorted(known, key=lambda word: (-count[word], word)))


class Sentences:
    """Sentences as word ids, for each set: Flickr8k's own, or drawn from labels."""

    def __init__(self, sets: Sequence[Captioned], config: CaptionConfig) -> None:
        names = {label for item in sets for label in item.photos.labels}
        self._drawn = LabelSentences(names)
        self._own = [[[" ".join(tokenize(s)) for s in of] for of in item.photos.captions] for item in sets]
        self.words = vocabulary([of for own in self._own for of in own], self._drawn, config.least_count)
        self._places = {word: place for place, word in enumerate(self.words)}
        self._sets = sets
        self._config = config

    def references(self, number: int) -> list[list[str]]:
        """The tokenised captions of each photograph of a captioned set."""
        return self._own[number]

    def draw(self, number: int, photo: int, rng: np.random.Generator) -> Ints:
        """``sentences`` sentences of one photograph: int64 ``[B, longest + 2]`` from start to end."""
        wanted = self._config.sentences
        labels = self._sets[number].photos.labels
        if labels:
            texts = [self._drawn.draw(labels[photo], rng) for _ in range(wanted)]
        else:
            texts = [self._own[number][photo][i] for i in rng.permutation(5)[:wanted]]
        return np.stack([self.encode(text) for text in texts])

    def encode(self, text: str) -> Ints:
        """Words parted by spaces to ids: int64 ``[longest + 2]``, start, words, end and padding."""
        ids = np.full(self._config.longest + 2, END, np.int64)
        words = [self._places.get(word, UNKNOWN) for word in text.split()[: self._config.longest]]
        ids[: len(words) + 1] = [START, *words]
        return ids

    def decode(self, ids: Sequence[int] | Ints, *, with_end: bool = False) -> str:
        """Ids (but for the start) to words parted by spaces, up to the end, or with it where there is one."""
        ids = [i for i in ids if i != START]
        stop = ids.index(END) + with_end if END in ids else len(ids)
        return " ".join(self.words[i] for i in ids[:stop])


def train_captioner(sets: Sequence[Captioned], dev: Captioned, folder: Path, config: CaptionConfig) -> Decoder:
    """Trains the captioner, or goes on where ``folder`` says an earlier run stood.

    Args:
        sets: Flickr8k first, then the labelled sets; one for each of ``config.batch``.
        dev: Flickr8k dev, on which epochs are compared.
        folder: Receives ``captioner.pt``, ``vocabulary.txt`` and checkpoints.
        config: Settings.
    """
    torch.manual_seed(config.seed)
    sentences = Sentences(sets, config)
    decoder = Decoder(
        len(sentences.words), sets[0].grids.shape[3], config.hidden, config.embedding, config.attention, config.dropout
    )
    (folder / "vocabulary.txt").write_text("\n".join(sentences.words) + "\n", "utf-8")
    finished = checkpoint.load(folder / "captioner.pt")
    if finished is None:
        judge = Judge(dev, sentences)
        cross_entropy(decoder, sets, sentences, judge, folder, config)
        self_critical(decoder, sets, sentences, judge, folder, config)
        checkpoint.save(folder / "captioner.pt", {"weights": decoder.state_dict(), "config": str(asdict(config))})
    else:
        decoder.load_state_dict(finished["weights"])
    return decoder.eval()


# ------------------------------------------------------------------------------------------------- two ways to learn


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
        grid, words = batch(sets, sentences, np.random.default_rng((config.seed, step)), config)
        decoder.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, attention = decoder(grid, words[:, :, :-1])
        loss = word_loss(logits.float(), attention.float(), words[:, :, 1:], config)
        run.learn(loss)
        progress.step(words[:, :, 0].numel(), loss=float(loss.detach()))
        if (step + 1) % epoch_steps == 0 and 2 * step > steps:
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


def until_end(words: Tensor) -> Tensor:
    """True up to and with the first end of each row: bool of the same shape ``[..., T]``."""
    return (words == END).cumsum(-1) <= (words == END).long()


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


# ------------------------------------------------------------------------------------------------------ batches, state


def some_grids(item: Captioned, number: int, rng: np.random.Generator) -> tuple[Ints, Tensor]:
    """Some photographs of a set, each in one of its views: indices ``[N]`` and float32 ``[N, L, D]``."""
    photos = rng.choice(len(item.photos), number, replace=False)
    views = rng.integers(item.grids.shape[1], size=number)
    return photos, torch.from_numpy(item.grids[photos, views].astype(np.float32))


def batch(
    sets: Sequence[Captioned], sentences: Sentences, rng: np.random.Generator, config: CaptionConfig, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Grids ``[N, L, D]`` and sentences int64 ``[N, B, T]`` (T of the longest) from every set."""
    grids, words = [], []
    for number, item in enumerate(sets, start=first):
        photos, grid = some_grids(item, config.batch[number], rng)
        grids.append(grid)
        words += [sentences.draw(number, photo, rng) for photo in photos]
    drawn = torch.from_numpy(np.stack(words))
    longest = int(until_end(drawn).sum(-1).max()) + 1
    return torch.cat(grids), drawn[:, :, :longest]


class Run:
    """Weights, their moving average, the optimiser and the best so far; kept on disk."""

    def __init__(self, decoder: nn.Module, optimiser: torch.optim.Optimizer, path: Path) -> None:
        self._decoder, self._optimiser, self._path = decoder, optimiser, path
        self._average = torch.optim.swa_utils.AveragedModel(
            decoder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
        )
        self._best: dict[str, Tensor] = {}
        self._figure = -1.0
        self.step = 0
        if state := checkpoint.load(path):
            decoder.load_state_dict(state["weights"])
            self._average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            self._best, self._figure, self.step = state["best"], state["figure"], state["step"]

    def learn(self, loss: Tensor) -> None:
        """One step down the gradient."""
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._decoder.parameters(), 1.0)
        self._optimiser.step()
        self._average.update_parameters(self._decoder)
        self.step += 1

    def judge(self, judge: Judge) -> None:
        """Compares the averaged weights with the best so far, on dev."""
        figures = judge.figures(self._average.module)
        log.info("captioner at %d  dev %s", self.step, "  ".join(f"{k} {v:.4f}" for k, v in figures.items()))
        if figures["cider"] > self._figure:
            self._figure = figures["cider"]
            self._best = {k: v.clone() for k, v in self._average.module.state_dict().items()}
        self.keep()

    def keep(self) -> None:
        """Writes the checkpoint."""
        state = {"weights": self._decoder.state_dict(), "average": self._average.state_dict(), "step": self.step}
        state |= {"optimiser": self._optimiser.state_dict(), "best": self._best, "figure": self._figure}
        checkpoint.save(self._path, state)

    def take_best(self) -> None:
        """Leaves the decoder with the weights that dev liked best."""
        self._decoder.load_state_dict(self._best)


class Judge:
    """CIDEr and BLEU-4 on the whole of dev by beam search, as the bundle will decode."""

    def __init__(self, dev: Captioned, sentences: Sentences) -> None:
        self._grids = dev.grids[:, 0]
        self._references = [[" ".join(tokenize(s)) for s in of] for of in dev.photos.captions]
        self._sentences = sentences

    def figures(self, decoder: nn.Module, decoding: Decoding | None = None) -> dict[str, float]:
        """``cider`` (0..10) and ``bleu_4`` (0..1)."""
        captions = self.captions(decoder, decoding or Decoding())
        return {"cider": cider(captions, self._references), "bleu_4": bleu(captions, self._references)[3]}

    def captions(self, decoder: nn.Module, decoding: Decoding) -> list[str]:
        """A caption for each photograph of dev."""
        return captions_of(decoder, self._grids, self._sentences, decoding)


def captions_of(decoder: nn.Module, grids: NDArray[np.float16], sentences: Sentences, decoding: Decoding) -> list[str]:
    """Captions by beam search from float16 ``[N, L, D]``."""
    decoder.eval()
    captions = []
    for start in range(0, len(grids), 100):
        part = torch.from_numpy(grids[start : start + 100].astype(np.float32))
        found = beam_search(TorchBeams(decoder, part, decoding.beam), len(part), decoding)
        captions += [sentences.decode(best[0].words) for best in found]
    return captions


class TorchBeams:
    """The torch decoder as `imagist.decoding.NextWord`."""

    def __init__(self, decoder: nn.Module, grid: Tensor, beams: int) -> None:
        self._decoder: Decoder = decoder  # type: ignore[assignment]
        with torch.no_grad():
            self._values, self._keys, state, cell = self._decoder.begin(grid)
        self._state, self._cell = (x[:, None].repeat(1, beams, 1) for x in (state, cell))

    @torch.no_grad()
    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array]:
        logprobs, ids, attention, self._state, self._cell = next_words(
            self._decoder, torch.from_numpy(words), self._values, self._keys, self._state, self._cell, candidates
        )
        return logprobs.numpy(), ids.numpy(), attention.numpy()

    def keep(self, photos: Ints, beams: Ints) -> None:
        rows, order = torch.from_numpy(photos), torch.from_numpy(beams)
        self._values, self._keys = self._values[rows], self._keys[rows]
        self._state, self._cell = (x[rows[:, None], order] for x in (self._state, self._cell))


def next_words(
    decoder: Decoder, word: Tensor, values: Tensor, keys: Tensor, state: Tensor, cell: Tensor, candidates: int | Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """One step of decoding as it is exported: the K best words, never the start or the unknown one.

    Returns:
        Log-probabilities and ids ``[N, B, K]``, attention ``[N, B, L]``, state and cell ``[N, B, H]``.
    """
    logits, attention, state, cell = decoder.step(word, values, keys, state, cell)
    banned = torch.zeros(logits.shape[-1])
    banned[[START, UNKNOWN]] = -1e4  # within float16, in which it is stored
    best, ids = torch.log_softmax(logits.float() + banned, -1).topk(candidates, -1)
    return best, ids, attention, state, cell
