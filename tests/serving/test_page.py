"""The page, in a browser, over a service whose model is fake."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
import threading
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
import uvicorn
from PIL import Image

import fake_service
from imagist.serving.keys import add_key

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # pipes of the browser's driver
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Served:
    """A server in a thread."""

    def __init__(self, app):
        config = uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}/"

    def close(self):
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def url():
    made = Served(fake_service.app(fake_service.model(matcher=fake_service.ByLength()), page=True))
    yield made.url
    made.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def open_page(browser):
    """Opens a page with a size and a colour scheme; fails on anything that its console complains about."""
    contexts, faults = [], []

    def open_(url, width=1280, scheme="light", path=""):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console", lambda m: faults.append(m.text) if m.type == "error" and "status of 4" not in m.text else None
        )
        page.on("request", lambda r: faults.append(r.url) if not r.url.startswith((url, "blob:", "data:")) else None)
        page.add_init_script("""window.sent = []; const append = FormData.prototype.append;
            FormData.prototype.append = function (...given) { window.sent.push(given); append.apply(this, given); };""")
        page.goto(f"{url}{path}")
        ready = "document.querySelector('#taxonomy').children.length > 0 || !document.querySelector('#key').hidden"
        until(page, "document.readyState === 'complete'" if path else ready)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page, url):
    return open_page(url)


def upload(page, *contents):
    named = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": content} for n, content in enumerate(contents)]
    page.set_input_files("#files", named)
    done(page)


def sent(page, name):
    """The value of a field of the form that was sent last with such a field."""
    return page.evaluate("name => window.sent.filter(([each]) => each === name).at(-1)[1]", name)


def done(page):
    until(page, "document.querySelectorAll('article').length && !document.querySelector('[aria-busy=true]')")


def until(page, condition):
    """Waits for a condition in JavaScript. The page's policy allows none of the browser's own ways to."""
    ends = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < ends, condition
        page.wait_for_timeout(20)


def captions(page):
    return [text.strip() for text in page.locator(".caption").all_inner_texts()]


def drawn(page):
    """Whether anything lies over the first image."""
    script = """canvas => canvas.width > 0 && canvas.height > 0
        && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0)"""
    return page.locator("canvas").first.evaluate(script)


TRANSFER = """(kind, content) => {
    const data = new DataTransfer();
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
    data.items.add(new File([bytes], 'given.png', {type: 'image/png'}));
    const event = kind === 'paste' ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true})
        : new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
    document.body.dispatchEvent(event);
}"""


def test_images_are_uploaded_and_shown(page):
    upload(page, fake_service.image(10), fake_service.image(20))
    assert sorted(text.split()[-1] for text in captions(page)) == ["10", "20"]
    assert page.locator("#status").inner_text() == "2 images"
    page.click("#clear")
    assert page.locator("article").count() == 0


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_images_are_pasted_and_dropped(page, kind):
    content = base64.b64encode(fake_service.image(77)).decode()
    page.evaluate(f"([kind, content]) => ({TRANSFER})(kind, content)", [kind, content])
    done(page)
    assert captions(page)[0].endswith(" 77")


def test_a_word_lights_where_it_comes_from(page):
    upload(page, fake_service.image())
    assert not drawn(page)
    page.locator(".word", has_text="dog").hover()
    assert drawn(page)
    page.locator("h1").hover()
    assert not drawn(page)


def test_the_slider_fuses_anew(page, url):
    upload(page, fake_service.image())
    sent = {"files": fake_service.files(fake_service.image()), "data": {"weight": "0.5"}}
    (record,) = httpx2.post(f"{url}v1/classify", **sent).json()["results"]
    numbers = {}
    for weight in ("0", "0.5", "1"):
        page.locator("input[type=range]").fill(weight)
        rows = page.locator(".bars tr").all_inner_texts()
        numbers[weight] = {row.split()[0]: row.split()[-1] for row in rows}
    assert len({json.dumps(each) for each in numbers.values()}) == 3
    expected = {name: f"{100 * p:.1f}%" for name, p in record["probabilities"].items()}  # as the service fuses them
    assert numbers["0.5"] == expected


def test_a_region_is_drawn_and_asked_about(page):
    upload(page, fake_service.image(size=(400, 300)))
    page.get_by_text("Ask about a part").click()
    area = page.locator("figure").bounding_box()
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.8 * area["height"])
    page.mouse.up()
    page.locator("blockquote", has_text="This part: a white dog").wait_for()
    assert [float(edge) for edge in sent(page, "region").split(",")] == pytest.approx([0.1, 0.2, 0.5, 0.8], abs=0.02)
    assert drawn(page)


def test_labels_of_ones_own_are_used_at_once(page):
    upload(page, fake_service.image())
    page.fill("#labels", "temple, beach")
    page.press("#labels", "Enter")
    page.locator(".bars th", has_text="temple").wait_for()
    done(page)
    assert {row.split()[0] for row in page.locator(".bars tr").all_inner_texts()} == {"temple", "beach"}
    page.evaluate("document.querySelector('#taxonomy').dispatchEvent(new Event('change'))")
    done(page)
    assert page.locator("#labels").input_value() == ""
    assert page.locator(".bars th", has_text="temple").count() == 0


def test_another_language(page):
    upload(page, fake_service.image())
    page.select_option("#language", "de")
    page.locator(".caption", has_text="de 200").wait_for()
    done(page)


def test_buttons_ask_for_more_detail_and_for_reasons(page):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)).save(file, "png")
    upload(page, file.getvalue())
    page.get_by_text("Tell me more").click()
    page.locator(".description").wait_for()
    assert page.locator(".description").inner_text().rstrip(".").lower() not in captions(page)
    page.get_by_text("Why?").click()
    page.get_by_text("points without it").first.wait_for()
    page.get_by_text("Show what the image classifier looks at").hover()
    assert drawn(page)
    page.get_by_text("Other captions").click()
    until(page, "document.querySelectorAll('details ol li').length === 4")


def test_a_description_that_adds_nothing_is_not_shown_as_more(page):
    upload(page, fake_service.image())
    answer = {"results": [{"description": f"{captions(page)[0].capitalize()}."}]}
    page.route("**/v1/describe", lambda route: route.fulfill(json=answer))
    page.get_by_text("Tell me more").click()
    page.get_by_text("It is sure of nothing else.").wait_for()
    assert page.locator(".description").count() == 0
    assert page.get_by_text("Tell me even more").is_disabled()


def test_the_last_question_wins(page, url):
    """An answer to an earlier one that comes later is dropped, and a card begins anew with its description."""
    upload(page, fake_service.image())
    page.get_by_text("Tell me more").click()
    page.get_by_text("Tell me even more").wait_for()
    page.route("**/v1/classify", lambda route: (page.wait_for_timeout(300), route.continue_()), times=1)
    page.evaluate("""() => { const submit = (text) => { document.querySelector('#labels').value = text;
        document.querySelector('#own').requestSubmit(); }; submit('temple, beach'); submit('tree, house'); }""")
    done(page)
    page.wait_for_timeout(500)
    assert {row.split()[0] for row in page.locator(".bars tr").all_inner_texts()} == {"tree", "house"}
    assert page.get_by_text("Tell me more").is_enabled()


def test_a_tall_image_keeps_its_shape(page):
    upload(page, fake_service.image(size=(30, 90)))
    box = page.locator("article img").bounding_box()
    assert box["height"] == pytest.approx(3 * box["width"], abs=2)
    assert box["height"] <= 521
    frame = page.locator("article canvas").bounding_box()
    assert [frame[side] for side in ("x", "width")] == pytest.approx([box[side] for side in ("x", "width")])


def test_an_image_without_preview_has_no_parts_to_draw(page):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (9, 90, 30)).save(file, "tiff")
    upload(page, file.getvalue())
    page.get_by_text("No preview").wait_for()
    assert captions(page)
    assert page.get_by_text("Ask about a part").count() == 0


def test_phrases_that_fit(page):
    upload(page, fake_service.image())
    page.get_by_role("button", name="Phrases").click()
    page.locator("details ul li").first.wait_for()


def test_a_failed_image_says_why_in_its_place(page):
    upload(page, fake_service.image(), b"hello", fake_service.image(5))
    assert page.locator("article").count() == 3
    failed = page.locator("article.bad")
    assert failed.count() == 1
    assert "not an image in a format that is decoded" in failed.inner_text()
    assert "No preview" in failed.inner_text()


def test_the_table_is_filtered_sorted_and_downloaded(page, tmp_path):
    upload(page, fake_service.image(10), fake_service.image(20), b"hello")
    page.click("#as-table")
    rows = page.locator("#table tbody tr")
    assert rows.count() == 3
    page.get_by_role("button", name="Caption").click()
    page.get_by_role("button", name="Caption").click()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Caption")
    assert "20" in rows.nth(0).inner_text()
    for kind, name in (("CSV", "imagist.csv"), ("JSONL", "imagist.jsonl")):
        with page.expect_download() as download:
            page.get_by_text(f"Download {kind}").click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
    records = [json.loads(line) for line in (tmp_path / "imagist.jsonl").read_text("utf-8").splitlines()]
    assert [record["error_kind"] for record in records] == [None, None, "unknown_format"]
    with (tmp_path / "imagist.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["caption"] for row in table] == [record["caption"] or "" for record in records]
    assert json.loads(table[0]["probabilities"]) == records[0]["probabilities"]
    for text, count in (("street 10", 1), ("not an image", 1), ("probabilities", 0)):
        page.fill("#table input[type=search]", text)
        assert rows.count() == count


def test_it_works_by_keyboard_alone(page, open_page, url):
    samples = page.locator("#samples button")
    if samples.count():
        samples.first.focus()
        page.keyboard.press("Enter")
        done(page)
    else:
        upload(page, fake_service.image())
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('word')"):
            break
    assert drawn(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Ask about a part":
            break
    page.keyboard.press("Enter")
    page.locator(".box").wait_for()
    for key in ("ArrowLeft", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.locator("blockquote").wait_for()
    assert sent(page, "region") == "0.2,0.25,0.7,0.8"
    assert page.evaluate("document.activeElement.tagName") == "BLOCKQUOTE"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page, url, scheme):
    page = open_page(url, width=360, scheme=scheme)
    upload(page, fake_service.image(size=(300, 200)), b"x")
    for view in ("#as-cards", "#as-table"):
        page.click(view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_key_is_asked_for(open_page, tmp_path):
    key = add_key(tmp_path / "keys.json", "ann")
    served = Served(fake_service.app(page=True, keys=tmp_path / "keys.json"))
    try:
        page = open_page(served.url)
        page.fill("#key-text", key)
        page.press("#key-text", "Enter")
        until(page, "document.querySelector('#key').hidden")
        upload(page, fake_service.image())
        assert captions(page)
    finally:
        served.close()


def test_little_is_transferred(browser, url):
    page = browser.new_page()
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()))
    page.goto(url, wait_until="networkidle")
    total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
    assert len(sizes) >= 10
    assert 10_000 < total < 120_000
    page.close()


def test_accessibility(page):
    """With axe-core."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    axe = (Path(package.__file__).parent / "axe.min.js").read_text("utf-8")
    upload(page, fake_service.image(), b"x")
    for view in ("#as-cards", "#as-table"):
        page.click(view)
        page.evaluate(axe)
        found = page.evaluate("async () => (await axe.run()).violations")
        serious = [
            (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_accounts_of_a_table_and_of_a_folder(open_page, url, tmp_path):
    page = open_page(url, path="page/accounts.html")
    table = tmp_path / "posts.jsonl"
    rows = [{"user": name, "source": f"{name}{i}.jpg", "label": "cat"} for name in ("ann", "<b>") for i in range(4)]
    table.write_text("".join(json.dumps({**row, "probabilities": {"cat": 0.9, "food": 0.1}}) + "\n" for row in rows))
    page.set_input_files("#tables", table)
    until(page, "document.querySelectorAll('#table tbody tr').length === 2")
    assert page.locator("#table tbody tr").nth(1).locator("td").first.inner_text() == "<b>"
    with page.expect_download() as download:
        page.click("#board")
    assert download.value.path().read_text("utf-8").count("<article") == 2
    for name in ("ann", "bob", "eve"):
        (tmp_path / "posts" / name).mkdir(parents=True)
        (tmp_path / "posts" / name / "1.png").write_bytes(fake_service.image())
    (tmp_path / "posts" / "eve" / "2.png").write_bytes(b"no image")
    page.set_input_files("#folders", tmp_path / "posts")
    until(page, "document.querySelectorAll('#table tbody tr').length === 3")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
