"""Shared by tests of studies: small data sets, scores of a known skill, and a study on coloured noise."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

for extra in ("torch", "timm", "scipy"):
    pytest.importorskip(extra)

from imagist import settings
from imagist.datasets.labels import Example
from imagist.records import LabelSet
from imagist.study.captions import Paths
from imagist.study.config import Study
from imagist.study.dataset import Dataset
from imagist.study.scores import FitScores, Scores
from imagist.training.classifiers.history import Epoch

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}
WORDS = {"red": "a warm fire", "green": "some grass in spring", "blue": "the deep sea"}
EACH = 12  # images of a class


def image(seed, colour=(128, 128, 128), size=(36, 30)):
    """A PNG of noise around a colour: no two of them are near-duplicates."""
    pixels = np.clip(np.random.default_rng(seed).normal(colour, 40, (*size, 3)), 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def dataset(targets, classes=3, groups=None, splits=None, hashes=None):
    """Examples without images, of given classes."""
    targets = np.asarray(targets, np.int64)
    labels = LabelSet(tuple(f"class{c}" for c in range(classes)))
    splits = [None] * len(targets) if splits is None else splits
    examples = tuple(Example(f"{i}.png", labels.names[t], split=splits[i]) for i, t in enumerate(targets))
    if hashes is None:
        hashes = np.random.default_rng(0).integers(0, 2**63, len(targets)).astype(np.uint64)
    groups = np.arange(len(targets)) if groups is None else np.asarray(groups, np.int64)
    return Dataset(examples, labels, targets, groups, hashes, "digest")


def scores(targets, classes, skill, seed):
    """float32 ``[N, C]``, rows sum to 1; the greater the skill, the oftener the target is the likeliest."""
    logits = np.random.default_rng(seed).normal(size=(len(targets), classes))
    logits[np.arange(len(targets)), targets] += skill
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def scores_on(trial, targets, classes=3, skill=1.0, seed=0, width=6, history=()):
    """Scores of one fit for each inner fold of a trial, over features that all fits share."""
    features = np.random.default_rng(seed).normal(size=(len(targets), width)).astype(np.float32)
    features[:, :classes] = np.log(scores(targets, classes, skill, seed))
    fits = []
    for number, part in enumerate(trial.inner):
        drift = np.random.default_rng((seed, number, 1)).normal(0, 0.3, classes)
        validation, test = (
            np.exp(features[rows][:, :classes] + drift) for rows in (part.test, trial.test_and_unlabelled)
        )
        validation, test = ((p / p.sum(axis=1, keepdims=True)).astype(np.float32) for p in (validation, test))
        rows = part.test, trial.test_and_unlabelled
        fits.append(FitScores(validation, test, *(features[of] for of in rows), tuple(history)))
    return Scores(tuple(fits))


def epochs(number=3):
    return tuple(Epoch(n, 1 / n, 1 - 0.4 / n, 0.9 - 0.4 / n, 1.1 / n) for n in range(1, number + 1))


class Nowhere:
    """A store that keeps nothing."""

    def of(self, key, compute):
        return compute()

    def record(self, key, kind, compute):
        return compute()


STUDY = """
name = "colours"
about = "Do captions name colours?"
[data]
sources = [{ path = "images" }]
[folds]
number = 2
inner = 3
[[captioners]]
name = "recorded"
kind = "recorded"
model = "CAPTIONS"
[[text_classifiers]]
name = "bag"
settings = { kind = "tfidf", min_df = 1, penalty = 1e-3 }
[[image_classifiers]]
name = "linear"
[image_classifiers.settings]
kind = "linear"
steps = 40
learning_rate = 0.02
batch_size = 8
eval_every = 20
network = { name = "test_resnet", weights = "w.safetensors", side = 32, device = "cpu" }
[fusion]
kinds = ["score", "logit", "stacking", "features"]
weights = 5
distilled = true
"""


@dataclass(frozen=True)
class Colours:
    """A study's files: ``data/images``, ``data/w.safetensors``, ``captions.csv`` and ``study.toml``."""

    root: Path

    @property
    def data(self):
        return self.root / "data"

    @property
    def config(self):
        return self.root / "study.toml"

    def study(self, *overrides):
        return settings.read(self.config, Study, overrides)

    def paths(self, folder):
        return Paths(self.data, self.config, Path(folder), self.root / "runs", self.root / "features")


def write_colours(root):
    """Images that tiny networks can tell apart; every sixth, and every fourth caption, is as of another class."""
    rows = []
    for c, label in enumerate(COLOURS):
        (root / "data" / "images" / label).mkdir(parents=True)
        for n in range(EACH):
            path = root / "data" / "images" / label / f"{label}{n}.png"
            seen, said = ([*COLOURS][(c + astray) % 3] for astray in (n % 6 == 1, n % 4 == 3))
            path.write_bytes(image((c, n), COLOURS[seen]))
            rows.append((path.name, f"{WORDS[said]} number {n}"))
    with (root / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("source", "caption"), *rows])
    (root / "study.toml").write_text(STUDY.replace("CAPTIONS", str(root / "captions.csv")))
    return Colours(root)


def write_network(folder):
    """The weights of a tiny network, drawn at random."""
    import timm
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model("test_resnet", pretrained=False)
    save_file(network.state_dict(), folder / "w.safetensors")
