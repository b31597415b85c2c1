"""The shell of all pages: one style, escaped text, data URLs, and macros that pages share."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from base64 import b64decode
from importlib.resources import files

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from imagist.errors import CorruptImage
from imagist.records import Caption, Failure, LabelSet, Prediction
from imagist.report.shell import FailedInput, bars, jpeg, png, render, render_page
from outline import Outline

VILE = "<script>alert('\"&')</script>"
EMPTY = {"maker": "imagist", "done": 0, "earlier": 0, "failed": 0, "weight": 0.5, "weight_line": ""} | {
    name: [] for name in ("cards", "facts", "labels", "failures")
}


def page(**values):
    return render_page("run.html", **EMPTY | {"title": "t"} | values)


def decoded(url, kind):
    head, _, data = url.partition(",")
    assert head == f"data:image/{kind};base64"
    return Image.open(io.BytesIO(b64decode(data)))


def test_a_page_has_its_title_twice_and_its_parts_in_order():
    html = page(title=VILE, maker=VILE)
    outline = Outline(html)
    assert outline.text.count(VILE) == 3
    assert not outline.all("script")
    assert [tag for tag, _ in outline.tags if tag in ("header", "main", "footer")] == ["header", "main", "footer"]
    assert html.startswith("<!doctype html>\n")
    assert "http" not in html


@pytest.mark.parametrize(
    ("text", "markup"),
    [("a & b", "a &amp; b"), ("<i>", "&lt;i&gt;"), ("\"'", "&#34;&#39;"), ("\ud800é", "\\ud800é"), ("", "")],
)
def test_text_is_escaped_and_can_be_written(text, markup):
    html = page(title=text)
    assert f"<h1>{markup}</h1>" in html
    html.encode("utf-8")


def test_markup_of_another_template_is_not_escaped_again():
    of = {"prediction": prediction(), "top": 1, "weight": None, "image": "data:,", "panels": []}
    card = render("run_card.html", source="<i>", **of)
    assert card in page(cards=[card])
    assert "&lt;i&gt;" in card


def test_a_variable_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="title"):
        render_page("run.html", **EMPTY)


def test_the_style_is_whole():
    style = files("imagist.report").joinpath("templates/style.css").read_text("utf-8")
    assert style.count("{") == style.count("}")
    used, defined = set(re.findall(r"var\((--\w+)", style)), set(re.findall(r"(--\w+):", style))
    assert used - defined == {"--photo", "--w", "--h", "--width"}


def test_images_are_in_their_urls():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    np.testing.assert_array_equal(np.asarray(decoded(png(Image.fromarray(pixels)), "png")), pixels)
    shown = np.asarray(decoded(jpeg(Image.new("RGB", (9, 4), (90, 90, 90))), "jpeg")).astype(int)
    assert shown.shape == (4, 9, 3)
    assert np.abs(shown - 90).max() <= 2


def prediction():
    labels = LabelSet(("cat", "a <b>", "sky"))
    rows = [np.array(row, np.float32) for row in ((0.1, 0.3, 0.6), (0.25, 0.5, 0.25), (0.05, 0.15, 0.8))]
    return Prediction("a.jpg", Caption("x", -1.0, ("x",)), labels, *rows)


def test_bars_are_of_the_most_probable_and_in_the_colours_of_the_legend():
    of = prediction()
    outline = Outline(
        str(render("run_card.html", source="s", prediction=of, top=2, weight=None, image="data:,", panels=[]))
    )
    heads = outline.text[outline.text.index("sky") :]
    assert "a <b>" in heads
    drawn = outline.all("i")
    assert [bar["class"] for bar in drawn] == ["image", "text", "joint"] * 2
    assert [bar["style"] for bar in drawn[:3]] == [
        f"width:{row[2]:.1%}" for row in (of.image_probabilities, of.text_probabilities, of.probabilities)
    ]
    keys = [key["class"].split()[1] for key in Outline(page()).all("span")]
    assert keys == [colour for colour, _, _ in bars(None)] == ["image", "text", "joint"]


def test_failures_are_counted_and_shown_with_their_remedies():
    first = FailedInput.of("<x>.jpg", Failure("<x>.jpg", CorruptImage("torn", item="x", remedy="copy it anew")))
    assert first == ("<x>.jpg", CorruptImage("torn").kind, "torn (copy it anew)")
    assert "Failed inputs" not in page()
    html = page(failures=[first], failed=1)
    assert "&lt;x&gt;.jpg" in html
    assert "torn (copy it anew)" in html
    assert "Failed inputs: 1<" in html
    assert "Failed inputs: 1,200 (the first 1)<" in page(failures=[first], failed=1200)


def test_jinja_is_loaded_for_pages_alone():
    code = (
        "import sys, imagist.report.run_page, imagist.report.explanation, imagist.report.study.page\n"
        "assert 'jinja2' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
