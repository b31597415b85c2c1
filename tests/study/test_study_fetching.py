"""Images at addresses: a study downloads each once, and tells of all that it cannot have."""

from __future__ import annotations

import numpy as np
import pytest

import study_cases as cases
from imagist.datasets.labels import Example, Source
from imagist.errors import DataError, FetchFailed
from imagist.study import fetching
from imagist.study.config import Data, Folds
from imagist.study.dataset import assemble
from imagist.study.fetching import download_images
from imagist.study.store import Store


@pytest.fixture
def web(monkeypatch):
    """What lies at which address; what is asked for is noted."""
    pages, asked = {}, []

    def fetch(address):
        asked.append(address)
        if address not in pages:
            raise FetchFailed("HTTP 404 Not Found", item=address)
        return pages[address]

    monkeypatch.setattr(fetching, "fetch", fetch)
    return pages, asked


def at(*names):
    return [Example(name if "." in name else f"https://x.test/{name}", "cat") for name in names]


def test_only_addresses_are_downloaded_and_only_once(web, tmp_path):
    pages, asked = web
    pages |= {f"https://x.test/{name}": name.encode() * 3 for name in "ab"}
    held = Example("https://x.test/held", "cat", b"content")
    examples = [*at("b", "here.png", "a"), held]
    for _ in range(2):
        found = download_images(examples, Store(tmp_path))
        assert [each.content for each in found] == [b"bbb", None, b"aaa", b"content"]
        assert [each.image for each in found] == [each.image for each in examples]
    assert sorted(asked) == ["https://x.test/a", "https://x.test/b"]


def test_all_that_cannot_be_downloaded_is_reported_at_once_and_the_others_are_kept(web, tmp_path):
    pages, asked = web
    pages["https://x.test/b"] = b"bbb"
    with pytest.raises(DataError) as caught:
        download_images(at("a", "b", "c"), Store(tmp_path))
    told = str(caught.value)
    assert "2 faults" in told
    for address in ("https://x.test/a", "https://x.test/c"):
        assert f"{address}: HTTP 404" in told
    assert "save the images" in told
    pages |= {"https://x.test/a": b"a", "https://x.test/c": b"c"}
    found = download_images(at("a", "b", "c"), Store(tmp_path))
    assert [each.content for each in found] == [b"a", b"bbb", b"c"]
    assert asked.count("https://x.test/b") == 1


def test_a_table_of_addresses_makes_a_study(web, tmp_path):
    """As the first paper's: media link, caption, label."""
    pages, asked = web
    lines = ["media link,caption,label"]
    for n in range(6):
        address = f"https://x.test/{n}.png"
        pages[address] = cases.image(n)
        lines.append(f"{address},a post,{('cat', 'dog')[n % 2]}")
    (tmp_path / "posts.csv").write_text("\n".join(lines) + "\n")
    data = assemble(Data((Source("posts.csv"),), first=2), tmp_path, Store(tmp_path / "store"), Folds())
    assert len(asked) == 4  # only those that are taken
    assert [photo.source for photo in data.photos([0, 3])] == ["https://x.test/0.png", "https://x.test/3.png"]
    assert len({*data.hashes.tolist()}) == 4
    assert data.photos([1])[0].pixels.shape == (36, 30, 3)
    from imagist.training.encoders.grid_cache import images_key

    assert images_key(data.examples) != images_key(data.examples[::-1])
    again = assemble(Data((Source("posts.csv"),), first=2), tmp_path, Store(tmp_path / "store"), Folds())
    assert len(asked) == 4
    assert again.digest == data.digest
    np.testing.assert_array_equal(again.hashes, data.hashes)
