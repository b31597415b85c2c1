"""Tables of a study's report: systems, gains of fusion, and what captions keep of an image's category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.captioning.description.english import is_content
from imagist.metrics.information import Information
from imagist.report.formatting import p_value, points, with_interval
from imagist.report.tables import Table
from imagist.study.evaluation import Evaluation
from imagist.study.results import Gain, SystemResult

_NONE = "–"


def systems_table(systems: Sequence[SystemResult]) -> Table:
    """Metrics of every system, the most accurate first; means over trials."""
    rows = []
    for each in sorted(systems, key=lambda of: -of.accuracy.value):
        top5, nll, brier, ece = (
            float(np.mean([getattr(m, name) for m in each.metrics]))
            for name in ("top5_accuracy", "nll", "brier", "ece")
        )
        weights = [m.text_weight for m in each.metrics if m.text_weight is not None]
        rows.append((
            each.system.name, each.system.kind, with_interval(each.accuracy), points(top5), f"{nll:.3f}",
            f"{brier:.3f}", f"{ece:.3f}", f"{np.mean(weights):.2f}" if weights else _NONE,
        ))  # fmt: skip
    heads = ("system", "kind", "accuracy", "top-5 accuracy", "NLL, nats", "Brier score", "ECE", "w")
    shown = len(heads) if any(m.text_weight is not None for each in systems for m in each.metrics) else -1
    return Table(
        heads[:shown], tuple(row[:shown] for row in rows),
        "Means over trials, each on test images that neither training nor model selection used; accuracy with its 95% "
        "bootstrap interval over images. w is the weight of the text classifier, chosen on validation folds.",
    )  # fmt: skip


def gains_table(gains: Sequence[Gain]) -> Table:
    """Each fused system against the better of its parts, each distilled one against its image classifier."""
    rows = tuple(
        (
            gain.compared.first, gain.compared.second, with_interval(gain.compared.difference, sign=True),
            p_value(gain.compared.p_value), p_value(gain.compared.adjusted),
            _NONE if gain.trials_p is None else p_value(gain.trials_p),
        )
        for gain in sorted(gains, key=lambda of: -of.compared.difference.value)
    )  # fmt: skip
    heads = ("system", "baseline", "gain, points", "p", "p, Holm", "p, corrected t")
    shown = len(heads) if any(gain.trials_p is not None for gain in gains) else -1  # a single trial has no t test
    return Table(
        heads[:shown], tuple(row[:shown] for row in rows),
        "Paired differences of accuracy on the same images, with 95% intervals. p: McNemar's exact test with one "
        "seed, otherwise the paired bootstrap; Holm: corrected for all rows of this table; corrected t: over the "
        "trials (Nadeau and Bengio 2003). The baseline is the single classifier that is better on these test images.",
    )  # fmt: skip


def labels_table(curve: Sequence[Evaluation]) -> Table:
    """Accuracy of every system by the number of labelled images of each category."""
    rows = tuple(
        (each.system.name, each.system.kind, *(with_interval(of.accuracy) for of in systems))
        for each, *systems in zip(curve[-1].systems, *(point.systems for point in curve), strict=True)
    )
    return Table(
        ("system", "kind", *map(_labels, curve)), rows,
        "Accuracy with its 95% interval, by labelled images of each category.",
    )  # fmt: skip


def comparisons_table(curve: Sequence[Evaluation]) -> Table:
    """Pairs of systems by the number of labelled images of each category."""
    rows = tuple(
        (each.first, each.second, *(with_interval(of.difference, sign=True) for of in compared))
        for each, *compared in zip(curve[-1].comparisons, *(point.comparisons for point in curve), strict=True)
    )
    heads = [f"points, {_labels(point)}" for point in curve] if len(curve) > 1 else ["points"]
    return Table(
        ("system", "compared with", *heads), rows,
        "Paired differences of accuracy on the same images, with 95% intervals (bootstrap), each for itself.",
    )  # fmt: skip


def _labels(point: Evaluation) -> str:
    return f"{point.shots} labels" if point.shots else "all labels"


def information_table(name: str, information: Information) -> Table:
    """How much information about the label an image has and its caption keeps.

    Args:
        name: Of the two classifiers that are compared.
        information: The comparison.
    """
    rows = (
        ("accuracy of the image classifier", with_interval(information.image_accuracy)),
        ("accuracy of the text classifier", with_interval(information.text_accuracy)),
        ("text minus image", with_interval(information.difference.interval, sign=True)),
        ("agreement", with_interval(information.agreement)),
        ("Cohen's kappa", with_interval(information.kappa)),
        ("either is correct (upper bound of any choice between them)", with_interval(information.oracle)),
        ("information about the label in the image, share", with_interval(information.bits.image_share)),
        ("information about the label in the caption, share", with_interval(information.bits.text_share)),
        ("share of the image's information that the caption keeps", with_interval(information.bits.kept)),
    )
    return Table(
        ("", "x 100"), rows,
        f"{name}. Shares of the label's {information.bits.label:.2f} bits are lower bounds, from the classifiers' "
        "log-loss on test images (Barber and Agakov 2003).",
    )  # fmt: skip


def informative_words_table(information: Information, most: int = 15) -> Table:
    """The words whose presence in a caption is most informative, without function words such as *of* and *the*."""
    words = [word for word in information.words if is_content(word.word)][:most]
    rows = tuple((w.word, w.label, str(w.captions), f"{w.bits:.3f}") for w in words)
    heads = ("word", "most typical of", "captions", "bits")
    return Table(heads, rows, "Mutual information between the label and the presence of a word in the caption.")
