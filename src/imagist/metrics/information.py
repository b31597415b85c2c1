"""How much of an image's information about its category a caption keeps.

Two classifiers stand in for the two sources, so all values depend on these classifiers. The information in bits is a
lower bound: I(Y; X) >= H(Y) - CE, where CE is the cross-entropy of any classifier of X on items that it was not trained
on (Barber and Agakov 2003). It is tightest for calibrated classifiers.

Shapes: N items; C classes; B resamples; W distinct words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats, Ints
from imagist.classifiers.calibration import check_targets
from imagist.errors import UsageError
from imagist.metrics.classes import confusion_matrix, correct, log_losses
from imagist.metrics.ptb import tokenize
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import (
    Difference,
    Interval,
    interval_of,
    paired_difference,
    wilson_interval,
)
from imagist.records import LabelSet


@dataclass(frozen=True)
class Bits:
    """Information about the label, in bits; a bound below 0 means that the classifier is worse than the base rates.

    Attributes:
        label: H(Y) of the base rates of the items.
        image: Lower bound of the information in the image, with a bootstrap interval.
        text: Lower bound of the information in the caption.
        image_share: Share of the label's information in the image, at least.
        text_share: Share of the label's information in the caption, at least.
        kept: Information in the caption divided by that in the image; above 1 the text classifier uses more.
    """

    label: float
    image: Interval
    text: Interval
    image_share: Interval
    text_share: Interval
    kept: Interval


@dataclass(frozen=True)
class Word:
    """Mutual information between the label and the presence of a word in the caption.

    Attributes:
        word: In lower case.
        captions: How many have it.
        label: The class whose share of captions with the word is largest.
        bits: Corrected for the number of items (Miller and Madow 1955); may be below 0 if there is none.
        plug_in: Not corrected, and so too high.
    """

    word: str
    captions: int
    label: str
    bits: float
    plug_in: float


@dataclass(frozen=True)
class Information:
    """Captions of one captioner compared with the images.

    Attributes:
        items: N.
        image_accuracy: Of the image classifier, with Wilson's interval.
        text_accuracy: Of the text classifier.
        difference: Accuracy of the text classifier minus that of the image classifier, paired.
        agreement: Share of items with equal predictions.
        kappa: Cohen's kappa of the two, with a bootstrap interval; 0 if both predict one class alone.
        oracle: Share of items that at least one predicts correctly: the upper bound of any choice between the two.
        bits: Information about the label.
        words: The most informative, most bits first.
    """

    items: int
    image_accuracy: Interval
    text_accuracy: Interval
    difference: Difference
    agreement: Interval
    kappa: Interval
    oracle: Interval
    bits: Bits
    words: tuple[Word, ...]


def information(
    targets: AnyArray,
    image: AnyArray,
    text: AnyArray,
    captions: Sequence[str],
    labels: LabelSet,
    *,
    most: int = 50,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Information:
    """Compares the two classifiers on items that neither was trained or calibrated on.

    Args:
        targets: Integers ``[N]``, 0..C-1.
        image: ``[N, C]``, calibrated probabilities of the image classifier.
        text: ``[N, C]``, calibrated probabilities of the text classifier.
        captions: The N captions.
        labels: C names.
        most: Number of words to keep.
        level: Confidence of the intervals, 0..1.
        resamples: B.
        seed: Of the resamples.

    Raises:
        UsageError: Shapes that do not match, rows that are no distributions, or a level outside of 0..1.
    """
    t, p, q = np.asarray(targets), np.asarray(image), np.asarray(text)
    if p.shape != q.shape or p.shape[1:] != (len(labels),) or len(captions) != len(t):
        raise UsageError(
            f"needs two arrays of probabilities [N, {len(labels)}] and N captions,"
            f" got {list(p.shape)}, {list(q.shape)} and {len(captions)}"
        )
    by_image, by_text = correct(p, t), correct(q, t)
    draws = Resamples(len(t), resamples, seed=seed)
    same = p.argmax(axis=1) == q.argmax(axis=1)
    return Information(
        len(t),
        _share(by_image, level),
        _share(by_text, level),
        paired_difference(by_text, by_image, level=level, resamples=resamples, seed=seed),
        _share(same, level),
        kappa(p.argmax(axis=1), q.argmax(axis=1), len(labels), draws, level),
        _share(by_image | by_text, level),
        bits(t, p, q, draws, level),
        informative_words(captions, t, labels)[:most],
    )


def kappa(first: AnyArray, second: AnyArray, classes: int, draws: Resamples, level: float = 0.95) -> Interval:
    """Agreement of two classifiers beyond chance (Cohen 1960), -1..1, with a percentile interval.

    Args:
        first: Predicted classes of one classifier, ``[N]``, 0..C-1.
        second: The same of the other.
        classes: C.
        draws: Over the N items.
        level: Confidence, 0..1.

    Raises:
        UsageError: Arrays that do not match, or a level outside of 0..1.
    """
    counts = confusion_matrix(second, first, classes)
    one, other = np.eye(classes)[first], np.eye(classes)[second]
    sums = np.concatenate([one, other, (first == second)[:, None]], axis=1)
    value = _kappa(np.concatenate([counts.sum(axis=1), counts.sum(axis=0), [np.trace(counts)]]), classes)
    return interval_of(float(value), _kappa(draws.totals(sums), classes), None, level)


def bits(targets: AnyArray, image: AnyArray, text: AnyArray, draws: Resamples, level: float = 0.95) -> Bits:
    """Information about the label: the mean over items of log2(probability of the label / its base rate).

    Every resample uses the base rates of all items; those of a resample are less even, which would bias the estimate.

    Args:
        targets: Integers ``[N]``, 0..C-1.
        image: ``[N, C]``, probabilities of the image classifier.
        text: ``[N, C]``, probabilities of the text classifier.
        draws: Over the N items.
        level: Confidence, 0..1.

    Raises:
        UsageError: Wrong shapes or targets, rows that are no distributions, or a level outside of 0..1.
    """
    loss_image, loss_text = (log_losses(each, targets) / log(2) for each in (image, text))
    t = np.asarray(targets)
    surprise = np.log2(len(t) / np.bincount(t)[t])
    sums = np.stack([surprise, surprise - loss_image, surprise - loss_text], axis=1)
    value, drawn = (_shares(totals / len(t)) for totals in (sums.sum(axis=0), draws.totals(sums)))

    def interval(name: str) -> Interval:
        return interval_of(float(value[name]), drawn[name], None, level)

    return Bits(float(value["label"]), *map(interval, ("image", "text", "image_share", "text_share", "kept")))


def informative_words(captions: Sequence[str], targets: AnyArray, labels: LabelSet) -> tuple[Word, ...]:
    """All W words of the captions, most informative first.

    Args:
        captions: N.
        targets: Integers ``[N]``, 0..C-1.
        labels: C names.

    Raises:
        UsageError: Captions and targets of different lengths, or targets without a label.
    """
    t = np.asarray(targets)
    check_targets(np.broadcast_to(np.float32(0), (len(captions), len(labels))), t)
    present = [sorted(set(tokenize(caption))) for caption in captions]
    places = {word: place for place, word in enumerate(sorted({word for words in present for word in words}))}
    with_word = np.zeros((len(places), len(labels)), np.int64)
    for words, target in zip(present, t, strict=True):
        with_word[[places[word] for word in words], target] += 1
    support = np.bincount(t, minlength=len(labels))
    plug_in, corrected = _presence_information(with_word, support)
    typical = (with_word / np.maximum(1, support)).argmax(axis=1)
    found = [
        Word(word, int(with_word[n].sum()), labels.names[typical[n]], float(corrected[n]), float(plug_in[n]))
        for word, n in places.items()
    ]
    return tuple(sorted(found, key=lambda word: (-word.bits, word.word)))


def _presence_information(with_word: Ints, support: Ints) -> tuple[Floats, Floats]:
    """Mutual information of each word's presence and the label, in bits, plain and corrected, ``[W]``.

    Args:
        with_word: ``[W, C]``, how many captions of each class have the word.
        support: ``[C]``, how many there are.
    """
    joint = np.stack([with_word, support - with_word], axis=1)
    presence, items = joint.sum(axis=2), int(support.sum())
    entropies = [_entropy(counts / items) for counts in (presence, np.broadcast_to(support, with_word.shape))]
    plug_in = sum(entropies) - _entropy(joint.reshape(-1, 2 * len(support)) / items)
    cells = (presence > 0).sum(axis=1) + (support > 0).sum() - (joint > 0).sum(axis=(1, 2)) - 1
    return np.maximum(0, plug_in), plug_in + cells / (2 * items * log(2))


def _shares(means: Floats) -> dict[str, Floats]:
    """Information and shares, from means ``[..., 3]`` in bits: of the label, in the image, in the caption."""
    label, image, text = np.moveaxis(means, -1, 0)
    return {
        "label": label,
        "image": image,
        "text": text,
        "image_share": _over(image, label),
        "text_share": _over(text, label),
        "kept": _over(text, image),
    }


def _over(part: Floats, whole: Floats) -> Floats:
    """A share; 0 where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _entropy(shares: AnyArray) -> Floats:
    """In bits, over the last axis."""
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=-1))


def _kappa(sums: AnyArray, classes: int) -> Floats:
    """Kappa from sums ``[..., 2C + 1]``: how often each classifier predicts each class, and how often both agree."""
    items = sums[..., :classes].sum(axis=-1)
    by_chance = (sums[..., :classes] * sums[..., classes:-1]).sum(axis=-1) / items
    room = items - by_chance
    return np.asarray(np.where(room > 0, (sums[..., -1] - by_chance) / np.where(room > 0, room, 1), 0.0))


def _share(hits: Bools, level: float) -> Interval:
    return wilson_interval(int(hits.sum()), len(hits), level=level)
