from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from imagist.profiles import Posts, profile
from imagist.report.profiles import board_page, write_board

VILE = '<b>"x"\'</b>'


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    path = tmp_path_factory.mktemp("board") / "board.html"
    rows = np.array([[0.9, 0.05, 0.05]] * 12 + [[0.05, 0.9, 0.05]] * 8)
    posts = Posts(
        ("ann",) * 12 + (VILE,) * 8, rows, ("food", "cat", "sky"), times=np.arange(20.0), captions=("a pie",) * 20
    )
    write_board(path, profile(posts), posts, order="how surely food")
    return path


def test_each_account_is_a_card_with_intervals_and_all_text_is_escaped(board):
    page = board.read_text("utf-8")
    assert page.count("<article") == 2
    assert page.count('class="span"') == 12
    assert page.count('class="account-page"') == 2
    assert page.count("<polyline") == 1  # of twelve posts a curve, of eight none
    assert "how surely food" in page
    assert VILE not in page
    assert "12 posts" in page
    assert "a pie" in page
    assert "http" not in page.split("<style>")[0]
    assert "src=" not in page


def test_typical_posts_are_of_the_leading_category_and_others_the_least_typical():
    rows = np.array([[0.98, 0.01, 0.01]] * 6 + [[0.01, 0.98, 0.01]] * 3)
    captions = tuple(["a pie"] * 6 + ["a cat"] * 3)
    posts = Posts(("ann",) * 9, rows, ("food", "cat", "sky"), captions=captions)
    page = board_page(profile(posts), posts).partition("Most typical posts")[2]
    typical, _, untypical = page.partition("Least typical posts")
    assert [part.count("a pie") for part in (typical, untypical)] == [6, 0]
    assert [part.count("a cat") for part in (typical, untypical)] == [0, 3]


def test_pictures_are_read_only_where_that_is_allowed(tmp_path):
    Image.new("RGB", (50, 30), (200, 60, 40)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    sources = tuple(str(tmp_path / name) for name in ("a.png", "b.png", "c.png"))
    posts = Posts(("ann",) * 3, np.array([[0.9, 0.1]] * 3), ("food", "cat"), sources=sources)
    found = profile(posts)
    assert board_page(found, posts).count("<img") == 0
    page = board_page(found, posts, pictures=True)
    assert page.count('<img src="data:image/jpeg;base64,') == page.count("<img") == 1


def test_sorting_and_filtering_work_in_a_browser(board):
    sync = pytest.importorskip("playwright.sync_api")
    browser_path = shutil.which("chromium")
    if browser_path is None:
        pytest.skip("no chromium")
    with sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 900})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(board.as_uri())
        first = page.locator(".account:visible h2").first
        assert first.text_content() == "ann"
        page.select_option("[name=order]", "c1")
        assert first.text_content() == VILE
        page.select_option("[name=category]", "food")
        assert page.locator(".account:visible").count() == 1
        assert page.locator("output").inner_text() == "1 of 2 accounts"
        page.fill("[name=text]", "nobody")
        assert page.locator(".account:visible").count() == 0
        page.fill("[name=text]", "")
        page.locator(".account:visible a").first.click()
        assert page.locator(".account-page:visible h2").all_inner_texts() == ["ann"]
        assert page.locator(".board:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator(".account-page:visible a").first.click()
        assert page.locator(".account-page:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert problems == []
        browser.close()
