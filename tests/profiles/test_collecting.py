from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import DataError, UsageError
from imagist.profiles.collecting import Collector
from imagist.records import Photo


def photo(seed, shift=0):
    tiles = np.random.default_rng(seed).integers(0, 200, (8, 8, 3), np.uint8)
    return Photo(np.kron(tiles, np.ones((16, 16, 1), np.uint8)) + np.uint8(shift))


def add(collector, source, cat, **options):
    collector.add(source, options.pop("cells", {"user": "ann"}), {"cat": cat, "sky": 1 - cat}, **options)


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
    add(collector, "a.jpg", 1.0, photo=photo(1))
    add(collector, "b.jpg", 0.0, photo=photo(2))
    add(collector, "c.jpg", 1.0, photo=photo(1, shift=20))
    add(collector, "d.jpg", 1.0, photo=photo(1), cells={"user": "bob"})
    posts = collector.posts()
    assert posts.names == ("a.jpg", "b.jpg", "d.jpg")
    assert posts.copies == {"ann": 1}


def test_a_carousel_with_something_new_is_kept():
    collector = Collector()
    add(collector, "a.jpg", 1.0, photo=photo(1))
    for number in (1, 2):
        add(collector, "b", 0.5, photo=photo(number), cells={"user": "ann", "post": "b"})
    assert collector.posts().names == ("a.jpg", "b")


def test_failures_and_images_without_an_account_are_counted():
    collector = Collector()
    add(collector, "a.jpg", 1.0)
    collector.add("b.jpg", {"user": "ann"}, None)
    collector.add("c.jpg", {"user": " "}, {"cat": 1.0, "sky": 0.0})
    assert collector.posts().failed == {"ann": 1}
    assert collector.without_account == 1


def test_other_categories_and_nothing_at_all_are_refused():
    collector = Collector()
    with pytest.raises(UsageError, match="no classified posts"):
        collector.posts()
    add(collector, "a.jpg", 1.0)
    with pytest.raises(DataError, match=r"b\.jpg: has the categories dog, not cat, sky"):
        collector.add("b.jpg", {"user": "ann"}, {"dog": 1.0})
    lonely = Collector()
    add(lonely, "a.jpg", 1.0, cells={})
    with pytest.raises(UsageError, match="--by"):
        lonely.posts()
