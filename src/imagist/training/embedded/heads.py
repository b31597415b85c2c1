"""Recipe: the two classifiers over `photos15` and what joins them; penalties, temperatures and weight chosen on dev.

Each class of photos15 comes mostly from one source, so a classifier can learn the source instead of the class. Against
that, images of other sets whose labels or captions say that they belong to a class are added at a lower weight
(`auxiliary_labels.toml`).

Shapes: N photos, V views, L cells, D channels, C classes, W terms.
"""

from __future__ import annotations

import logging
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import Array, Halves, Ints
from imagist.classifiers.calibration import fit_temperature
from imagist.classifiers.fusion import ScoreFusion, fit_weight
from imagist.classifiers.ngrams import terms
from imagist.classifiers.taxonomy import Taxonomy
from imagist.metrics.classes import accuracy, expected_calibration_error
from imagist.records import LabelSet
from imagist.training.embedded.images import Encoded

log = logging.getLogger("imagist.training")

KIN_WEIGHT, KIN_MOST = 0.4, 200  # of one image; images a class and set


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled views of images for the heads.

    Attributes:
        features: float32 ``[N, D]``, the mean of a view's grid.
        captions: What the captioner says of it.
        targets: Class indices ``[N]``.
        weights: float32 ``[N]``, how much each counts.
    """

    features: Array
    captions: tuple[str, ...]
    targets: Ints
    weights: Array

    def images(self) -> tuple[Array, Ints, Array]:
        """What the image's head learns from."""
        return self.features, self.targets, self.weights

    def texts(self, told: Array) -> tuple[Array, Ints, Array]:
        """What the words' head learns from, ``told`` being the captions' TF-IDF ``[N, W]``."""
        return told, self.targets, self.weights


def training_examples(
    sets: Sequence[Encoded], labels: LabelSet, captions_of: Callable[[Halves], list[str]]
) -> Examples:
    """Every view of photos15, and of each other set the images that `auxiliary_labels.toml` counts to a class.

    Kin count less than the class's own images, and only the first `KIN_MOST` of a class in a set count at all.
    """
    parts: list[Examples] = []
    for item in sets:
        own = set(item.photos.labels) == set(labels)
        chosen = dict(enumerate(map(labels.index, item.photos.labels))) if own else kin(item, labels)
        photos, classes = list(chosen), np.array([*chosen.values()], np.int64)
        weight = np.full(len(classes), 1.0 if own else KIN_WEIGHT)
        for view in range(item.grids.shape[1]):
            grids = item.grids[photos, view]
            features = grids.astype(np.float32).mean(1)
            parts.append(Examples(features, tuple(captions_of(grids)), classes, weight.astype(np.float32)))
        log.info("heads learn from %d images of %s", len(photos), item.photos.name)
    return Examples(
        np.concatenate([p.features for p in parts]),
        tuple(caption for p in parts for caption in p.captions),
        np.concatenate([p.targets for p in parts]),
        np.concatenate([p.weights for p in parts]),
    )


@dataclass(frozen=True, eq=False)
class Linear:
    """A trained layer with its temperature: probabilities are ``softmax((x @ matrix + bias) / temperature)``."""

    matrix: Array
    bias: Array
    temperature: float

    def scores(self, x: Array) -> Array:
        """float32 ``[N, C]``."""
        logits = torch.from_numpy((x @ self.matrix + self.bias) / self.temperature)
        return torch.softmax(logits, -1).numpy()


def kin(item: Encoded, labels: LabelSet) -> dict[int, int]:
    """Images of a set that `auxiliary_labels.toml` counts to a class: ``{photo: class}``."""
    table = tomllib.loads(Path(__file__).with_name("auxiliary_labels.toml").read_text("utf-8"))
    if item.photos.labels:
        home = {label: name for name, others in table["labels"].items() for label in others}
        known = [home.get(label) for label in item.photos.labels]
    else:
        known = [_spoken_of(captions, table["words"]) for captions in item.photos.captions]
    counted: Counter[str] = Counter()
    chosen = {}
    for photo, name in enumerate(known):
        if name and counted[name] < KIN_MOST:
            counted[name] += 1
            chosen[photo] = labels.index(name)
    return chosen


def _spoken_of(captions: Sequence[str], words: dict[str, list[str]]) -> str | None:
    """The one class that four of five captions name while none names another."""
    named = [{c for c, of in words.items() if set(of) & set(caption.lower().split())} for caption in captions]
    votes = Counter(name for names in named for name in names)
    return next(iter(votes)) if len(votes) == 1 and votes.total() >= 4 else None


def fit_linear(x: Array, targets: Ints, weights: Array, classes: int, penalty: float) -> tuple[Array, Array]:
    """Weighted multinomial logistic regression by L-BFGS; returns matrix ``[D, C]`` and bias ``[C]``.

    Args:
        x: float32 ``[N, D]``.
        targets: ``[N]``.
        weights: ``[N]``.
        classes: C.
        penalty: Of the mean squared weight, relative to the mean loss.
    """
    features, goal, importance = torch.from_numpy(x), torch.from_numpy(targets), torch.from_numpy(weights)
    matrix = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([matrix, bias], max_iter=150, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = F.cross_entropy(features @ matrix + bias, goal, reduction="none")
        loss = (losses * importance).sum() / importance.sum() + penalty * (matrix**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return matrix.detach().numpy(), bias.detach().numpy()


def best_linear(name: str, train: tuple[Array, Ints, Array], dev: tuple[Array, Ints], classes: int) -> Linear:
    """The penalty and the temperature that dev's likelihood likes best."""
    fits = []
    for penalty in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6):
        matrix, bias = fit_linear(*train, classes, penalty)
        plain = Linear(matrix, bias, 1.0)
        temperature = fit_temperature(plain.scores(dev[0]), dev[1]).value
        fit = Linear(matrix, bias, temperature)
        scores = fit.scores(dev[0])
        loss = -float(np.log(scores[np.arange(len(dev[1])), dev[1]] + 1e-12).mean())
        log.info(
            "%s  penalty %.0e  T %.2f  dev loss %.4f  accuracy %.4f",
            name,
            penalty,
            temperature,
            loss,
            accuracy(scores, dev[1]),
        )
        fits.append((loss, penalty, fit))
    return min(fits, key=lambda entry: entry[:2])[2]


def best_terms(captions: Sequence[str], least: int = 3) -> tuple[str, ...]:
    """The words and pairs that occur in at least ``least`` captions, most frequent first."""
    number = Counter(term for caption in captions for term in set(terms(caption)))
    return tuple(sorted((t for t, n in number.items() if n >= least), key=lambda t: (-number[t], t)))


def inverse_frequency(table: Array) -> Array:
    """Smoothed inverse document frequency of each term ``[W]`` from counts ``[N, W]`` (as scikit-learn's)."""
    documents = (table > 0).sum(0)
    return (np.log((1 + len(table)) / (1 + documents)) + 1).astype(np.float32)  # type: ignore[no-any-return]


def weighed(table: Array, idf: Array) -> Array:
    """TF-IDF of counts ``[N, W]``, rows of length 1 (or 0 where no term is known)."""
    rows = table * idf
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)  # type: ignore[no-any-return]


WEIGHT_GRID = 11


def fit_fusion(
    taxonomy: Taxonomy, fine: LabelSet, image: Array, text: Array, names: Sequence[str]
) -> dict[str, object]:
    """Weight, its interval and the temperature after fusion at 11 weights, for one taxonomy, all on dev.

    Args:
        taxonomy: Over ``fine``.
        fine: The C fine classes.
        image: What the image says of dev, ``[N, C]``.
        text: What the words say of dev, ``[N, C]``.
        names: The fine class of each image.
    """
    rows = [i for i, name in enumerate(names) if taxonomy.target(name) is not None]
    targets = np.array([taxonomy.labels.index(taxonomy.target(names[i]) or "") for i in rows])
    image, text = (taxonomy.project(scores[rows], fine) for scores in (image, text))
    fitted = fit_weight(image, text, targets)
    weights = np.linspace(0, 1, WEIGHT_GRID)
    temperatures = [
        1.0 if w in (0, 1) else fit_temperature(ScoreFusion(float(w)).fuse(image, text), targets).value for w in weights
    ]
    fused = ScoreFusion(fitted.weight).fuse(image, text)
    log.info(
        "%s  image %.4f  text %.4f  fused %.4f  w %.2f  ECE before temperature %.4f",
        taxonomy.name, accuracy(image, targets), accuracy(text, targets), accuracy(fused, targets), fitted.weight,
        expected_calibration_error(fused, targets),
    )  # fmt: skip
    return {"weight": fitted.weight, "interval": list(fitted.interval), "temperatures": temperatures}
