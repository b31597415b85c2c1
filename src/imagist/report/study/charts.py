"""The charts of a study: selects what each shows from the results, and draws it as PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from imagist.arrays import Ints
from imagist.classifiers.abstention import risk_coverage
from imagist.metrics.classes import Reliability, confusion_matrix, correct, reliability
from imagist.metrics.significance import Interval, wilson_interval
from imagist.report.charts.abstention import RiskCurve, draw_abstention
from imagist.report.charts.category_errors import CategoryErrors, draw_category_errors
from imagist.report.charts.comparison import SystemAccuracy, draw_comparison
from imagist.report.charts.confusion import Confusion, confusions_table, draw_confusion
from imagist.report.charts.examples import Example, ExamplePrediction
from imagist.report.charts.labels import LabelCurve, draw_labels
from imagist.report.charts.learning_curves import LearningCurves, draw_learning_curves
from imagist.report.charts.once import draw_once
from imagist.report.charts.reliability import Calibration, draw_reliability
from imagist.report.charts.stability import FoldAccuracies, draw_stability
from imagist.report.charts.sweep import Sweep, draw_sweep
from imagist.report.charts.text_vs_image import TextVsImage, draw_text_vs_image
from imagist.report.study.page import Plot, Ranking
from imagist.report.tables import Table
from imagist.study.analysis import CaptionInformation
from imagist.study.evaluation import main_line
from imagist.study.results import System, SystemResult, test_rows
from imagist.study.run import StudyResult

MOST = 6  # systems in one chart
IMAGES = 8  # examples


class StudyCharts:
    """Draws the charts of a study into a folder.

    Args:
        result: Of the study.
        folder: Receives the files; created if it does not exist.

    Attributes:
        folder: The same.
    """

    def __init__(self, result: StudyResult, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._result, self.folder = result, folder
        self._rows = test_rows(result.trials)
        self._targets = result.data.targets[self._rows]

    def comparison(self) -> Ranking:
        """Accuracy of every system; the chart is drawn into the folder, too."""
        bars = [SystemAccuracy(o.system.name, o.accuracy, "image" if o.system.kind == "distilled" else o.system.kind)
                for o in self._result.systems]  # fmt: skip
        stem = self.folder / "comparison"
        draw_once(draw_comparison, bars, stem)
        rows = tuple((bar.name, bar.kind, bar.accuracy) for bar in bars)
        return Ranking(rows, "Accuracy of every system, with 95% intervals over the test images.")

    def stability(self) -> Plot:
        """Accuracy of the best systems by fold."""
        shown = [
            FoldAccuracies(o.system.name, np.array([f.accuracy for f in o.metrics]), o.accuracy) for o in self.best(12)
        ]
        stem = self.folder / "stability"
        draw_once(draw_stability, shown, stem)
        return Plot(stem, "Accuracy of the best systems in each fold and seed, and their mean.")

    def learning_curves(self) -> Iterator[Plot]:
        """Training and validation accuracy by epoch, of classifiers that are trained in epochs."""
        trained = []
        for system, scores in self._result.scores.items():
            histories = [fit.history for of in scores for fit in of.fits if fit.history]
            if histories:
                train = tuple(np.array([e.train_accuracy for e in h]) for h in histories)
                dev = tuple(np.array([e.dev_accuracy for e in h], float) for h in histories)
                trained.append(LearningCurves(system.name, train, dev))
        for part in range(0, len(trained), MOST):
            stem = self.folder / f"learning-curves-{part // MOST + 1}"
            draw_once(draw_learning_curves, trained[part : part + MOST], stem)
            yield Plot(stem, "Accuracy by epoch on training and on validation images.")

    def labels(self) -> Plot:
        """Accuracy of the main line by the number of labelled images of each category."""
        points = [main_line(self._result.study, each.systems) for each in self._result.curve]
        labels = tuple(str(each.shots or "all") for each in self._result.curve)
        captioners = [each.name for each in self._result.study.captioners]
        shown = [
            LabelCurve(
                first.system.name, first.system.kind,
                captioners.index(first.system.captioner) + 1 if first.system.captioner else 0,
                tuple(point[number].accuracy for point in points), labels,
            )
            for number, first in enumerate(points[0])
        ]  # fmt: skip
        stem = self.folder / "labels"
        draw_once(draw_labels, shown, stem)
        return Plot(stem, "Accuracy by the number of labelled images of each category, with 95% intervals.")

    def sweeps(self) -> Iterator[Plot]:
        """Accuracy over w for each pair."""
        shown = [
            sweep for each in self._result.systems
            if each.system.fusion == "score" and each.system.kind == "fused" and (sweep := self._sweep(each))
        ]  # fmt: skip
        for part in range(0, len(shown), MOST):
            stem = self.folder / f"sweep-{part // MOST + 1}"
            draw_once(draw_sweep, shown[part : part + MOST], stem)
            yield Plot(
                stem,
                "Accuracy on the test images by the weight w of the text classifier: the image classifier alone at the "
                "left end, the text classifier alone at the right end. The mark is the weight that was chosen on the "
                "validation folds.",
            )

    def _sweep(self, each: SystemResult) -> Sweep:
        curves = np.stack([t.sweep for t in each.trials if t.sweep is not None])
        sizes = np.array([len(t.fold.test) for t in self._result.trials])
        mean = np.average(curves, axis=0, weights=sizes)
        bounds = [wilson_interval(round(m * len(self._rows)), len(self._rows)) for m in mean]
        chosen = [t.weight for t in each.trials if t.weight is not None]
        value = float(np.mean([w.weight for w in chosen]))
        low, high = (float(np.mean([w.interval[end] for w in chosen])) for end in (0, 1))
        pair = f"{each.system.captioner} > {each.system.text} + {each.system.image}"
        return Sweep(
            pair, np.linspace(0, 1, len(mean)), mean, np.array([b.low for b in bounds]),
            np.array([b.high for b in bounds]), Interval(value, min(low, value), max(high, value)),
        )  # fmt: skip

    def category_errors(self) -> tuple[Plot, CategoryErrors]:
        """Top-1 and top-5 errors by category."""
        shown = [*(o for o in self._result.systems if o.system.kind == "image"), *self.best(2, ("text",)),
                 *self.best(1, ("fused",))][:MOST]  # fmt: skip
        classes = np.unique(self._targets)  # a fixed test split may lack some
        wrong = [[~correct(o.probabilities, self._targets, k=k) for k in (1, 5)] for o in shown]
        top1, top5 = (
            np.array([[w[place][self._targets == c].mean() for c in classes] for w in wrong]) for place in (0, 1)
        )
        data = CategoryErrors(
            tuple(o.system.name for o in shown), tuple(self._result.data.labels.names[c] for c in classes), top1, top5,
            np.bincount(self._targets)[classes],
            np.array([(o.probabilities == 0).all(axis=0)[classes] for o in shown]),
        )  # fmt: skip
        stem = self.folder / "category-errors"
        draw_once(draw_category_errors, data, stem)
        return Plot(
            stem, "Errors by category: the label is not the most probable one (top-1), or not among five (top-5)."
        ), data

    def confusions(self) -> Iterator[Plot]:
        """Confusion matrices of the best system of each kind."""
        for each in self.best_of_each():
            stem = self.folder / f"confusion-{each.system.kind}"
            draw_once(draw_confusion, self._confusion(each), stem)
            yield Plot(stem, f"Confusion matrix of {each.system.name}.")

    def frequent_confusions(self) -> Table:
        """What the best text system takes for something else most often, and how often image and fused systems do."""
        shown = [*self.best(1, ("text",)), *self.best(MOST - 2, ("image",)), *self.best(1, ("fused",))]
        return confusions_table(
            [self._confusion(each) for each in shown],
            f"Images of a category that a system takes for another; the most frequent of {shown[0].system.name}.",
        )

    def _confusion(self, each: SystemResult) -> Confusion:
        labels = self._result.data.labels
        counts = confusion_matrix(each.probabilities.argmax(axis=1), self._targets, len(labels))
        return Confusion(each.system.name, labels.names, counts)

    def reliability(self) -> Plot:
        """Calibration of the best system of each kind, before and after its temperature."""
        shown = []
        for each in self.best_of_each():
            before = self._raw(each.system)
            after = reliability(each.probabilities, self._targets)
            shown.append(
                Calibration(each.system.name, after if before is None else before, None if before is None else after)
            )
        stem = self.folder / "reliability"
        draw_once(draw_reliability, shown, stem)
        return Plot(stem, "Accuracy by predicted probability: calibrated systems lie on the diagonal.")

    def _raw(self, system: System) -> Reliability | None:
        """The reliability of a single classifier before its temperature."""
        if system not in self._result.scores:
            return None
        total = np.zeros((len(self._rows), len(self._result.data.labels)))
        for scores, trial in zip(self._result.scores[system], self._result.trials, strict=True):
            total[np.searchsorted(self._rows, trial.fold.test)] += scores.test[: len(trial.fold.test)]
        return reliability(total / total.sum(axis=1, keepdims=True), self._targets)

    def abstention(self, target: float) -> Plot:
        """Risk by coverage of the best system of each kind."""
        shown = []
        for each in self.best_of_each():
            curve = risk_coverage(each.probabilities, self._targets)
            shown.append(RiskCurve(each.system.name, curve.coverage, curve.risk, curve.area))
        stem = self.folder / "abstention"
        draw_once(draw_abstention, shown, stem, target=target)
        return Plot(
            stem,
            "Share of errors among the images that are answered, when the least confident ones are left undecided.",
        )

    def text_vs_image(self, of: CaptionInformation) -> Plot:
        """Which classifier is correct on what, and the categories that captions lose."""
        right = (correct(each.probabilities, self._targets) for each in (of.image, of.text))
        stem = self.folder / f"text-vs-image-{of.captioner}"
        data = TextVsImage(of.captioner, self._result.data.labels.names, self._targets, *right)
        draw_once(draw_text_vs_image, data, stem)
        return Plot(stem, f"Captions of {of.captioner} compared with the image classifier, on the same images.")

    def examples(self) -> tuple[Example, ...]:
        """Test images, those on which the best systems disagree first, spread over the categories."""
        systems = [*self.best(2, ("text",)), *self.best(1, ("image",)), *self.best(1, ("fused",))]
        right = np.stack([o.correct[0] for o in systems])
        mixed = np.asarray(right.any(axis=0) & ~right.all(axis=0))
        order = sorted(range(len(self._rows)), key=lambda i: (not mixed[i], _rank(self._targets, i)))
        return tuple(self._example(i, systems) for i in order[:IMAGES])

    def _example(self, place: int, systems: Sequence[SystemResult]) -> Example:
        row = int(self._rows[place])
        (photo,), example = self._result.data.photos([row]), self._result.data.examples[row]
        predictions = []
        for each in systems:
            best = int(each.probabilities[place].argmax())
            caption = self._result.captions[each.system.captioner][row] if each.system.captioner else None
            predictions.append(
                ExamplePrediction(
                    each.system.name, self._result.data.labels.names[best], best == self._targets[place],
                    float(each.probabilities[place, best]), caption,
                )
            )  # fmt: skip
        return Example(example.image, photo.pixels, example.label, tuple(predictions))

    def best(self, number: int, kinds: Sequence[str] = ("text", "image", "fused", "distilled")) -> list[SystemResult]:
        """The most accurate systems of the given kinds."""
        ranked = sorted(self._result.systems, key=lambda o: -o.accuracy.value)
        return [each for each in ranked if each.system.kind in kinds][:number]

    def best_of_each(self) -> list[SystemResult]:
        """The most accurate text, image and fused system, where there is one."""
        return [best for kind in ("text", "image", "fused") for best in self.best(1, (kind,))]


def _rank(targets: Ints, place: int) -> int:
    """How many rows of the same category come before."""
    return int((targets[:place] == targets[place]).sum())
