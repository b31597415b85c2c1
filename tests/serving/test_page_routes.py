"""The files of the page, without a browser."""

from __future__ import annotations

import re

import pytest

import fake_service
from imagist.serving.page_routes import page_files, sample_files


@pytest.fixture(scope="module")
def client():
    with fake_service.client(page=True) as made:
        yield made


def test_every_file_that_is_named_is_there(client):
    index = client.get("/")
    assert index.headers["content-type"].startswith("text/html")
    named = {*re.findall(r'(?:src|href)="(page/[^"]+)"', index.text)}
    for name, file in page_files().items():
        found = client.get(f"/page/{name}")
        assert (found.status_code, found.headers["content-type"]) == (200, file.kind)
        for module in re.findall(r'from "\./([\w.]+)"', found.text if name.endswith(".js") else ""):
            assert module in page_files()
    assert {f"page/{name}" for name in page_files()} >= named != set()


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline():
    for name, file in page_files().items():
        text = file.content.decode()
        assert not re.search(r"(?:src|href|url|from|import)\W+https?://", text), name
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", text if name.endswith(".html") else ""), name
        assert "innerHTML" not in text


def test_a_file_is_packed_and_kept_by_browsers(client):
    first = client.get("/page/page.css")
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/page/page.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get("/page/page.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == page_files()["page.css"].content


@pytest.mark.parametrize("path", ["/page/other.js", "/page/..%2f__init__.py", "/page/samples/other.jpg", "/page/"])
def test_other_files_are_not_served(client, path):
    assert client.get(path).status_code == 404


def test_the_policy_allows_what_the_page_needs_alone(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_samples_are_small_images(client):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    names = client.get("/page/samples.json").json()
    assert names == [*sample_files()] != []
    for name in names:
        found = client.get(f"/page/samples/{name}")
        assert found.content.startswith(b"\xff\xd8")
        assert len(found.content) < 30_000


def test_a_service_may_have_no_page():
    with fake_service.client() as client:
        assert client.get("/").status_code == 404
