"""Made-up data for the charts of studies: as many systems, classes and folds as a test needs."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from imagist.metrics.classes import reliability
from imagist.metrics.significance import Interval
from imagist.report.charts.abstention import RiskCurve
from imagist.report.charts.category_errors import CategoryErrors
from imagist.report.charts.comparison import SystemAccuracy
from imagist.report.charts.confusion import Confusion
from imagist.report.charts.examples import Example, ExamplePrediction
from imagist.report.charts.labels import LabelCurve
from imagist.report.charts.learning_curves import LearningCurves
from imagist.report.charts.reliability import Calibration
from imagist.report.charts.stability import FoldAccuracies
from imagist.report.charts.sweep import Sweep
from imagist.report.charts.text_vs_image import TextVsImage

LONG = "Salesforce/blip-image-captioning-large + bert-base-uncased × efficientnet_b0, stacked with a temperature"


def names(count, stem="system"):
    return tuple(f"{stem}-{n}" for n in range(count))


def classes(count):
    return tuple(f"class{n}" for n in range(count))


def curves(name="bag", folds=3, epochs=6, seed=0):
    draw = np.random.default_rng(seed)
    lengths = [max(1, epochs - n % 3) for n in range(folds)]
    made = [tuple(np.sort(draw.uniform(0.3, top, length)) for length in lengths) for top in (1, 0.9)]
    return LearningCurves(name, *made)


def trials(name="bag", folds=5, seed=0):
    accuracy = np.random.default_rng(seed).permutation(np.linspace(0.85, 0.89, folds))
    mean = float(accuracy.mean())
    return FoldAccuracies(name, accuracy, Interval(mean, max(0, mean - 0.02), min(1, mean + 0.02)))


def by_labels(name="net", kind="image", place=0, points=3):
    shares = np.linspace(0.7, 0.9, points).tolist()
    labels = (*(str(4 * 2**n) for n in range(points - 1)), "all")
    return LabelCurve(name, kind, place, tuple(Interval(s, s - 0.02, s + 0.02) for s in shares), labels)


def sweep(name="bag × net", steps=11):
    w = np.linspace(0, 1, steps)
    accuracy = 0.92 + 0.1 * w - 0.2 * w**2
    return Sweep(name, w, accuracy, accuracy - 0.02, accuracy + 0.02, Interval(0.25, 0.1, 0.4))


def category_errors(systems=2, labels=3, seed=0, top5=True, unreachable=False):
    top1 = np.random.default_rng(seed).uniform(0, 1, (systems, labels))
    never = np.zeros((systems, labels), dtype=bool)
    if unreachable:
        never[0, -1], top1[0, -1] = True, 1.0
    counts = np.arange(labels) + 10
    return CategoryErrors(names(systems), classes(labels), top1, top1 / 2 if top5 else None, counts, never)


def system(name="bag", accuracy=0.9, kind="text"):
    return SystemAccuracy(name, Interval(accuracy, max(0.0, accuracy - 0.02), min(1.0, accuracy + 0.02)), kind)


def confusion(labels=3, name="bag", seed=0):
    return Confusion(name, classes(labels), np.random.default_rng(seed).integers(0, 20, (labels, labels)))


def calibration(name="bag", items=200, labels=4, seed=0, after=True):
    draw = np.random.default_rng(seed)
    p = draw.dirichlet(np.full(labels, 0.4), items)
    t = np.array([draw.choice(labels, p=row) for row in p])
    return Calibration(name, reliability(p, t, bins=10), reliability(p, t, bins=10) if after else None)


def risk(name="bag", steps=30, area=0.05, chosen=None):
    coverage = np.arange(1, steps + 1) / steps
    return RiskCurve(name, coverage, 2 * area * coverage**2, area, chosen)


def text_vs_image(name="bag", labels=4, items=200, seed=0):
    draw = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(labels), draw.integers(0, labels, items)])
    return TextVsImage(
        name, classes(labels), targets, draw.random(items + labels) < 0.9, draw.random(items + labels) < 0.7
    )


def example(name="a.jpg", size=(24, 32), systems=2, caption="a dog runs through the grass"):
    predictions = [ExamplePrediction("mobilenet", "dog", True, 0.97)]
    predictions += [ExamplePrediction(f"reader-{n}", "cat", False, 0.51, caption) for n in range(systems - 1)]
    return Example(name, np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8), "dog", tuple(predictions))


def texts(svg):
    """All words of an SVG in the order of drawing; fails where it is not XML."""
    root = ElementTree.fromstring(svg.read_bytes() if hasattr(svg, "read_bytes") else svg)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
