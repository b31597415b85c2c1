"""The page of a study stands alone, escapes all text, and keeps to its budget."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import chart_samples as made
from imagist.errors import OutputError, UsageError
from imagist.report.charts.examples import IMAGE, Example, ExamplePrediction
from imagist.report.formatting import plain
from imagist.report.study.page import Listing, Panel, Plot, Section, embedded, write_page
from imagist.report.tables import Table
from outline import Outline

VILE = "<script>alert('\"&')</script>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="360pt" height="90pt"><text>drawn</text></svg>'


def plot(folder, name="a", svg=SVG, png=b"x" * 30):
    (folder / f"{name}.svg").write_text(svg)
    (folder / f"{name}.png").write_bytes(png)
    return folder / name


@pytest.fixture
def html(tmp_path):
    sections = [
        Section("How it went", ("A paragraph.", Plot(plot(tmp_path), "Accuracy by epoch."), Table(("a",), (("x",),)))),
        Section("Who said what", (Panel((made.example(),)), Listing("[study]\n  folds = 5\n"))),
    ]
    write_page(tmp_path / "page.html", "captions-tell", sections, lead="Why?", facts=[("97.6%", "best accuracy")])
    return (tmp_path / "page.html").read_text("utf-8")


def test_the_page_has_all_its_parts(html):
    outline = Outline(html)
    for said in ("captions-tell", "Why?", "97.6%", "best accuracy", "A paragraph.", "Accuracy by epoch.", "label"):
        assert said in outline.text or said in html
    assert "[study]\n  folds = 5" in outline.text
    assert [attrs["src"].split(",")[0] for attrs in outline.all("img")] == [
        "data:image/svg+xml;base64", "data:image/jpeg;base64",
    ]  # fmt: skip
    drawn = outline.all("img")[0]
    assert b64decode(drawn["src"].split(",")[1]).decode() == SVG
    assert drawn["alt"] == "Accuracy by epoch."
    assert drawn["style"] == "--width:552px"


def test_the_contents_lead_to_the_sections(html):
    outline = Outline(html)
    assert [attrs["href"] for attrs in outline.all("a")] == ["#s1", "#s2"]
    assert [attrs["id"] for attrs in outline.all("section")] == ["s1", "s2"]
    assert outline.text.count("How it went") == 2


def test_the_page_loads_nothing_and_runs_nothing(html):
    outline = Outline(html)
    assert {tag for tag, _ in outline.tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    assert all(attrs["src"].startswith("data:") for attrs in outline.all("img"))
    assert all(not name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert "@import" not in html
    assert "http" not in html
    assert set(re.findall(r"url\(([^)]*)", html)) <= {"var(--photo)"}


def test_it_is_legible_on_phones_in_the_dark_and_on_paper(html):
    assert 'name="viewport"' in html
    for query in ("prefers-color-scheme: dark", "max-width: 680px", "@media print"):
        assert query in html


@settings(max_examples=20)
@given(st.text(st.characters(codec=None), max_size=30))
def test_any_text_gives_a_whole_page(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("page")
    shown = Example(text, np.zeros((2, 2, 3), np.uint8), text, (ExamplePrediction(text, text, True, 0.5, text),))
    parts = (text, Table((text,), ((text,),), text), Plot(plot(folder), text), Panel((shown,)), Listing(text))
    write_page(folder / "p.html", text, [Section(text, parts)], lead=text, facts=[(text, text)])
    outline = Outline((folder / "p.html").read_text("utf-8"))
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("section") == 1
    assert tags.count("img") == 2
    assert outline.all("img")[0]["alt"] == plain(text)
    assert outline.text.count(plain(text)) >= 14 or not plain(text)


def test_markup_in_text_stays_text(tmp_path):
    write_page(tmp_path / "p.html", VILE, [Section(VILE, (VILE, Listing(VILE), Panel((made.example(VILE),))))])
    html = (tmp_path / "p.html").read_text("utf-8")
    assert "<script" not in html
    assert Outline(html).text.count(VILE) >= 6


def examples_page(folder, *examples):
    write_page(folder / "p.html", "t", [Section("s", (Panel(examples),))])
    return (folder / "p.html").read_text("utf-8")


def test_predictions_are_marked_by_sign_and_by_word(tmp_path):
    outline = Outline(examples_page(tmp_path, made.example(systems=2)))
    assert [attrs["class"] for attrs in outline.all("li") if "class" in attrs] == ["right", "wrong"]
    assert [attrs["aria-label"] for attrs in outline.all("span") if "aria-label" in attrs] == ["correct", "wrong"]
    assert "✔ dog 97%" in outline.text
    assert "✘ cat 51%" in outline.text
    assert outline.text.count("a dog runs through the grass") == 1


def test_images_on_cards_are_of_bounded_size(tmp_path):
    html = examples_page(tmp_path, made.example(size=(900, 600)))
    content = b64decode(re.search(r"base64,([\w+/=]+)", html)[1])
    assert Image.open(io.BytesIO(content)).size == (IMAGE * 600 // 900, IMAGE)


def test_over_budget_those_that_save_most_turn_to_png(tmp_path):
    heavy = plot(tmp_path, "heavy", SVG + " " * 9000)
    middling = plot(tmp_path, "middling", SVG + " " * 3000)
    worse_as_png = plot(tmp_path, "photo", SVG, b"x" * 5000)
    stems = [heavy, middling, worse_as_png]
    kinds = {}
    for budget in (20_000, 10_000, 1_000, 0):
        sources = embedded(stems, budget)
        kinds[budget] = "".join("S" if sources[stem].startswith("data:image/svg") else "P" for stem in stems)
    assert kinds == {20_000: "SSS", 10_000: "PSS", 1_000: "PPS", 0: "PPS"}
    assert b64decode(embedded(stems, 0)[heavy].split(",")[1]) == b"x" * 30


def test_figures_that_were_not_drawn_are_all_named(tmp_path):
    sections = [Section("a", (Plot(tmp_path / "one", ""), Plot(tmp_path / "two", "")))]
    with pytest.raises(UsageError, match=r"one\.svg.*two\.png.*draw them"):
        write_page(tmp_path / "p.html", "t", sections)
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError):
        write_page(tmp_path / "no" / "p.html", "t", [])
    assert not list(tmp_path.iterdir())


def test_an_empty_study_is_a_page_and_equal_studies_are_equal_pages(tmp_path):
    for name in "ab":
        write_page(tmp_path / f"{name}.html", "t", [])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert Outline((tmp_path / "a.html").read_text("utf-8")).all("ol")
