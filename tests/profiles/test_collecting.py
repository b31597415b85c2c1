from __future__ import annotations

import base64

import numpy as np
import pytest

from imagist.datasets.near_duplicates import perceptual_hash
from imagist.errors import DataError, UsageError
from imagist.profiles.collecting import Collector, with_posts
from imagist.records import Row


def digits(seed, shift=0):
    """The hash of an image of random tiles, in hexadecimal digits."""
    tiles = np.random.default_rng(seed).integers(0, 200, (8, 8, 3), np.uint8)
    return f"{perceptual_hash(np.kron(tiles, np.ones((16, 16, 1), np.uint8)) + np.uint8(shift)):016x}"


def add(collector, source, cat, cells=None, **record):
    record["probabilities"] = {"cat": cat, "sky": 1 - cat}
    collector.add(source, {"user": "ann"} if cells is None else cells, record)


def test_images_of_a_post_are_averaged():
    collector = Collector()
    add(collector, "2026-05-04_10-11-12_UTC_1.jpg", 1.0, caption="a cat")
    add(collector, "2026-05-04_10-11-12_UTC_2.jpg", 0.5)
    add(collector, "b.jpg", 0.25)
    posts = collector.posts()
    assert posts.probabilities[:, 0].tolist() == [0.75, 0.25]
    assert posts.images.tolist() == [2, 1]
    assert posts.captions == ("a cat", "")


def test_a_copy_counts_once_within_an_account():
    collector = Collector()
    add(collector, "a.jpg", 1.0, perceptual_hash=digits(1))
    add(collector, "b.jpg", 0.0, perceptual_hash=digits(2))
    add(collector, "c.jpg", 1.0, perceptual_hash=digits(1, shift=20))
    add(collector, "d.jpg", 1.0, perceptual_hash=digits(1), cells={"user": "bob"})
    posts = collector.posts()
    assert posts.names == ("a.jpg", "b.jpg", "d.jpg")
    assert posts.copies == {"ann": 1, "bob": 0}


def test_images_without_hashes_are_not_compared():
    collector = Collector()
    add(collector, "a.jpg", 1.0)
    add(collector, "b.jpg", 1.0, perceptual_hash=digits(1), cells={"user": "bob"})
    assert collector.posts().copies == {"bob": 0}


def test_a_carousel_with_something_new_is_kept():
    collector = Collector()
    add(collector, "a.jpg", 1.0, perceptual_hash=digits(1))
    for number in (1, 2):
        add(collector, "b", 0.5, perceptual_hash=digits(number), cells={"user": "ann", "post": "b"})
    assert collector.posts().names == ("a.jpg", "b")


def test_text_likes_and_labels_are_those_of_the_row_and_embeddings_are_averaged():
    collector = Collector()
    half, zero = (base64.b64encode(np.full(2, value, "<f2").tobytes()).decode() for value in (0.5, 0.0))
    cells = {"user": "ann", "post": "a", "tweet_text": " hello ", "likes": "1,024", "category": "sky"}
    add(collector, "a.jpg", 1.0, cells, embedding=half)
    add(collector, "b.jpg", 0.5, cells, embedding=zero)
    posts = collector.posts()
    assert (posts.texts, posts.likes.tolist(), posts.labels) == (("hello",), [1024], ("sky",))
    assert posts.embeddings.tolist() == [[0.25, 0.25]]
    add(collector, "c.jpg", 0.5)
    posts = collector.posts()
    assert (posts.texts[1], posts.labels[1], len(posts.embeddings)) == ("", "", 0)
    assert np.isnan(posts.likes[1])


def test_a_column_that_is_named_must_be_there():
    for options, option in (({"text": "note"}, "--text-column"), ({"label": "truth"}, "--label-column")):
        with pytest.raises(UsageError, match=f"{option}: no column"):
            add(Collector(**options), "a.jpg", 1.0)


def test_images_of_one_cell_are_one_post():
    cells = {"user": "ann"}
    rows = [Row("a.jpg", columns=cells), Row("b.jpg", columns=cells), Row("c.jpg", columns=dict(cells)), Row("d.jpg")]
    assert [row.columns.get("post") for row in with_posts(rows)] == ["a.jpg", "a.jpg", "c.jpg", None]
    (kept,) = with_posts([Row("a.jpg", columns={"Short Code": "x"})])
    assert kept.columns == {"Short Code": "x"}


def test_a_profile_picture_is_no_post():
    collector = Collector(folders=["posts"])
    add(collector, "posts/ann/2026-05-04_10-11-12_UTC_profile_pic.jpg", 1.0, {})
    add(collector, "posts/ann/a.jpg", 1.0, {})
    assert collector.posts().names == ("posts/ann/a.jpg",)
    assert collector.profile_pictures == 1


def test_failures_and_images_without_an_account_are_counted():
    collector = Collector()
    add(collector, "a.jpg", 1.0)
    collector.add("b.jpg", {"user": "ann"}, {"probabilities": None})
    add(collector, "c.jpg", 1.0, cells={"user": " "})
    assert collector.posts().failed == {"ann": 1}
    assert collector.without_account == 1


def test_other_categories_and_nothing_at_all_are_refused():
    collector = Collector()
    with pytest.raises(UsageError, match="no classified posts"):
        collector.posts()
    add(collector, "a.jpg", 1.0)
    with pytest.raises(DataError, match=r"b\.jpg: has the categories dog, not cat, sky"):
        collector.add("b.jpg", {"user": "ann"}, {"probabilities": {"dog": 1.0}})
    lonely = Collector()
    add(lonely, "a.jpg", 1.0, cells={})
    with pytest.raises(UsageError, match="--by"):
        lonely.posts()
