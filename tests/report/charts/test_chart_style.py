"""The one door through which figures are written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

import chart_samples as made
from imagist.errors import MissingExtra, OutputError
from imagist.report.charts.style import IMAGE, JOINT, MARKS, TEXT, as_percent, drawing, grid_of, head, key, mark
from imagist.report.formatting import plain

matplotlib = pytest.importorskip("matplotlib")


def draw(stem, text="a name"):
    with drawing(stem, 3, 2) as figure:
        axes = figure.add_subplot()
        (line,) = axes.plot([0, 1], [0, 1])
        head(axes, text, 60)
        key(axes, [(line, plain(text))])
        as_percent(axes, "y")


def test_both_files_are_written_and_nothing_else(tmp_path):
    draw(tmp_path / "net.v2")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.v2.png", "net.v2.svg"]
    with Image.open(tmp_path / "net.v2.png") as image:
        assert image.size == (390, 260)
    assert made.texts(tmp_path / "net.v2.svg").count("a name") == 2


def test_equal_figures_are_equal_files_whatever_the_settings_are(tmp_path):
    draw(tmp_path / "a")
    with matplotlib.rc_context({"axes.facecolor": "red", "svg.hashsalt": None, "font.size": 30}):
        draw(tmp_path / "b")
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_no_setting_stays_changed_even_when_drawing_fails(tmp_path):
    before = dict(matplotlib.rcParams)
    draw(tmp_path / "a")
    assert dict(matplotlib.rcParams) == before
    with pytest.raises(ZeroDivisionError), drawing(tmp_path / "b", 3, 2):
        _ = 1 / 0
    assert dict(matplotlib.rcParams) == before
    assert not list(tmp_path.glob("*b*"))


def test_neither_pyplot_nor_matplotlib_is_loaded_before_its_time():
    code = (
        "import sys, pathlib, tempfile\n"
        "from imagist.report.charts import learning_curves, style\n"
        "from imagist.report.study import page\n"
        "assert 'matplotlib' not in sys.modules\n"
        "with style.drawing(pathlib.Path(tempfile.mkdtemp()) / 'x', 1, 1): pass\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_without_matplotlib_the_remedy_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"imagist\[study\]"), drawing(tmp_path / "x", 1, 1):
        pass


def test_a_folder_that_is_not_there_is_the_output_at_fault(tmp_path):
    with pytest.raises(OutputError):
        draw(tmp_path / "no" / "x")


@settings(max_examples=10)
@given(st.text(st.characters(codec=None), max_size=40))
@example("_begins with an underscore")
@example("costs $5 and $6_x^{")
@example("<script>&amp;]]>\x00\x1b\udce9\u2028")
@example("狗 كلب 🐕 ไทย")
@example("")
def test_any_text_gives_an_svg_that_says_it(text):
    with TemporaryDirectory() as folder:
        draw(Path(folder) / "x", text)
        svg = (Path(folder) / "x.svg").read_text("utf-8")
    ElementTree.fromstring(svg)
    said = ["".join(words.split()) for words in made.texts(svg)]
    assert said.count("".join(plain(text).split())) == 2 or not plain(text)


def lightness(colour):
    return ImageColor.getcolor(colour, "L")


def test_systems_differ_without_colour():
    assert len({(mark(n).shape, mark(n).dash) for n in range(MARKS)}) == MARKS
    assert len({mark(n).shape for n in range(MARKS)}) == MARKS
    assert mark(MARKS) == mark(0)
    # Image and words are alike in grey, so their hatches are not.
    assert abs(lightness(IMAGE) - lightness(JOINT)) > 30
    assert [mark(n).colour for n in range(3)] == [IMAGE, TEXT, JOINT]
    assert mark(0).hatch != mark(1).hatch


@pytest.mark.parametrize(("panels", "grid"), [(1, (1, 1)), (4, (1, 4)), (5, (2, 3)), (9, (3, 3)), (20, (5, 4))])
def test_panels_lie_in_a_grid_with_few_gaps(panels, grid):
    assert grid_of(panels) == grid


@pytest.mark.parametrize(("limits", "said"), [((0.84, 0.92), "90%"), ((0, 1), "40%"), ((0.97, 0.976), "97.2%")])
def test_percentages_have_the_decimals_that_they_need(limits, said):
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    as_percent(axes, "x")
    axes.set_xlim(*limits)
    figure.draw_without_rendering()
    assert said in [label.get_text() for label in axes.get_xticklabels()]
