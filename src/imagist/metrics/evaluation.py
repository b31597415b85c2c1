"""Evaluates captioners: all caption metrics with intervals, and the differences of two captioners.

Every metric is a function of sums over images, so all metrics and systems share one bootstrap
(`imagist.metrics.resampling`): BCa intervals for metrics, paired percentile intervals for differences. CIDEr's document
frequencies are those of all references in every resample. The share of copies has Wilson's interval, which is also
valid at 0.

Shapes: N images; B resamples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from imagist.arrays import AnyArray, Floats
from imagist.errors import MissingExtra, UsageError
from imagist.metrics.captions import bleu_counts, bleu_of_totals, rouge_l_items
from imagist.metrics.cider import CiderD, UnclippedCider
from imagist.metrics.diversity import copied, running, type_values
from imagist.metrics.meteor import meteor_of_totals, meteor_rows
from imagist.metrics.ngrams import ORDERS, NGrams, References
from imagist.metrics.ptb import tokenize, tokenized, tokenized_items
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import Difference, Interval, difference_of, interval_of, wilson_interval
from imagist.metrics.spice import spice

NAMES = {
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "cider_d": "CIDEr-D",
    "cider_unclipped": "CIDEr unclipped",
    "spice": "SPICE",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "copied": "copied from training",
    "vocabulary": "vocabulary, words",
    "length": "length, words",
}
"""Every metric in the order of tables. ``cider`` is CIDEr-D, as in pycocoevalcap and most papers."""

COUNTED = frozenset({"vocabulary", "length"})
"""Metrics that count words; the others are printed times 100."""

_DIVERSITY = (1, 2)
_SENTENCE_MEANS = ("rouge_l", "cider_d", "cider_unclipped", "spice", "copied", "length")


@dataclass(frozen=True, eq=False)
class Measured:
    """The metrics of one captioner.

    Attributes:
        figures: By the keys of `NAMES`, in that order, in raw units: shares 0..1, CIDEr 0..10.
        unavailable: The reason for each missing metric.
        drawn: ``[B]`` for each metric, its value on each resample.
        resamples: The resamples.
    """

    figures: dict[str, Interval]
    unavailable: dict[str, str]
    drawn: dict[str, Floats] = field(repr=False)
    resamples: Resamples = field(repr=False)


class CaptionEvaluation:
    """Measures captioners against the same references.

    Args:
        references: One or more raw sentences for each of N images.
        training: Captions that a captioner may have copied; None leaves the share of copies out.
        java: Whether to run METEOR and SPICE, which are Java programs.
        language: ISO 639-1 code of the sentences; METEOR and SPICE need English.
        resamples: B.
        seed: Of the resamples.
        level: Confidence of the intervals, 0..1.

    Raises:
        UsageError: No images, an image without a reference, no resamples, or a level outside of 0..1.
    """

    def __init__(
        self,
        references: Sequence[Sequence[str]],
        *,
        training: Iterable[str] | None = None,
        java: bool = True,
        language: str = "en",
        resamples: int = 1000,
        seed: int = 0,
        level: float = 0.95,
    ) -> None:
        if not 0 < level < 1:
            raise UsageError(f"a confidence level lies between 0 and 1, got {level}", remedy="0.95, say")
        self._sentences = tokenized_items(references)
        self._references = References(self._sentences)
        self._ciders = {"cider_d": CiderD(self._references), "cider_unclipped": UnclippedCider(self._references)}
        self._training = None if training is None else frozenset(map(_tokens, training))
        self._without_java = None if java else "--no-java"
        if java and language != "en":
            self._without_java = f"for English only, not {language}"
        self._resamples = Resamples(len(self._references), resamples, seed=seed)
        self._level = level

    def measure(self, hypotheses: Sequence[str]) -> Measured:
        """All metrics of N raw captions.

        Raises:
            UsageError: Not one caption an image.
        """
        if len(hypotheses) != len(self._sentences):
            raise UsageError(f"{len(hypotheses)} captions of {len(self._sentences)} images", remedy="give one of each")
        rows, unavailable = self._rows(tokenized(hypotheses))
        columns = np.concatenate(list(rows.values()), axis=1)
        widths = np.cumsum([of.shape[1] for of in rows.values()])[:-1]

        def figures(totals: Floats) -> dict[str, Floats]:
            return _figures(dict(zip(rows, np.split(totals, widths, axis=-1), strict=True)))

        total = columns.sum(axis=0)
        values, drawn, left_out = map(figures, (total, self._resamples.totals(columns), total - columns))
        intervals = {
            key: interval_of(float(values[key]), drawn[key], left_out[key], self._level)
            for key in NAMES
            if key in values
        }
        if "copied" in intervals:
            items = len(self._sentences)
            intervals["copied"] = wilson_interval(round(intervals["copied"].value * items), items, level=self._level)
        return Measured(intervals, unavailable, drawn, self._resamples)

    def compare(self, first: Measured, second: Measured) -> dict[str, Difference]:
        """The difference of two captioners in each metric of both.

        Raises:
            UsageError: One of them was measured by another evaluation.
        """
        if not first.resamples is second.resamples is self._resamples:
            raise UsageError("the two were measured on different resamples", remedy="measure both by one evaluation")
        return {
            key: difference_of(
                first.figures[key].value - second.figures[key].value, first.drawn[key] - second.drawn[key], self._level
            )
            for key in first.figures
            if key in second.figures
        }

    def _rows(self, hypotheses: list[str]) -> tuple[dict[str, Floats], dict[str, str]]:
        """The addends of each metric, ``[N, columns]``, and the reason for each missing metric."""
        counted = NGrams(hypotheses)
        means: dict[str, AnyArray] = {
            "rouge_l": rouge_l_items(hypotheses, self._sentences),
            "length": counted.lengths,
            **{key: cider.scores(counted) for key, cider in self._ciders.items()},
        }
        rows: dict[str, AnyArray] = {"bleu": bleu_counts(counted, self._references)}
        unavailable = {}
        if self._training is None:
            unavailable["copied"] = "no captions of training were given (--train)"
        else:
            means["copied"] = copied(hypotheses, self._training)
        if self._without_java:
            unavailable |= dict.fromkeys(("meteor", "spice"), self._without_java)
        else:
            try:
                rows["meteor"] = meteor_rows(hypotheses, self._sentences)
            except MissingExtra as error:
                unavailable["meteor"] = str(error)
            try:
                means["spice"] = spice(hypotheses, self._sentences)[1]
            except MissingExtra as error:
                unavailable["spice"] = str(error)
        rows |= {key: values[:, None] for key, values in means.items()}
        for n in _DIVERSITY:
            rows[f"distinct_{n}"] = np.stack([type_values(counted, n), running(counted, n)], axis=1)
        rows["items"] = np.ones((len(hypotheses), 1))
        return {key: of.astype(np.float64) for key, of in rows.items()}, unavailable


def _figures(totals: Mapping[str, Floats]) -> dict[str, Floats]:
    """The metrics ``[...]`` from sums ``[..., columns]``."""
    items = np.maximum(1, totals["items"][..., 0])
    bleu = bleu_of_totals(totals["bleu"])
    figures = {f"bleu_{n}": bleu[..., n - 1] for n in range(1, ORDERS + 1)}
    if "meteor" in totals:
        figures["meteor"] = meteor_of_totals(totals["meteor"])
    figures |= {key: totals[key][..., 0] / items for key in _SENTENCE_MEANS if key in totals}
    figures["cider"] = figures["cider_d"]
    for n in _DIVERSITY:
        # The mean of pseudo-values is the number; on a resample it may leave 0..1.
        types, all_ngrams = np.moveaxis(totals[f"distinct_{n}"], -1, 0)
        figures[f"distinct_{n}"] = np.clip(types / items / np.maximum(1, all_ngrams), 0, 1)
    figures["vocabulary"] = np.round(totals["distinct_1"][..., 0] / items, 6)  # a whole number up to rounding
    return figures


def _tokens(sentence: str) -> str:
    return " ".join(tokenize(sentence))
