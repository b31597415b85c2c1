from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from imagist.errors import CorruptImage, OutputError
from imagist.records import Caption, Failure, LabelSet, Photo, Prediction
from imagist.report.run_page import IMAGE, RunPage
from outline import Outline

LABELS = LabelSet(("cat", "dog", "food", "sky"))
VILE = "<script>alert('\"&')</script>"


def row(*values):
    return np.array(values, np.float32)


def photo(width=800, height=600):
    return Photo(np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8))


def prediction(words="a cat", abstained=False, labels=LABELS, attention=True):
    tokens = tuple(words.split())
    maps = np.full((len(tokens), 7, 7), 1 / 49, np.float32) if attention else None
    caption = Caption(words, -1.0, tokens, attention=maps)
    scores = row(0.6, 0.3, 0.06, 0.04), row(0.2, 0.7, 0.05, 0.05), row(0.8, 0.1, 0.05, 0.05)
    return Prediction("a.jpg", caption, labels, *scores, abstained)


@pytest.fixture
def page():
    return RunPage("Captions and categories", model="fake/1")


def images(html):
    return [Image.open(io.BytesIO(b64decode(data))) for data in re.findall(r"data:image/\w+;base64,([\w+/=]+)", html)]


def test_a_card_has_the_image_the_words_the_verdict_and_three_bars_a_category(page):
    page.add("photos/a.jpg", photo(), prediction())
    html = page.render()
    outline = Outline(html)
    assert "a cat" in outline.text
    assert "cat 60%" in outline.text
    assert "image classifier: dog" in outline.text
    assert "text classifier: cat" in outline.text
    assert "photos/a.jpg" in outline.text
    widths = [attrs["style"] for attrs in outline.all("i")]
    assert widths[:3] == ["width:20.0%", "width:80.0%", "width:60.0%"]
    assert len(widths) == 3 * 3
    assert "fake/1" in outline.text


@pytest.mark.parametrize(
    ("weight", "widths", "says"),
    [
        (0.0, ["60.0%", "80.0%"], "image classifier, which decides alone"),
        (1.0, ["20.0%", "60.0%"], "text classifier, which decides alone"),
        (0.3, ["20.0%", "80.0%", "60.0%"], "The text classifier has weight 30%, the image classifier 70%."),
    ],
)
def test_a_classifier_that_decides_alone_and_the_fused_are_one_bar(weight, widths, says):
    page = RunPage("t", model="m", weight=weight, top=1)
    page.add("a.jpg", photo(), prediction(attention=False))
    outline = Outline(page.render())
    assert [attrs["style"] for attrs in outline.all("i")] == [f"width:{width}" for width in widths]
    assert says in outline.text
    assert ("probabilities are fused" in outline.text) == (weight == 0.3)


def test_each_word_has_its_panel_over_one_copy_of_the_photo(page):
    page.add("a.jpg", photo(), prediction("a cat on a mat"))
    html = page.render()
    assert len(re.findall("data:image/png", html)) == 5
    assert len(re.findall("data:image/jpeg", html)) == 2
    assert html.count("--photo:url(") == 1


def test_images_are_of_bounded_size_and_keep_their_shape(page):
    page.add("a.jpg", photo(2000, 500), prediction())
    biggest = max((image.size for image in images(page.render())), key=max)
    assert biggest == (IMAGE, IMAGE // 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_any_shape_of_photo_has_a_card(page, size):
    page.add("a.jpg", photo(*size), prediction())
    assert all(min(image.size) >= 1 for image in images(page.render()))


def test_without_attention_there_is_no_strip(page):
    page.add("a.jpg", photo(), prediction(attention=False))
    assert not Outline(page.render()).all("ol")


def test_the_page_loads_nothing_and_runs_nothing(page):
    page.add("https://example.com/a.jpg", photo(), prediction())
    html = page.render()
    outline = Outline(html)
    assert {tag for tag, _ in outline.tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    assert all(attrs["src"].startswith("data:") for attrs in outline.all("img"))
    assert all(not name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert set(re.findall(r"url\((\w+):", html)) == {"data"}
    assert "@import" not in html


def test_whatever_stands_in_the_text_is_escaped():
    page = RunPage(VILE, model=VILE)
    labels = LabelSet((VILE, "dog", "food", "sky"))
    page.add(VILE, photo(), prediction(VILE, labels=labels))
    page.add(VILE, None, Failure(VILE, CorruptImage(VILE, remedy=VILE)))
    html = page.render()
    assert "<script" not in html
    outline = Outline(html)
    assert outline.text.count(VILE) >= 8
    assert outline.all("img")[0]["alt"] == VILE


def test_names_that_are_not_utf8_can_be_written(page, tmp_path):
    page.add("caf\udce9.jpg", photo(), prediction())
    page.write(tmp_path / "r.html")
    assert "caf\\udce9.jpg" in (tmp_path / "r.html").read_text("utf-8")


def test_failures_have_their_section(page):
    page.add("bad.jpg", None, Failure("bad.jpg", CorruptImage("is cut short", remedy="fetch it again")))
    text = Outline(page.render()).text
    assert "Failed inputs: 1" in text
    assert "corrupt_image" in text
    assert "is cut short (fetch it again)" in text


def test_without_failures_there_is_no_such_section(page):
    page.add("a.jpg", photo(), prediction())
    assert "Failed inputs" not in page.render()


def test_beyond_the_cap_inputs_are_counted_and_the_page_says_so():
    page = RunPage("t", model="m", shown=2)
    for n in range(5):
        page.add(f"{n}.jpg", photo(8, 8), prediction())
        page.add(f"bad{n}.jpg", None, Failure("x", CorruptImage("is cut short")))
    text = Outline(page.render()).text
    assert "Shown are the first 2 of 5." in text
    assert "Failed inputs: 5 (the first 2)" in text
    assert "1.jpg" in text
    assert "2.jpg" not in text
    assert "cat 5" in text


def test_a_resumed_run_says_what_is_missing(page):
    page.add("a.jpg", photo(), prediction())
    assert "The 1,200 inputs done before" in page.render(earlier=1200)
    assert "inputs done before" not in page.render()


def test_who_abstains_is_undecided_and_counted_so(page):
    page.add("a.jpg", photo(), prediction(abstained=True))
    text = Outline(page.render()).text
    assert "undecided; most probable: cat 60%" in text
    assert "undecided 1" in text


def test_top_decides_how_many_categories_have_bars():
    page = RunPage("t", model="m", top=2)
    page.add("a.jpg", photo(), prediction())
    assert len(Outline(page.render()).all("i")) == 2 * 3


def test_an_empty_page_is_a_page(page):
    assert "0" in Outline(page.render()).text


def test_it_is_legible_on_phones_and_in_the_dark(page):
    html = page.render()
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html
    assert "max-width: 680px" in html


def test_a_page_that_cannot_be_written_leaves_nothing(page, tmp_path):
    with pytest.raises(OutputError):
        page.write(tmp_path / "nowhere" / "r.html")
    (tmp_path / "r.html").write_text("before")
    page.write(tmp_path / "r.html")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
