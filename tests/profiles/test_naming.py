from __future__ import annotations

import datetime as dt
import math

import pytest

from imagist.errors import UsageError
from imagist.profiles.naming import account_column, account_of_file, post_of, seconds, time_of


def test_the_column_of_accounts():
    assert account_column(["image", "User Name"], None) == "User Name"
    assert account_column(["user", "account"], None) == "account"
    assert account_column(["image"], None) is None
    assert account_column(["Shop"], "shop") == "Shop"
    with pytest.raises(UsageError, match="one of image"):
        account_column(["image"], "shop")


@pytest.mark.parametrize(
    ("source", "folders", "account"),
    [
        ("posts/ann/a.jpg", ["posts"], "ann"),
        ("posts/ann/2026/a.jpg", ["posts/"], "ann"),
        ("ann/a.jpg", ["ann", "bob"], "ann"),
        ("else/a.jpg", ["posts"], None),
        ("a.jpg", ["a.jpg"], None),
        ("posts/ann/a.jpg", None, "ann"),
        ("a.jpg", None, None),
        ("https://host/ann/a.jpg", None, None),
    ],
)
def test_the_account_of_a_file(source, folders, account):
    assert account_of_file(source, folders) == account


def test_the_account_of_a_file_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "ann").mkdir()
    monkeypatch.chdir(tmp_path / "ann")
    assert account_of_file("./a.jpg", ["."]) == "ann"
    assert account_of_file("./bob/a.jpg", ["."]) == "bob"


@pytest.mark.parametrize(
    ("source", "post"),
    [
        ("ann/2026-05-04_10-11-12_UTC_2.jpg", "ann/2026-05-04_10-11-12_UTC"),
        ("ann/2026-05-04_10-11-12_UTC.jpg", "ann/2026-05-04_10-11-12_UTC"),
        ("ann/IMG_2.jpg", "ann/IMG_2.jpg"),
        ("posts.csv#7.2", "posts.csv#7"),
        ("posts.csv#7", "posts.csv#7"),
    ],
)
def test_a_carousel_is_one_post(source, post):
    assert post_of(source, {}) == post
    assert post_of(source, {"Short code": "B1"}) == "B1"


def test_times():
    noon = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
    for value in (noon, noon.replace(tzinfo=None), noon.timestamp(), 1000 * noon.timestamp(), "2026-05-04T12:00:00Z"):
        assert seconds(value) == noon.timestamp()
    assert seconds(dt.date(2026, 5, 4)) == seconds("2026-05-04") == noon.timestamp() - 12 * 3600
    for value in (None, True, "soon", math.inf, [1]):
        assert math.isnan(seconds(value))
    assert time_of("ann/2026-05-04_12-00-00_UTC_1.jpg", {}) == noon.timestamp()
    assert time_of("2026-05-04_12-00-00_UTC.jpg", {"Date": "1970-01-02"}) == 86400
    assert math.isnan(time_of("a.jpg", {}))
