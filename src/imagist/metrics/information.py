"""The information report: what the words of a captioner keep of what the image says about its category.

Two classifiers stand in for the two sources, so that everything here is about what can be read from a caption or from a
image by a classifier at hand. The information in bits is a lower bound: I(Y; X) >= H(Y) - CE, with CE the
cross-entropy of any classifier of X on items that it was not trained on (Barber and Agakov 2003); calibrated
classifiers come nearest to it.

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
class Overlap:
    """How many items which of the two got right; they sum to N."""

    both: int
    only_image: int
    only_text: int
    neither: int


@dataclass(frozen=True)
class ClassKept:
    """One class in words and in images.

    Attributes:
        label: Its name.
        image_recall: Share of its items that the image's classifier finds, Wilson's interval; None without items.
        text_recall: That of the words.
        difference: Words less image on the same items: below 0 the words lose; None without items.
        overlap: Over its items: ``only_image`` is what the words lost, ``only_text`` what they recovered.
    """

    label: str
    image_recall: Interval | None
    text_recall: Interval | None
    difference: Difference | None
    overlap: Overlap


@dataclass(frozen=True)
class Bits:
    """Information about the label, in bits; bounds below 0 say that a classifier is worse than the base rates.

    Attributes:
        label: H(Y) of the items' own base rates.
        image: Lower bound of what the image tells, with a bootstrap interval.
        text: Lower bound of what the words tell.
        image_share: Share of the label's information in the image, at least.
        text_share: Share of the label's information in the words, at least.
        kept: What the words tell over what the image tells; above 1 they tell a classifier more.
    """

    label: float
    image: Interval
    text: Interval
    image_share: Interval
    text_share: Interval
    kept: Interval


@dataclass(frozen=True)
class Word:
    """What it tells of the label that a word is in the caption.

    Attributes:
        word: In lower case.
        captions: How many have it.
        label: The class whose share of captions with the word is largest.
        bits: Mutual information with the label, corrected for the number of items (Miller and Madow 1955); may be below
            0 where there is none.
        plug_in: The same, not corrected: too high.
    """

    word: str
    captions: int
    label: str
    bits: float
    plug_in: float


@dataclass(frozen=True)
class Information:
    """The report on one captioner.

    Attributes:
        items: N.
        image_accuracy: Of the image's classifier, Wilson's interval.
        text_accuracy: Of the words'.
        difference: Words less image, paired.
        agreement: Share of items of which both say the same.
        kappa: Cohen's kappa of the two, bootstrap interval; 0 where both only ever say one class.
        overlap: Who is right where.
        oracle: Share of items that either gets right: what no choice between the two verdicts can exceed.
        classes: C of them.
        bits: Information about the label.
        words: The most telling, most bits first.
    """

    items: int
    image_accuracy: Interval
    text_accuracy: Interval
    difference: Difference
    agreement: Interval
    kappa: Interval
    overlap: Overlap
    oracle: Interval
    classes: tuple[ClassKept, ...]
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
    """The report over items that neither classifier was trained or calibrated on.

    Args:
        targets: Integers ``[N]``, 0..C-1.
        image: ``[N, C]``, probabilities from the image, calibrated.
        text: ``[N, C]``, those from the words, calibrated.
        captions: The N captions.
        labels: C names.
        most: How many words to tell of.
        level: Confidence of the intervals, 0..1.
        resamples: B.
        seed: Of the resamples.

    Raises:
        UsageError: Shapes that do not fit together, rows that are no distributions, or a level outside of 0..1.
    """
    t, p, q = np.asarray(targets), np.asarray(image), np.asarray(text)
    if p.shape != q.shape or p.shape[1:] != (len(labels),) or len(captions) != len(t):
        raise UsageError(
            f"needs two opinions [N, {len(labels)}] and N captions,"
            f" got {list(p.shape)}, {list(q.shape)} and {len(captions)}"
        )
    seen, said = correct(p, t), correct(q, t)
    draws = Resamples(len(t), resamples, seed=seed)
    same = p.argmax(axis=1) == q.argmax(axis=1)
    return Information(
        len(t),
        _share(seen, level),
        _share(said, level),
        paired_difference(said, seen, level=level, resamples=resamples, seed=seed),
        _share(same, level),
        kappa(p.argmax(axis=1), q.argmax(axis=1), len(labels), draws, level),
        overlap(seen, said),
        _share(seen | said, level),
        tuple(
            _class_kept(label, seen[t == number], said[t == number], level, resamples, seed)
            for number, label in enumerate(labels)
        ),
        bits(t, p, q, draws, level),
        telling_words(captions, t, labels)[:most],
    )


def overlap(image: Bools, text: Bools) -> Overlap:
    """Counts of items ``[N]`` by who is right."""
    return Overlap(
        *(int(of.sum()) for of in (image & text, image & ~text, text & ~image, ~image & ~text)),
    )


def kappa(first: AnyArray, second: AnyArray, classes: int, draws: Resamples, level: float = 0.95) -> Interval:
    """Agreement of two verdicts ``[N]`` beyond chance (Cohen 1960), -1..1, with a percentile interval.

    Args:
        first: Class numbers, 0..C-1.
        second: The same of the other.
        classes: C.
        draws: Over the N items.
        level: Confidence, 0..1.

    Raises:
        UsageError: Arrays that do not fit together, or a level outside of 0..1.
    """
    counts = confusion_matrix(second, first, classes)
    one, other = np.eye(classes)[first], np.eye(classes)[second]
    sums = np.concatenate([one, other, (first == second)[:, None]], axis=1)
    value = _kappa(np.concatenate([counts.sum(axis=1), counts.sum(axis=0), [np.trace(counts)]]), classes)
    return interval_of(float(value), _kappa(draws.totals(sums), classes), None, level)


def bits(targets: AnyArray, image: AnyArray, text: AnyArray, draws: Resamples, level: float = 0.95) -> Bits:
    """Information about the label, as means over the items of how much likelier than its base rate the truth was held.

    The base rates are those of all items in every resample: drawn anew, they would be less even each time.

    Args:
        targets: Integers ``[N]``, 0..C-1.
        image: ``[N, C]``, probabilities from the image.
        text: ``[N, C]``, those from the words.
        draws: Over the N items.
        level: Confidence, 0..1.

    Raises:
        UsageError: Shapes or targets that make no sense, rows that are no distributions, or a level outside of 0..1.
    """
    seen, said = (log_losses(each, targets) / log(2) for each in (image, text))
    t = np.asarray(targets)
    surprise = np.log2(len(t) / np.bincount(t)[t])
    sums = np.stack([surprise, surprise - seen, surprise - said], axis=1)
    value, drawn = (_told(totals / len(t)) for totals in (sums.sum(axis=0), draws.totals(sums)))

    def interval(name: str) -> Interval:
        return interval_of(float(value[name]), drawn[name], None, level)

    return Bits(float(value["label"]), *map(interval, ("image", "text", "image_share", "text_share", "kept")))


def telling_words(captions: Sequence[str], targets: AnyArray, labels: LabelSet) -> tuple[Word, ...]:
    """All W words of the captions, by how much their presence tells of the label.

    Args:
        captions: N.
        targets: Integers ``[N]``, 0..C-1.
        labels: C names.

    Raises:
        UsageError: Not one caption an item, or classes that have no label.
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


def _told(means: Floats) -> dict[str, Floats]:
    """The figures of means ``[..., 3]`` in bits: of the label, of it in the image, of it in the words."""
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
    """A share; 0 where there is nothing to have a share in."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _entropy(shares: AnyArray) -> Floats:
    """In bits, over the last axis."""
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=-1))


def _kappa(sums: AnyArray, classes: int) -> Floats:
    """Of sums ``[..., 2C + 1]``: how often either said each class, and how often they said the same."""
    items = sums[..., :classes].sum(axis=-1)
    by_chance = (sums[..., :classes] * sums[..., classes:-1]).sum(axis=-1) / items
    room = items - by_chance
    return np.asarray(np.where(room > 0, (sums[..., -1] - by_chance) / np.where(room > 0, room, 1), 0.0))


def _share(hits: Bools, level: float) -> Interval:
    return wilson_interval(int(hits.sum()), len(hits), level=level)


def _class_kept(label: str, seen: Bools, said: Bools, level: float, resamples: int, seed: int) -> ClassKept:
    if not len(seen):
        return ClassKept(label, None, None, None, Overlap(0, 0, 0, 0))
    difference = paired_difference(said, seen, level=level, resamples=resamples, seed=seed)
    return ClassKept(label, _share(seen, level), _share(said, level), difference, overlap(seen, said))
