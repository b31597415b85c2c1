"""What a study found as figures, each written as PNG and SVG, after those of the four papers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from imagist.arrays import Ints
from imagist.classifiers.abstention import risk_coverage
from imagist.metrics.classes import Reliability, confusion_matrix, correct, reliability
from imagist.metrics.significance import Interval, wilson_interval
from imagist.report.studies.abstention import RiskCurve, draw_abstention
from imagist.report.studies.categories import CategoryErrors, draw_categories
from imagist.report.studies.comparison import System as Bar
from imagist.report.studies.comparison import draw_comparison
from imagist.report.studies.confusion import Confusion, draw_confusion
from imagist.report.studies.curves import Curves, draw_curves
from imagist.report.studies.drawing import draw_once
from imagist.report.studies.examples import Shown, Verdict
from imagist.report.studies.information import WordsAgainstImage, draw_information
from imagist.report.studies.page import Plot
from imagist.report.studies.reliability import Calibration, draw_reliability
from imagist.report.studies.stability import Trials, draw_stability
from imagist.report.studies.sweep import Sweep, draw_sweep
from imagist.study.results import Outcome, System, judged
from imagist.study.run import Found

MOST = 6  # systems side by side
IMAGES = 8  # in the panel of examples


class Figures:
    """Draws into a folder and names what it drew.

    Args:
        found: What to draw.
        folder: Receives the files.
    """

    def __init__(self, found: Found, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._found, self._folder = found, folder
        self._rows = judged(found.trials)
        self._targets = found.data.targets[self._rows]

    def comparison(self) -> Plot:
        """Every system's accuracy."""
        bars = [Bar(o.system.name, o.accuracy, "image" if o.system.kind == "distilled" else o.system.kind)
                for o in self._found.outcomes]  # fmt: skip
        stem = self._folder / "comparison"
        draw_once(draw_comparison, bars, stem)
        return Plot(stem, "Accuracy of every system, with 95% intervals over the judged images.")

    def stability(self) -> Plot:
        """The best systems fold by fold."""
        shown = [Trials(o.system.name, np.array([f.accuracy for f in o.figures]), o.accuracy) for o in self.best(12)]
        stem = self._folder / "stability"
        draw_once(draw_stability, shown, stem)
        return Plot(stem, "Accuracy in each fold and seed, and the mean, of the best systems.")

    def curves(self) -> Iterator[Plot]:
        """Training and validation accuracy by epoch, of what was fitted in epochs."""
        learnt = []
        for system, opinions in self._found.opinions.items():
            histories = [said.history for of in opinions for said in of.fits if said.history]
            if histories:
                train = tuple(np.array([e.train_accuracy for e in h]) for h in histories)
                dev = tuple(np.array([e.dev_accuracy for e in h], float) for h in histories)
                learnt.append(Curves(system.name, train, dev))
        for part in range(0, len(learnt), MOST):
            stem = self._folder / f"curves-{part // MOST + 1}"
            draw_once(draw_curves, learnt[part : part + MOST], stem)
            yield Plot(stem, "Accuracy by epoch, on what is trained on and on the held-out inner fold.")

    def sweeps(self) -> Iterator[Plot]:
        """Accuracy over w for each pair."""
        shown = [
            sweep for each in self._found.outcomes
            if each.system.fusion == "score" and each.system.kind == "fused" and (sweep := self._sweep(each))
        ]  # fmt: skip
        for part in range(0, len(shown), MOST):
            stem = self._folder / f"sweep-{part // MOST + 1}"
            draw_once(draw_sweep, shown[part : part + MOST], stem)
            yield Plot(
                stem,
                "Accuracy on the judged images over the weight of the words: at the left end the image alone, at "
                "the right end the words alone. The mark is the weight that the inner folds chose; these images had "
                "no say in it.",
            )

    def _sweep(self, each: Outcome) -> Sweep:
        curves = np.stack([j.sweep for j in each.joined if j.sweep is not None])
        sizes = np.array([len(t.fold.test) for t in self._found.trials])
        mean = np.average(curves, axis=0, weights=sizes)
        bounds = [wilson_interval(round(m * len(self._rows)), len(self._rows)) for m in mean]
        chosen = [j.weight for j in each.joined if j.weight is not None]
        value = float(np.mean([w.weight for w in chosen]))
        low, high = (float(np.mean([w.interval[end] for w in chosen])) for end in (0, 1))
        pair = f"{each.system.captioner} > {each.system.text} + {each.system.image}"
        return Sweep(
            pair, np.linspace(0, 1, len(mean)), mean, np.array([b.low for b in bounds]),
            np.array([b.high for b in bounds]), Interval(value, min(low, value), max(high, value)),
        )  # fmt: skip

    def categories(self) -> tuple[Plot, CategoryErrors]:
        """Top-1 and top-5 errors by category."""
        shown = [*(o for o in self._found.outcomes if o.system.kind == "image"), *self.best(2, ("words",)),
                 *self.best(1, ("fused",))][:MOST]  # fmt: skip
        classes = np.unique(self._targets)  # fixed splits need not judge all
        wrong = [[~correct(o.probabilities, self._targets, k=k) for k in (1, 5)] for o in shown]
        top1, top5 = (
            np.array([[w[place][self._targets == c].mean() for c in classes] for w in wrong]) for place in (0, 1)
        )
        data = CategoryErrors(
            tuple(o.system.name for o in shown), tuple(self._found.data.labels.names[c] for c in classes), top1, top5,
            np.bincount(self._targets)[classes],
            np.array([(o.probabilities == 0).all(axis=0)[classes] for o in shown]),
        )  # fmt: skip
        stem = self._folder / "categories"
        draw_once(draw_categories, data, stem)
        return Plot(stem, "Errors by category: the label is not the likeliest (top-1), not among five (top-5)."), data

    def confusions(self) -> Iterator[Plot]:
        """Of the best system of each kind."""
        for each in self.best_of_each():
            counts = confusion_matrix(each.probabilities.argmax(axis=1), self._targets, len(self._found.data.labels))
            stem = self._folder / f"confusion-{each.system.kind}"
            draw_once(draw_confusion, Confusion(each.system.name, self._found.data.labels.names, counts), stem)
            yield Plot(stem, f"What {each.system.name} takes for what.")

    def reliability(self) -> Plot:
        """Before and after calibration, of the best system of each kind."""
        shown = []
        for each in self.best_of_each():
            before = self._raw(each.system)
            after = reliability(each.probabilities, self._targets)
            shown.append(
                Calibration(each.system.name, after if before is None else before, None if before is None else after)
            )
        stem = self._folder / "reliability"
        draw_once(draw_reliability, shown, stem)
        return Plot(stem, "How often a promised probability is kept: honest ones lie on the diagonal.")

    def _raw(self, system: System) -> Reliability | None:
        """The reliability of a single opinion before its temperature."""
        if system not in self._found.opinions:
            return None
        total = np.zeros((len(self._rows), len(self._found.data.labels)))
        for opinion, trial in zip(self._found.opinions[system], self._found.trials, strict=True):
            total[np.searchsorted(self._rows, trial.fold.test)] += opinion.test[: len(trial.fold.test)]
        return reliability(total / total.sum(axis=1, keepdims=True), self._targets)

    def abstention(self, asked: float) -> Plot:
        """What abstaining is worth, of the best system of each kind."""
        shown = []
        for each in self.best_of_each():
            curve = risk_coverage(each.probabilities, self._targets)
            shown.append(RiskCurve(each.system.name, curve.coverage, curve.risk, curve.area))
        stem = self._folder / "abstention"
        draw_once(draw_abstention, shown, stem, asked=asked)
        return Plot(stem, "Mistakes among the answers where the least sure images get none.")

    def information(self, captioner: str, words: Outcome, image: Outcome) -> Plot:
        """Who is right on what, and which classes words lose."""
        right = (correct(o.probabilities, self._targets) for o in (image, words))
        stem = self._folder / f"information-{captioner}"
        draw_once(
            draw_information, WordsAgainstImage(captioner, self._found.data.labels.names, self._targets, *right), stem
        )
        return Plot(stem, f"The words of {captioner} against the image, on the same images.")

    def examples(self) -> tuple[Shown, ...]:
        """Images on which the best systems disagree, spread over the classes, then any."""
        systems = [*self.best(2, ("words",)), *self.best(1, ("image",)), *self.best(1, ("fused",))]
        right = np.stack([o.right[0] for o in systems])
        mixed = np.asarray(right.any(axis=0) & ~right.all(axis=0))
        order = sorted(range(len(self._rows)), key=lambda i: (not mixed[i], _rank(self._targets, i)))
        return tuple(self._shown(i, systems) for i in order[:IMAGES])

    def _shown(self, place: int, systems: Sequence[Outcome]) -> Shown:
        row = int(self._rows[place])
        (photo,), example = self._found.data.photos([row]), self._found.data.examples[row]
        verdicts = []
        for each in systems:
            best = int(each.probabilities[place].argmax())
            caption = self._found.captions[each.system.captioner][row] if each.system.captioner else None
            verdicts.append(
                Verdict(
                    each.system.name, self._found.data.labels.names[best], best == self._targets[place],
                    float(each.probabilities[place, best]), caption,
                )
            )  # fmt: skip
        return Shown(example.image, photo.pixels, example.label, tuple(verdicts))

    def best(self, number: int, kinds: Sequence[str] = ("words", "image", "fused", "distilled")) -> list[Outcome]:
        """The most accurate systems of some kinds."""
        ranked = sorted(self._found.outcomes, key=lambda o: -o.accuracy.value)
        return [each for each in ranked if each.system.kind in kinds][:number]

    def best_of_each(self) -> list[Outcome]:
        """The most accurate system of each kind but the distilled, where there is one."""
        return [found for kind in ("words", "image", "fused") for found in self.best(1, (kind,))]

    @property
    def targets(self) -> Ints:
        """Of the judged rows, ``[N]``."""
        return self._targets

    @property
    def rows(self) -> Ints:
        """The judged rows, ``[N]``."""
        return self._rows


def _rank(targets: Ints, place: int) -> int:
    """How many rows of the same class come before."""
    return int((targets[:place] == targets[place]).sum())
