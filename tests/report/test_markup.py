"""What pages are put together of."""

from __future__ import annotations

import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from imagist.errors import CorruptImage
from imagist.records import Caption, Failure, LabelSet, Prediction
from imagist.report.markup import bars, document, escaped, failure_row, failures, jpeg, legend, png
from outline import Outline

VILE = "<script>alert('\"&')</script>"


def decoded(address, kind):
    head, _, data = address.partition(",")
    assert head == f"data:image/{kind};base64"
    return Image.open(io.BytesIO(b64decode(data)))


def test_a_document_has_its_title_twice_and_its_parts_in_order():
    html = document(VILE, "<p>before</p>", "<article>within</article>", f"after {VILE}")
    outline = Outline(html)
    assert outline.text.count(VILE) == 3
    assert "".join(outline.text.split(VILE)).split() == ["before", "within", "after"]
    assert not outline.all("script")
    assert [tag for tag, _ in outline.tags if tag in ("header", "main", "article", "footer")] == [
        "header", "main", "article", "footer",
    ]  # fmt: skip
    assert "http" not in html


def test_further_styles_come_after_the_common_one():
    plain, styled = (document("t", "", "", "", styles=of) for of in ((), ("explanation/style.css",)))
    assert len(styled) > len(plain)
    assert styled.startswith(plain.partition("</style>")[0])


@pytest.mark.parametrize(
    ("text", "markup"),
    [("a & b", "a &amp; b"), ("<i>", "&lt;i&gt;"), ("\"'", "&quot;&#x27;"), ("\ud800é", "\\ud800é"), ("", "")],
)
def test_text_is_escaped_and_can_be_written(text, markup):
    assert escaped(text) == markup
    escaped(text).encode("utf-8")


def test_images_are_in_their_addresses():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    np.testing.assert_array_equal(np.asarray(decoded(png(Image.fromarray(pixels)), "png")), pixels)
    grey = Image.new("RGB", (9, 4), (90, 90, 90))
    shown = np.asarray(decoded(jpeg(grey), "jpeg")).astype(int)
    assert shown.shape == (4, 9, 3)
    assert np.abs(shown - 90).max() <= 2


def test_bars_are_of_the_likeliest_and_in_the_colours_of_the_legend():
    labels = LabelSet(("cat", "a <b>", "sky"))
    rows = [np.array(row, np.float32) for row in ((0.1, 0.3, 0.6), (0.25, 0.5, 0.25), (0.05, 0.15, 0.8))]
    said = Prediction("a.jpg", Caption("x", -1.0, ("x",)), labels, *rows)
    outline = Outline(f"<div>{bars(said, 2)}</div>")
    assert "cat" not in outline.text
    assert outline.text.startswith("sky")
    assert "a <b>" in outline.text
    drawn = outline.all("i")
    assert [bar["class"] for bar in drawn] == ["image", "words", "joint"] * 2
    assert [bar["style"] for bar in drawn[:3]] == [
        f"width:{row[2]:.1%}" for row in (said.image_probabilities, said.text_probabilities, said.probabilities)
    ]
    keys = [key["class"].split()[1] for key in Outline(f"<p>{legend()}</p>").all("span")]
    assert keys == ["image", "words", "joint"]


def test_failures_are_counted_and_told_with_their_remedies():
    first = failure_row("<x>.jpg", Failure("<x>.jpg", CorruptImage("torn", item="x", remedy="copy it anew")))
    assert "&lt;x&gt;.jpg" in first
    assert "torn (copy it anew)" in first
    assert CorruptImage("torn").kind in first
    assert failures([], 0) == ""
    assert "Could not be done: 1<" in failures([first], 1)
    assert "Could not be done: 1,200 (the first 1)<" in failures([first], 1200)
    assert first in failures([first], 1)
