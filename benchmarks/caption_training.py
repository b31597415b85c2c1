"""Training throughput of `imagist train caption` and of the plain loop of the tutorials, and CIDEr on dev of both.

    python benchmarks/caption_training.py --data FOLDER     # into benchmarks/results/caption_training.md

Both train the `tutorial` captioner on the same cached grids, one after the other, and are evaluated on the whole of dev
with the same search; each keeps its best epoch. The plain loop is `plain_training`'s; it overfits after its fourth
epoch. Ours, with dropout and several views of each image, needs more epochs but less time; its schedule and its moving
average are shortened in proportion to the run. Evaluation is not timed; checkpoints, which only ours writes, are.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from imagist import settings
from imagist.arrays import Halves
from imagist.captioning.decoding import Decoding
from imagist.datasets.captions import Record, read_all
from imagist.metrics.cider import CiderD, cider
from imagist.metrics.significance import paired_difference
from imagist.training.captioners.context import TrainingContext
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.cross_entropy import train_cross_entropy
from imagist.training.captioners.evaluator import CaptionEvaluator, CaptionModel
from imagist.training.captioners.recipe import Recipe
from imagist.training.captioners.vocabulary import WordVocabulary, build_vocabulary, tokenised
from imagist.training.encoders.backbone import open_backbone
from imagist.training.encoders.features import Grids
from imagist.training.encoders.grid_cache import cached_grids
from imagist.training.encoders.views import Views
from imagist.training.networks.build import build
from plain_training import PlainDecoder, Sentences, train_step

RESULT = Path(__file__).parent / "results" / "caption_training.md"
CONFIG = Path(__file__).parents[1] / "configs" / "captioners" / "tutorial.toml"
BAR = 3  # times as many captions a second
SAMPLED = 60  # steps of the plain loop's variant, which is not evaluated
PLAIN, KEYS_ONCE, OURS = "plain", "plain, with keys computed once a photo", "ours"


class Clock:
    """Adds up wall and processor seconds between its starts and stops."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def start(self) -> None:
        """Starts the clock."""
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()

    def stop(self) -> None:
        """Stops the clock."""
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


@dataclass(frozen=True)
class UntimedEvaluator(CaptionEvaluator):
    """Evaluates the main language of dev while the clock is stopped, and keeps the captions of the best epoch.

    Attributes:
        clock: Measures the training.
        scores: CIDEr of each epoch, 0 to 10.
        best: Captions of the best epoch.
    """

    clock: Clock = field(default_factory=Clock)
    scores: list[float] = field(default_factory=list)
    best: list[str] = field(default_factory=list)

    def evaluate(self, model: nn.Module, search: Decoding | None = None) -> dict[str, float]:
        """Computes CIDEr alone."""
        self.clock.stop()
        captions = self.captions(model, search or self.search)
        score = cider(captions, self.dev.references(next(iter(self.vocabulary.starts))))
        if score > max(self.scores, default=-1):
            self.best[:] = captions
        self.scores.append(score)
        self.clock.start()
        return {"cider": score}


@dataclass(frozen=True, eq=False)
class Sets:
    """The data of both loops.

    Attributes:
        train: Training images with all views of the recipe.
        dev: Images for evaluation.
        vocabulary: Words of train.
    """

    train: Corpus
    dev: Corpus
    vocabulary: WordVocabulary

    @property
    def grids(self) -> Halves:
        """Of train: float16 ``[N, V, L, D]``."""
        return self.train.features.rows  # type: ignore[attr-defined,no-any-return]

    def sentences(self, max_length: int) -> Sentences:
        """The training set of the plain loop: the whole image, once for each of its captions."""
        pairs = [(photo, text) for photo, of in enumerate(self.train.captions) for _, text in of]
        words = np.stack([self.vocabulary.encode(text, max_length) for _, text in pairs])
        photos = np.array([photo for photo, _ in pairs])
        return Sentences(np.ascontiguousarray(self.grids[:, 0]), photos, words, self.vocabulary.end)


def prepared(recipe: Recipe, data: Path, features: Path, photos: int | None) -> Sets:
    """Reads the sets of a recipe, or their first photos; computes grids that are not in the cache."""
    files = {"train": recipe.data.train, "dev": recipe.data.dev}
    found = read_all({split: [replace(s, path=data / s.path) for s in of] for split, of in files.items()})
    encoder = open_backbone(recipe.backbone, data)

    def corpus(records: Sequence[Record], views: int) -> Corpus:
        made = Views(recipe.backbone.image_size, views, recipe.backbone.min_crop_area)
        grids = cached_grids(encoder, records, made, features, torch.device("cpu"))
        language = recipe.data.language
        return Corpus(Grids(grids), [[(language, t) for t in tokenised(r.captions)] for r in records])

    train, dev = corpus(found["train"][:photos], recipe.backbone.views), corpus(found["dev"][:photos], 1)
    texts = (text for of in train.captions for _, text in of)
    return Sets(train, dev, build_vocabulary(texts, (recipe.data.language,), recipe.data.min_count))


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another number of epochs, its moving average shortened in proportion."""
    config = recipe.cross_entropy
    ema_decay = max(0.0, 1 - (1 - config.ema_decay) * config.epochs / epochs)
    return replace(recipe, cross_entropy=replace(config, epochs=epochs, ema_decay=ema_decay))


def ours(recipe: Recipe, sets: Sets, evaluator: UntimedEvaluator) -> int:
    """Trains by the recipe; returns the number of captions that it processed."""
    config = replace(recipe.cross_entropy, first_eval=0.0, patience=0)
    torch.manual_seed(recipe.seed)
    _, _, cells, channels = sets.grids.shape
    decoder = build(
        recipe.decoder,
        words=len(sets.vocabulary.lines),
        channels=channels,
        cells=cells,
        max_length=recipe.data.max_length,
    )
    with tempfile.TemporaryDirectory() as name:
        context = TrainingContext(
            [sets.train], sets.vocabulary, recipe.data.max_length, evaluator, Path(name), Accelerator(cpu=True),
            seed=recipe.seed, bf16=recipe.bf16,
        )  # fmt: skip
        evaluator.clock.start()
        train_cross_entropy(CaptionModel(nn.Identity(), decoder), context, config)
        evaluator.clock.stop()
    return config.epochs * (len(sets.train) // config.batch_size) * config.batch_size * config.captions_per_image


def plain(
    recipe: Recipe,
    sets: Sets,
    evaluator: UntimedEvaluator,
    *,
    epochs: int = 1,
    keys_once: bool = False,
    steps: int | None = None,
) -> int:
    """Trains as the tutorials do, whole epochs or some steps of one; returns the number of captions processed."""
    torch.manual_seed(recipe.seed)
    sentences = sets.sentences(recipe.data.max_length)
    decoder = PlainDecoder(len(sets.vocabulary.lines), sets.grids.shape[3], keys_once=keys_once)
    model = CaptionModel(nn.Identity(), decoder)
    optimiser = torch.optim.Adam(decoder.parameters())
    taken = 0
    evaluator.clock.start()
    for epoch in range(epochs):
        model.train()
        for grids, words in islice(sentences.batches(epoch), steps):
            train_step(decoder, optimiser, grids, words, sentences.end)
            taken += len(words)
        if steps is None:
            evaluator.evaluate(model)
    evaluator.clock.stop()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--config", type=Path, default=CONFIG, help="the recipe of ours")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another value of it")
    parser.add_argument("--epochs", type=int, default=6, help="of ours")
    parser.add_argument("--plain-epochs", type=int, default=4)
    parser.add_argument("--photos", type=int, help="the first so many of train and of dev; by default all")
    parser.add_argument("--features", type=Path, default=Path("runs/features"), help="the cache of grids")
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the data folder with --data or IMAGIST_DATA")
    if min(args.epochs, args.plain_epochs) < 1:
        parser.error("--epochs and --plain-epochs are 1 or more")
    recipe = shortened(settings.read(args.config, Recipe, args.set), args.epochs)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    sets = prepared(recipe, args.data, args.features, args.photos)
    evaluators = {name: UntimedEvaluator(sets.dev, sets.vocabulary, recipe.search) for name in (PLAIN, KEYS_ONCE, OURS)}
    taken = {
        PLAIN: plain(recipe, sets, evaluators[PLAIN], epochs=args.plain_epochs),
        KEYS_ONCE: plain(recipe, sets, evaluators[KEYS_ONCE], keys_once=True, steps=SAMPLED),
        OURS: ours(recipe, sets, evaluators[OURS]),
    }
    text = report(recipe, sets, evaluators, taken)
    print(text)
    if not args.print:
        RESULT.write_text(text, "utf-8")


def report(recipe: Recipe, sets: Sets, evaluators: Mapping[str, UntimedEvaluator], taken: Mapping[str, int]) -> str:
    rates = {name: taken[name] / evaluator.clock.wall for name, evaluator in evaluators.items()}
    costs = {name: 1000 * evaluator.clock.cpu / taken[name] for name, evaluator in evaluators.items()}
    references = CiderD(sets.dev.references(recipe.data.language))
    better = paired_difference(*(100 * references.scores(evaluators[name].best) for name in (OURS, PLAIN))).interval
    lines = [
        "# Throughput of training a captioner",
        "",
        f"`python benchmarks/caption_training.py`: `{recipe.name}` on {len(sets.train):,} photos of Flickr8k train,"
        f" {len(sets.vocabulary.lines):,} words, {torch.get_num_threads()} cores,"
        f" {platform.machine()}, torch {torch.__version__}; dev: {len(sets.dev):,} photos, beam {recipe.search.beam}.",
        "",
        "| loop | captions/s | ratio | processor s a 1,000 captions | ratio | minutes | dev CIDEr after each epoch |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, evaluator in evaluators.items():
        scores = ", ".join(f"{100 * figure:.1f}" for figure in evaluator.scores) or "not evaluated"
        lines.append(
            f"| {name} | {rates[name]:.0f} | {rates[OURS] / rates[name]:.1f} | {costs[name]:.2f} |"
            f" {costs[name] / costs[OURS]:.1f} | {evaluator.clock.wall / 60:.1f} | {scores} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"Ours to the plain loop: **{rates[OURS] / rates[PLAIN]:.1f}x** (the bar: {BAR}x); CIDEr x 100 of the best"
            f" epochs {better.value:+.1f} [{better.low:+.1f}, {better.high:+.1f}] (paired bootstrap, 95%).",
            "",
            "Ratios are ours to the row's. Processor time leaves out what other programs took of the machine.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
