"""What stands in the figures is what was measured: lines, orders, marks and areas, looked up on the axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import chart_samples as made
from imagist.metrics.classes import Reliability
from imagist.metrics.significance import Interval
from imagist.report.charts.abstention import draw_abstention
from imagist.report.charts.category_errors import draw_category_errors, errors_table
from imagist.report.charts.comparison import draw_comparison
from imagist.report.charts.confusion import Confusion, confusions_table, draw_confusion
from imagist.report.charts.learning_curves import LearningCurves, draw_learning_curves
from imagist.report.charts.reliability import Calibration, draw_reliability
from imagist.report.charts.stability import draw_stability
from imagist.report.charts.sweep import draw_sweep
from imagist.report.charts.text_vs_image import TextVsImage, draw_text_vs_image

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """Draws, writes nothing, and gives the axes."""
    kept = []
    monkeypatch.setattr(figures.Figure, "savefig", lambda self, path, **_: (kept.append(self), path.write_bytes(b"")))

    def draw(function, data, **options):
        function(data, tmp_path / "a", **options)
        kept[-1].draw_without_rendering()
        return kept[-1].axes

    return draw


def rows(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_the_mean_of_the_folds_ends_with_the_shortest(seen):
    train = np.array([0.5, 0.7, 0.9]), np.array([0.3, 0.5])
    (axes,) = seen(
        draw_learning_curves, [LearningCurves("bag", train, (np.array([0.4, 0.6, 0.5]), np.array([0.2, 0.8])))]
    )
    lines = {tuple(line.get_ydata()): line for line in axes.lines}
    assert len(lines) == 6
    mean = next(line for y, line in lines.items() if y == pytest.approx((0.4, 0.6)))
    assert mean.get_xdata().tolist() == [1, 2]
    validation = next(line for y, line in lines.items() if y == pytest.approx((0.3, 0.7)))
    assert (validation.get_linestyle(), mean.get_linestyle()) == ("-", "--")
    assert all(line.get_alpha() == 0.35 for y, line in lines.items() if line not in (mean, validation))


def test_one_fold_is_not_drawn_twice(seen):
    (axes,) = seen(draw_learning_curves, [LearningCurves("bag", (np.array([0.5, 0.7]),))])
    assert len(axes.lines) == 1


def test_panels_of_curves_share_their_scale(seen):
    first, second = seen(draw_learning_curves, [made.curves("a"), made.curves("b", epochs=20)])
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim()


def test_each_fold_has_its_point_the_first_on_top(seen):
    trials = made.trials(folds=4)
    (axes,) = seen(draw_stability, [trials, made.trials("bert")])
    points, span, mean = axes.lines[:3]
    assert points.get_xdata().tolist() == trials.accuracy.tolist()
    heights = points.get_ydata()
    assert (np.diff(heights) > 0).all()
    assert abs(heights).max() < 0.5
    assert axes.yaxis_inverted()
    assert list(span.get_xdata()) == [trials.mean.low, trials.mean.high]
    assert mean.get_xdata() == [trials.mean.value]
    assert rows(axes) == ["bag", "bert"]


def test_the_sweep_shows_the_ends_the_choice_and_its_interval(seen):
    sweep = made.sweep()
    (axes,) = seen(draw_sweep, [sweep])
    by_x = {tuple(np.atleast_1d(line.get_xdata())): line for line in axes.lines}
    assert by_x[(0.25, 0.25)].get_linestyle() == "--"
    assert by_x[(0.0,)].get_ydata() == pytest.approx([0.92])
    assert by_x[(1.0,)].get_ydata() == pytest.approx([0.82])
    assert by_x[(0.0,)].get_marker() != by_x[(1.0,)].get_marker()
    (span,) = axes.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((0.1, 0.4))
    (band,) = axes.collections
    outline = band.get_paths()[0].vertices[:, 1]
    assert (outline.min(), outline.max()) == pytest.approx((sweep.low.min(), sweep.high.max()))
    low, high = axes.get_ylim()
    assert low < sweep.low.min()
    assert sweep.high.max() < high <= 1.01


def test_errors_are_in_their_cells_and_over_all_items_below(seen):
    data = made.category_errors(2, 3, unreachable=True)
    top1, top5 = seen(draw_category_errors, data)
    assert rows(top1) == ["class0 (10)", "class1 (11)", "class2 (12)", "all (33)"]
    assert top1.get_title("left") == "top-1 error (%)"
    cells = np.array(words(top1)).reshape(4, 2)
    assert cells[2, 0] == "100.0 †"
    assert cells[0, 1] == f"{100 * data.top1[1, 0]:.1f}"
    assert cells[3, 1] == f"{100 * np.average(data.top1[1], weights=data.counts):.1f}"
    assert len(words(top5)) == 8
    assert len(seen(draw_category_errors, replace(data, top5=None))) == 1


def test_many_systems_have_their_tables_below_each_other(seen):
    few, many = seen(draw_category_errors, made.category_errors(7)), seen(draw_category_errors, made.category_errors(8))
    assert few[0].get_position().y0 == pytest.approx(few[1].get_position().y0)
    assert many[0].get_position().y0 > many[1].get_position().y1
    assert rows(few[1])[0] == ""
    assert rows(many[1])[0] == "class0 (10)"


def test_the_errors_table_has_both_errors_of_each_system():
    data = made.category_errors(2, 3, unreachable=True)
    table = errors_table(data, "Errors.")
    assert table.heads[2:4] == ("system-0: top-1 error", "system-0: top-5 error")
    assert table.rows[2][:4] == ("class2", "12", "100.0 †", "50.0 †")
    assert table.rows[3][:2] == ("all", "33")
    assert all(table.numeric[1:])
    assert table.caption == "Errors. † none of this system's labels is mapped to the category, so it never predicts it."
    assert errors_table(made.category_errors(), "Errors.").caption == "Errors."


def test_systems_are_ranked_and_kinds_keep_their_colours(seen):
    data = [made.system("low", 0.2), made.system("high", 0.9, "image"), made.system("mid", 0.5, "mine")]
    (axes,) = seen(draw_comparison, data)
    assert rows(axes) == ["high", "mid", "low"]
    assert [bar.get_width() for bar in axes.patches] == [0.9, 0.5, 0.2]
    assert {bar.get_x() for bar in axes.patches} == {0}
    hatches = [bar.get_hatch() for bar in axes.patches]
    assert len(set(hatches)) == 3
    alone = seen(draw_comparison, [made.system("bag", 0.2)])[0].patches[0]
    assert alone.get_facecolor() == axes.patches[2].get_facecolor()


def test_where_systems_crowd_they_are_enlarged(seen):
    bars, dots = seen(draw_comparison, [made.system("a", 0.95), made.system("b", 0.96)])
    assert bars.get_xlim() == (0, 1)
    assert dots.get_xlim()[0] > 0.9
    assert words(dots) == ["96.0 [94.0, 98.0]", "95.0 [93.0, 97.0]"]


def test_confusions_are_counts_coloured_by_row(seen):
    counts = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 3]])
    data = Confusion("bag", ("a", "b", "c"), counts)
    (axes,) = seen(draw_confusion, data)
    assert words(axes) == ["8\n80%", "2\n20%", "", "", "", "", "1\n25%", "", "3\n75%"]
    assert rows(axes) == ["a (10)", "b (0)", "c (4)"]
    (mesh,) = axes.collections
    assert mesh.get_array().tolist() == [[0.8, 0.2, 0], [0, 0, 0], [0.25, 0, 0.75]]
    assert len(axes.patches) == 3
    assert all(patch.get_hatch() and patch.get_y() == 0.5 for patch in axes.patches)
    dark, light = axes.texts[0], axes.texts[6]
    assert dark.get_color() == "white"
    assert light.get_color() != "white"


def test_of_many_classes_only_the_counts_fit(seen):
    (axes,) = seen(draw_confusion, made.confusion(12))
    assert "%" not in "".join(words(axes))


def test_the_most_frequent_confusions_are_those_of_the_first_system():
    text = Confusion("bag", ("a", "b", "c"), np.array([[8, 2, 0], [5, 1, 0], [1, 2, 3]]))
    image = Confusion("net", ("a", "b", "c"), np.array([[10, 0, 0], [1, 5, 0], [0, 0, 6]]))
    table = confusions_table([text, image], "Of each pair.", most=3)
    assert table.heads == ("category", "taken for", "bag", "net")
    assert table.rows == (
        ("b", "a", "5", "1"), ("a", "b", "2", "0"), ("c", "b", "2", "0"), ("all", "another category", "10", "1"),
    )  # fmt: skip
    assert confusions_table([image], "", most=9).rows == (("b", "a", "1"), ("all", "another category", "1"))


def test_reliability_leaves_empty_bins_out_and_tells_the_error(seen):
    before = Reliability(np.array([0, 0.5, 0.9]), np.array([0, 0.25, 0.8]), np.array([0, 4, 16]))
    after = Reliability(np.array([0, 0.5, 0.8]), np.array([0, 0.5, 0.8]), np.array([0, 4, 16]))
    upper, lower = seen(draw_reliability, [Calibration("bag", before, after)])
    assert [line.get_xdata().tolist() for line in upper.lines[1:]] == [[0.5, 0.9], [0.5, 0.8]]
    assert [line.get_ydata().tolist() for line in upper.lines[1:]] == [[0.25, 0.8], [0.5, 0.8]]
    assert words(upper) == ["ECE uncalibrated 13.0%\nECE calibrated 0.0%"]
    assert [bar.get_height() for bar in lower.patches] == [4, 16, 4, 16]


def test_the_systems_of_least_risk_stand_out(seen):
    data = [made.risk(f"s{n}", area=0.2 - n / 100) for n in range(12)]
    (axes,) = seen(draw_abstention, data, target=0.1)
    marked = [line for line in axes.lines if line.get_marker() not in ("", "None")]
    assert [line.get_ydata()[-1] for line in marked] == pytest.approx([2 * (0.09 + n / 100) for n in range(8)])
    (legend,) = axes.figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said[0] == "s11\nmean risk 9.0%"
    assert said[-2:] == ["4 more", "target risk"]
    assert any(list(line.get_ydata()) == [0.1, 0.1] for line in axes.lines)


@pytest.fixture
def answers():
    """Ten items of two classes and a class without items; text loses two of the first and gains one of the second."""
    targets = np.array([0] * 6 + [2] * 4)
    image = np.array([1, 1, 1, 1, 1, 0, 0, 1, 1, 0], dtype=bool)
    text = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1, 0], dtype=bool)
    return TextVsImage("bag", ("dog", "none", "sky"), targets, image, text)


def test_which_classifier_is_correct_on_what(seen, answers):
    assert answers.parts == (5, 2, 1, 2)
    axes, _ = seen(draw_text_vs_image, answers)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 0.2, 0.1, 0.2])
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([0, 0.5, 0.7, 0.8])
    assert words(axes) == ["50.0", "20.0", "10.0", "20.0", "either correct 80.0"]
    assert rows(axes) == ["bag"]


def test_recall_is_lost_and_gained_by_class(seen, answers):
    lost, won = answers.by_class()
    assert (lost.label, lost.items, lost.lost, lost.gained) == ("dog", 6, 2, 0)
    assert (won.label, won.image, won.text, won.gained) == ("sky", 0.5, 0.75, 1)
    _, recalls = seen(draw_text_vs_image, answers)
    assert rows(recalls) == ["dog (6)", "sky (4)"]
    assert words(recalls) == ["−33.3: 2 lost, 0 gained", "+25.0: 0 lost, 1 gained"]
    assert recalls.texts[1].get_fontweight() == "bold"
    assert recalls.lines[0].get_color() != recalls.lines[3].get_color()


def test_the_level_of_the_interval_is_reported(seen):
    trials = replace(made.trials(), mean=Interval(0.9, 0.85, 0.95, 0.9))
    (axes,) = seen(draw_stability, [trials])
    assert "90% interval of the mean" in [text.get_text() for text in axes.figure.legends[0].get_texts()]
