"""Every figure: both files, the names that it was given, equal bytes, one of everything and much of everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chart_samples as made
from imagist.errors import UsageError
from imagist.metrics.classes import Reliability
from imagist.metrics.significance import Interval
from imagist.report.charts.abstention import draw_abstention
from imagist.report.charts.category_errors import CategoryErrors, draw_category_errors
from imagist.report.charts.comparison import draw_comparison
from imagist.report.charts.confusion import Confusion, draw_confusion
from imagist.report.charts.examples import draw_examples
from imagist.report.charts.labels import draw_labels
from imagist.report.charts.learning_curves import LearningCurves, draw_learning_curves
from imagist.report.charts.reliability import Calibration, draw_reliability
from imagist.report.charts.stability import draw_stability
from imagist.report.charts.style import CROSS, TICK
from imagist.report.charts.sweep import Sweep, draw_sweep
from imagist.report.charts.text_vs_image import draw_text_vs_image

pytest.importorskip("matplotlib")

PLAIN = {
    draw_learning_curves: [made.curves("bag"), made.curves("bert", 5, 20)],
    draw_stability: [made.trials("bag"), made.trials("bert", 10)],
    draw_labels: [made.by_labels(), made.by_labels("bag", "text", 1), made.by_labels("both", "fused", 1)],
    draw_sweep: [made.sweep("bag × net")],
    draw_category_errors: made.category_errors(2, 12, unreachable=True),
    draw_comparison: [made.system("net", 0.91, "image"), made.system("bag", 0.93), made.system("odd", 0.92, "")],
    draw_confusion: made.confusion(4),
    draw_reliability: [made.calibration("bag"), made.calibration("bert", after=False)],
    draw_abstention: [made.risk("bag", chosen=(0.8, 0.05)), made.risk("bert", area=0.1)],
    draw_text_vs_image: made.text_vs_image("bag"),
    draw_examples: [made.example()],
}
SAID = {
    draw_learning_curves: ["bag", "bert", "training", "validation", "one fold", "epoch"],
    draw_stability: ["bag", "bert", "mean", "95% interval of the mean", "87.0 [85.0, 89.0]"],
    draw_labels: ["net", "bag", "both", "4", "8", "all", "labelled images of each category", "accuracy"],
    draw_sweep: ["bag × net", "w = 0.25 [0.10, 0.40]", "92.0", "82.0", "image alone", "text alone"],
    draw_category_errors: ["system-0", "system-1", "class0 (10)", "all (186)", "100.0 †", "top-1 error (%)"],
    draw_comparison: ["net", "bag", "odd", "93.0 [91.0, 95.0]", "image", "text", "other", "the same, enlarged"],
    draw_confusion: ["bag", "class0", "predicted class"],
    draw_reliability: ["bag", "bert", "uncalibrated", "calibrated", "confidence", "items"],
    draw_abstention: ["bag", "bert", "mean risk 5.0%", "mean risk 10.0%", "at the chosen threshold"],
    draw_text_vs_image: ["bag", "recall of the class", "image", "text"],
    draw_examples: [
        "label: dog",
        "dog 97%",
        "cat 51%",
        "a dog runs through the grass",
        "reader-0",
        TICK,
        CROSS,
        "a.jpg",
    ],
}
ALL = pytest.mark.parametrize("draw", PLAIN, ids=lambda draw: draw.__name__)


@ALL
def test_the_figure_is_there_twice_and_says_what_it_was_given(draw, tmp_path):
    draw(PLAIN[draw], tmp_path / "a")
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 200
        assert max(image.size) < 2500
        assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 5
    said = made.texts(tmp_path / "a.svg")
    assert [words for words in SAID[draw] if words not in said] == []
    assert {file.name for file in tmp_path.iterdir()} == {"a.png", "a.svg"}
    draw(PLAIN[draw], tmp_path / "b")  # equal findings give equal bytes
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("draw", [draw for draw, data in PLAIN.items() if isinstance(data, list)])
def test_without_anything_there_is_no_figure(draw, tmp_path):
    with pytest.raises(UsageError, match="there are no"):
        draw([], tmp_path / "a")
    assert not list(tmp_path.iterdir())


ONE = {
    draw_learning_curves: [LearningCurves("bag", (np.array([0.5]),))],
    draw_stability: [made.trials(folds=1)],
    draw_labels: [made.by_labels(points=1)],
    draw_sweep: [
        Sweep("flat", np.array([0.0, 1.0]), np.ones(2), np.ones(2), np.ones(2), Interval(1, 0, 1)),
        Sweep("poor", np.array([0.0, 1.0]), np.zeros(2), np.zeros(2), np.zeros(2), Interval(0, 0, 0)),
    ],
    draw_category_errors: CategoryErrors(("a",), ("b",), np.zeros((1, 1)), None, np.zeros(1, int)),
    draw_comparison: [made.system(accuracy=0.0, kind="")],
    draw_confusion: Confusion("bag", ("only",), np.zeros((1, 1), int)),
    draw_reliability: [Calibration("bag", Reliability(np.array([0, 0.7]), np.array([0, 1.0]), np.array([0, 1])))],
    draw_abstention: [made.risk(steps=1, area=0.0)],
    draw_text_vs_image: made.text_vs_image(labels=1, items=0),
    draw_examples: [made.example(size=(1, 1), systems=1)],
}


@ALL
def test_one_of_everything(draw, tmp_path):
    draw(ONE[draw], tmp_path / "a")
    assert made.texts(tmp_path / "a.svg")
    assert b"nan" not in (tmp_path / "a.svg").read_bytes().lower()


NAMES = [f"{made.LONG} number {n}" for n in range(20)]
MANY = {
    draw_learning_curves: [made.curves(name, 2, 3) for name in NAMES[:9]],
    draw_stability: [made.trials(name, 25) for name in NAMES],
    draw_labels: [made.by_labels(name, "text", n, 9) for n, name in enumerate(NAMES)],
    draw_sweep: [made.sweep(name, 3) for name in NAMES[:7]],
    draw_category_errors: CategoryErrors(
        tuple(NAMES), tuple(NAMES), np.full((20, 20), 0.6), np.full((20, 20), 0.2), np.full(20, 12345)
    ),
    draw_comparison: [made.system(name, 0.9 + n / 400, f"kind {n}") for n, name in enumerate(NAMES)],
    draw_confusion: Confusion(NAMES[0], tuple(NAMES), np.full((20, 20), 9999)),
    draw_reliability: [made.calibration(name, 30) for name in NAMES[:9]],
    draw_abstention: [made.risk(name, area=0.01 + n / 100) for n, name in enumerate(NAMES)],
    draw_text_vs_image: made.text_vs_image(NAMES[0], labels=20),
    draw_examples: [
        made.example(NAMES[0], (600, 3), 8, " ".join(NAMES)),
        made.example("W" * 300, (3, 600), 2, "M" * 900),
    ],
}


@ALL
def test_twenty_long_names(draw, tmp_path):
    draw(MANY[draw], tmp_path / "a")
    said = made.texts(tmp_path / "a.svg")
    assert max(map(len, said)) < 100
    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) < 4000


def test_names_may_hold_anything(tmp_path):
    vile = "_<script>$x_1$\x00\udce9 & 狗"
    made_of = made.system(vile, 0.9, "_kind")
    draw_comparison([made_of, made.system()], tmp_path / "a")
    said = made.texts(tmp_path / "a.svg")
    assert "_<script>$x_1$\\udce9 & 狗" in said
    assert "_kind" in said


def test_a_stem_may_hold_dots_and_spaces(tmp_path):
    draw_comparison([made.system()], tmp_path / "b0 v1.5")
    assert Path(tmp_path / "b0 v1.5.svg").exists()
