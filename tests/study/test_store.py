"""What a study has computed is found again, and only under the very same circumstances."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from imagist.errors import DataError
from imagist.metrics.comparison import Compared
from imagist.metrics.significance import Interval
from imagist.study.results import Gain
from imagist.study.store import Store, digest_of, key_of


def test_a_result_is_computed_once(tmp_path):
    store = Store(tmp_path / "store")
    made = []

    def compute():
        made.append(1)
        return {"scores": np.eye(3, dtype=np.float32), "captions": np.array(["a dog", "ein Hund ß"])}

    first, again = store.of("words-1", compute), Store(tmp_path / "store").of("words-1", compute)
    assert made == [1]
    assert store.computed == {"words": 1}
    assert store.holds("words-1")
    np.testing.assert_array_equal(first["scores"], again["scores"])
    assert again["captions"].tolist() == ["a dog", "ein Hund ß"]


def test_a_failure_leaves_nothing_behind(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError):
        store.of("x", lambda: {"a": np.array(1 / 0)})
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match=r"x\.npz.*delete it"):
        Store(tmp_path).of("x", dict)


def test_a_key_depends_on_every_part_and_where_it_ends():
    parts = ({"rate": 0.1}, ["a", "b"], np.arange(3), 7)
    key = key_of("words", *parts)
    assert key == key_of("words", *parts)
    others = [
        ({"rate": 0.2}, *parts[1:]),
        (*parts[:2], np.arange(4), 7),
        (*parts[:3], 8),
        (parts[0], ["ab"], *parts[2:]),
    ]
    assert len({key, *(key_of("words", *other) for other in others)}) == 1 + len(others)
    assert key_of("words", "a", "b") != key_of("words", "ab", "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(5000), np.r_[np.zeros(2500), 1, np.zeros(2499)]),  # numpy's own words leave the middle out
        (np.zeros(4, np.float32), np.zeros(4, np.int32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array(["ab", "c"]), np.array(["a", "bc"])),
        (np.zeros(1), 0.0),
        (1, True),
        ("1", 1),
        (None, "None"),
        (["a", ["b"]], [["a"], "b"]),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (Interval(0.5, 0.25, 0.75), Interval(0.5, 0.25, 0.75, 0.9)),
        ([Interval(0.5, 0.25, 0.75)], [(0.5, 0.25, 0.75, 0.95)]),
    ],
)
def test_what_differs_has_another_digest(one, other):
    assert digest_of(one) == digest_of(one)
    assert digest_of(one) != digest_of(other)


def test_equal_parts_have_equal_digests():
    strided = np.arange(12).reshape(3, 4)[:, ::2]
    assert digest_of(strided) == digest_of(strided.copy())
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of((1, 2)) == digest_of([1, 2])
    assert digest_of(np.float64(0.1), np.int64(3)) == digest_of(0.1, 3)


GAIN = Gain(Compared("a", "b", Interval(0.1, -0.2, 1 / 3), 0.05, np.float64(0.1), "mcnemar"), None)


def test_a_record_is_computed_once_to_the_last_bit(tmp_path):
    made = []

    def compute():
        made.append(1)
        return GAIN

    store = Store(tmp_path)
    assert [store.record("gain-1", Gain, compute) for _ in range(2)] == [GAIN, GAIN]
    assert Store(tmp_path).record("gain-1", Gain, compute) == GAIN
    assert made == [1]
    assert store.computed == {"gain": 1}


def test_what_is_no_such_record_is_named(tmp_path):
    store = Store(tmp_path)
    store.record("gain-1", Gain, lambda: GAIN)
    store.of("gain-2", lambda: {"scores": np.zeros(3)})
    for key, kind in (("gain-1", Interval), ("gain-2", Gain)):
        with pytest.raises(DataError, match=rf"(?s){key}\.npz.*delete it"):
            store.record(key, kind, lambda: GAIN)
