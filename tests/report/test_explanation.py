"""Sheets and pages of explanations: all is told, nothing is made more of than there is, all text is escaped."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import quadrants
from imagist.errors import CorruptImage, OutputError
from imagist.explanation import ExplainOptions, deletions, explain, faithfulness
from imagist.records import Caption, Failure, LabelSet, Photo
from imagist.report.explanation import ExplanationPage, explanation_lines, explanation_sheet, faithfulness_lines
from imagist.report.explanation.sentences import change, image_evidence, missing, strength
from imagist.report.explanation.sheet import PANEL, WIDTH, attended_image, evidence_map, tint
from imagist.report.formatting import text_weight
from outline import Outline

OPTIONS = ExplainOptions(grid=4, mass=1.0, moves=2)
TAGS = frozenset(
    (
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "article",
        "section",
        "h1",
        "h2",
        "h3",
    )
) | frozenset(("p", "b", "br", "i", "span", "div", "img", "table", "thead", "tbody", "tr", "th", "td", "code"))
VILE = "<script>alert('\"&')</script>"


def explained(weight=0.25, part=None, photo=None, options=OPTIONS):
    photo = photo or quadrants.image(source="photos/a.png")
    return photo, explain(quadrants.pipeline(weight, part), [photo], options)[0]


def saying(*tokens):
    """A captioner of these words, whatever is seen; where it looked is always the same."""

    class Says(quadrants.Quadrants):
        def caption(self, photos):
            maps = np.full((len(tokens), 2, 3), 1 / 6, np.float32) if tokens else None
            return [Caption(" ".join(tokens), -1.0, tokens, attention=maps) for _ in photos]

    return Says()


def rendered(photo, explanation, source="photos/a.png", faithful=None):
    page = ExplanationPage("Why", model="fake/1")
    page.add(source, photo, explanation)
    return page.render(faithful)


def measured(count=3):
    photos = [quadrants.image(row, column) for row in (0, 1) for column in (0, 1)][:count]
    explanations = explain(quadrants.pipeline(), photos, OPTIONS)
    return faithfulness(explanations, deletions(quadrants.pipeline(), photos, explanations, OPTIONS))


@pytest.mark.parametrize(
    ("drop", "told"), [(0.427, "-42.7"), (-0.006, "+0.6"), (0.0, "0.0"), (-0.0004, "0.0"), (1, "-100.0")]
)
def test_changes_are_in_points_and_nothing_has_no_sign(drop, told):
    assert change(drop) == told


@given(st.floats(-1, 1), st.floats(0, 1))
def test_colours_are_bounded_and_have_the_sign_of_the_drop(drop, largest):
    share = strength(drop, largest)
    assert -1 <= share <= 1
    assert share * drop >= 0
    assert tint(drop, largest)[1] == abs(share)


def test_a_slight_drop_colours_slightly_even_where_it_is_the_largest():
    assert strength(0.001, 0.001) == pytest.approx(0.05)
    assert strength(0.5, 0.5) == 1


@pytest.mark.parametrize(
    ("weight", "told"),
    [(0.0, "image classifier alone decides"), (1.0, "it alone decides"), (0.25, "text classifier has weight 25%")],
)
def test_the_weight_of_the_text_classifier_is_stated(weight, told):
    photo, explanation = explained(weight)
    assert told in text_weight(explanation.weight)
    assert told in Outline(rendered(photo, explanation)).text
    assert any(told in line for line in explanation_lines(explanation))


def test_another_fusion_is_called_so():
    explanation = replace(explained()[1], weight=None)
    assert any("no weighted mean" in line for line in explanation_lines(explanation))


def test_where_no_cell_decides_it_is_said():
    _, explanation = explained()
    assert "No single cell" not in image_evidence(explanation)
    assert "-22.5 to 0.0" in image_evidence(explanation)
    same = np.broadcast_to(explanation.prediction.image_probabilities, explanation.cells.shape)
    assert "No single cell is decisive" in image_evidence(replace(explanation, cells=same))


def test_what_is_missing_is_said():
    assert missing(explained()[1]) is None
    assert "no attention" in missing(explained(part=quadrants.Quadrants(attention=False))[1])
    assert "no content word" in missing(explained(part=saying("the", "a"))[1])


def test_lines_for_a_terminal_tell_the_words_in_order_of_evidence():
    lines = list(explanation_lines(explained()[1]))
    assert lines[0] == "fire 93.8%"
    assert lines[2] == "a red thing lies here"
    words = [line.split()[0] for line in lines[3:7]]
    assert words == ["red", "thing", "lies", "here"]
    assert "left out: text -60.0, fused -15.0" in lines[3]
    assert "image -90.0 (" in lines[3]


def test_lines_of_faithfulness_have_intervals():
    text = "\n".join(faithfulness_lines(measured()))
    assert re.search(r"words, by leaving one out: 0\.\d+, at random 0\.\d+; better by \+0\.\d+ \[\+0", text)
    assert "share of words missing from the new caption: 0.250, elsewhere 0.000" in text
    assert "over 3 images" in text
    assert "no interval of one image" in "\n".join(faithfulness_lines(measured(1)))
    assert list(faithfulness_lines(faithfulness([], []))) == []


def test_an_evidence_map_is_warm_where_it_speaks_for_and_blue_against():
    drops = np.zeros((4, 4))
    drops[0, 0], drops[3, 3] = 0.5, -0.5
    overlay = np.asarray(evidence_map(drops, (80, 40))).astype(int)
    assert overlay.shape == (40, 80, 4)
    assert overlay[2, 4, 0] > 200 > overlay[2, 4, 2]
    assert overlay[-3, -5, 2] > 200 > overlay[-3, -5, 0]
    assert overlay[2, -5, :3].max() < 60


def test_an_evidence_map_makes_little_of_little():
    slight = np.asarray(evidence_map(np.full((4, 4), 0.001), (8, 8)))
    nothing = np.asarray(evidence_map(np.zeros((4, 4)), (8, 8)))
    strong = np.asarray(evidence_map(np.full((4, 4), 0.1), (8, 8)))
    assert np.abs(slight.astype(int) - nothing).max() < 30
    assert np.abs(strong.astype(int) - nothing).max() > 150


def test_the_region_has_a_line_around_it():
    cells = np.zeros((4, 4), bool)
    cells[1:3, 1:3] = True
    attention = np.full((4, 4), 1 / 16, np.float32)
    grey = Image.new("RGB", (80, 80), (90, 90, 90))
    white = (np.asarray(attended_image(grey, attention, cells)) == 255).all(2)
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((20, 59, 20, 59), abs=2)
    assert not white[30:50, 30:50].any()


def test_outside_of_its_region_a_panel_is_dark():
    cells = np.zeros((4, 4), bool)
    cells[1:3, 1:3] = True
    drawn = attended_image(Image.new("RGB", (80, 80), (90, 90, 90)), np.full((4, 4), 1 / 16, np.float32), cells)
    inner, outer = (np.array(drawn.getpixel(place)) for place in ((40, 40), (8, 8)))
    np.testing.assert_allclose(outer, inner / 2, atol=1)


def test_the_sheet_has_a_fixed_width_and_a_panel_a_word():
    photo, explanation = explained()
    sheet = explanation_sheet(photo, explanation)
    without = explanation_sheet(*explained(part=quadrants.Quadrants(attention=False)))
    assert sheet.mode == "RGB"
    assert sheet.width == without.width == WIDTH + 28
    assert without.height + PANEL < sheet.height < 1400
    assert (sheet.width, sheet.height) == explanation_sheet(photo, explanation).size


def test_the_sheet_shows_the_photo_and_the_quadrant():
    photo, explanation = explained()
    pixels = np.asarray(explanation_sheet(photo, explanation)).astype(int)
    assert ((pixels - (250, 10, 10)) ** 2).sum(2).min() < 300
    assert ((pixels - (200, 116, 42)) ** 2).sum(2).min() == 0  # the bar of "red"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_any_shape_of_photo_can_be_drawn(size):
    _, explanation = explained()
    photo = Photo(np.full((*size, 3), 90, np.uint8))
    assert min(explanation_sheet(photo, explanation).size) > 100
    Outline(rendered(photo, explanation))


def test_a_card_tells_the_words_the_regions_and_the_image():
    outline = Outline(rendered(*explained()))
    for told in ("fire 93.8%", "The caption", "-60.0", "-15.0", "a grey thing lies here", "4 of 16 cells", "The image"):
        assert told in outline.text, told
    assert len(outline.all("img")) == 1 + 4 + 1
    assert next(a["style"] for a in outline.all("span") if "rgba" in a.get("style", "")).endswith("0.70)")
    assert len(outline.all("article")) == 1


def test_where_the_words_disagree_both_verdicts_have_their_columns():
    photo, explanation = explained(weight=0.0, part=saying("a", "thing"))
    assert explanation.prediction.text_label == "stone"
    text = Outline(rendered(photo, explanation)).text
    assert "change of fire, text classifier" in text
    assert "change of stone, text classifier" in text
    assert "change of stone" not in Outline(rendered(*explained())).text
    assert explanation_sheet(photo, explanation).height > 0


def test_attributions_have_a_column():
    text = Outline(rendered(*explained(part=quadrants.Accounting()))).text
    assert "attribution to fire" in text
    assert "+0.600" in text
    assert "attribution" not in Outline(rendered(*explained())).text


def test_without_attention_there_are_no_panels_and_it_is_said():
    outline = Outline(rendered(*explained(part=quadrants.Quadrants(attention=False))))
    assert len(outline.all("img")) == 2
    assert "has no attention" in outline.text
    assert "region hidden" not in outline.text


def test_a_caption_without_words_has_a_card():
    outline = Outline(
        rendered(
            *explained(
                part=saying(
                    "the",
                )
            )
        )
    )
    assert "no content word" in outline.text


def test_faithfulness_has_its_section_with_curves():
    photo, explanation = explained()
    html = rendered(photo, explanation, faithful=measured())
    outline = Outline(html)
    assert len(outline.all("svg")) == 3
    assert len(outline.all("polyline")) == 6
    points = outline.all("polyline")[0]["points"].split()
    assert len(points) == 11
    assert points[0].split(",")[0] == "0.0"
    assert points[-1].split(",")[0] == "100.0"
    assert "Faithfulness of these explanations" in outline.text
    assert "Faithfulness of" not in rendered(photo, explanation)


def test_images_in_the_page_are_bounded():
    photo = Photo(np.full((1200, 300, 3), 90, np.uint8))
    html = rendered(photo, explained()[1])
    found = re.findall(r"data:image/\w+;base64,([\w+/=]+)", html)
    assert max(max(Image.open(io.BytesIO(b64decode(data))).size) for data in found) == 480


def test_the_page_loads_nothing_and_runs_nothing():
    html = rendered(*explained(), faithful=measured())
    outline = Outline(html)
    assert {tag for tag, _ in outline.tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    assert all(attrs["src"].startswith("data:") for attrs in outline.all("img"))
    assert all(not name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert "url(" not in html
    assert "@import" not in html


@given(st.text(min_size=1).filter(str.strip))
@settings(max_examples=25)
def test_whatever_stands_in_the_text_is_escaped_and_the_page_well_formed(text):
    part = saying(*text.split()[:6])
    part.labels = LabelSet((text, f"not {text}"))
    own = quadrants.pipeline(part=part)
    photo = quadrants.image(source=text)
    page = ExplanationPage(text, model=text)
    page.add(text, photo, explain(own, [photo], ExplainOptions(grid=1, moves=1))[0])
    page.add(text, None, Failure(text, CorruptImage(text, remedy=text)))
    outline = Outline(page.render())
    assert {tag for tag, _ in outline.tags} <= TAGS


def test_markup_in_captions_labels_and_names_is_text():
    part = saying("a", VILE)
    part.labels = LabelSet((VILE, "stone"))
    own = quadrants.pipeline(part=part)
    photo = quadrants.image(source=VILE)
    explanation = explain(own, [photo], ExplainOptions(grid=1, moves=1))[0]
    html = rendered(photo, explanation, source=VILE)
    assert "<script" not in html
    assert Outline(html).text.count(VILE) >= 6
    assert explanation_sheet(photo, explanation).width > 0


def test_failures_have_their_section_and_beyond_the_cap_all_are_counted():
    page = ExplanationPage("t", model="m", shown=2)
    photo, explanation = explained()
    for n in range(3):
        page.add(f"{n}.jpg", photo, explanation)
        page.add(f"bad{n}.jpg", None, Failure("x", CorruptImage("is cut short", remedy="fetch it again")))
    text = Outline(page.render()).text
    assert "Shown are the first 2 of 3." in text
    assert "Failed inputs: 3 (the first 2)" in text
    assert "is cut short (fetch it again)" in text
    assert "2.jpg" not in text
    assert "Failed inputs" not in rendered(photo, explanation)


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    page = ExplanationPage("t", model="m")
    with pytest.raises(OutputError):
        page.write(tmp_path / "nowhere" / "x.html")
    page.write(tmp_path / "x.html")
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]
