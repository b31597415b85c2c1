"""A chart is drawn again only if its data have changed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from imagist.metrics.significance import Interval
from imagist.report.charts import once
from imagist.report.charts.once import draw_once
from imagist.report.charts.sweep import Sweep


@pytest.fixture
def drawn(tmp_path):
    """Draws a figure of some data, and gives how often that was done in all."""
    times = []

    def draw(data, stem, **named):
        times.append(1)
        for suffix in (".png", ".svg"):
            stem.with_name(stem.name + suffix).write_text(str(data))

    def once(data, stem="figure v1.0", **named):
        draw_once(draw, data, tmp_path / stem, **named)
        return len(times)

    return once


def sweep(height, chosen=0.25):
    w = np.linspace(0, 1, 3)
    return Sweep("a > b + c", w, w * height, w * 0, w * 0 + 1, Interval(chosen, 0, 1))


def test_the_same_is_drawn_once(drawn, tmp_path):
    assert [drawn([sweep(0.5)]), drawn([sweep(0.5)])] == [1, 1]
    assert {path.name for path in tmp_path.iterdir()} == {
        "figure v1.0.png", "figure v1.0.svg", ".figure v1.0.drawn",
    }  # fmt: skip


def test_whatever_changes_is_drawn(drawn):
    assert drawn([sweep(0.5)]) == 1
    assert drawn([sweep(0.75)]) == 2
    assert drawn([sweep(0.75, chosen=0.5)]) == 3
    assert drawn([sweep(0.75, chosen=0.5)] * 2) == 4
    assert drawn([sweep(0.75, chosen=0.5)] * 2, target=0.05) == 5
    assert drawn([sweep(0.75, chosen=0.5)] * 2, target=0.1) == 6
    assert drawn([sweep(0.75, chosen=0.5)] * 2, "another", target=0.1) == 7
    assert drawn([sweep(0.75, chosen=0.5)] * 2, target=0.1) == 7


@pytest.mark.parametrize("lost", ["figure v1.0.png", "figure v1.0.svg", ".figure v1.0.drawn"])
def test_what_is_lost_is_drawn(drawn, tmp_path, lost):
    drawn(1)
    (tmp_path / lost).unlink()
    assert [drawn(1), drawn(1)] == [2, 2]


def test_another_version_draws_anew(drawn, monkeypatch):
    drawn(1)
    monkeypatch.setattr(once, "__version__", "99")
    assert drawn(1) == 2


def test_a_drawing_that_broke_off_does_not_pass_for_the_one_before(drawn, tmp_path):
    drawn("old")

    def breaking(data, stem):
        stem.with_name(stem.name + ".png").write_text(str(data))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_once(breaking, "new", tmp_path / "figure v1.0")
    assert drawn("old") == 2
    assert (tmp_path / "figure v1.0.png").read_text() == "old"
