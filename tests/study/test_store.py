"""What a study has computed is found again, and only under the very same circumstances."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from imagist.errors import DataError
from imagist.metrics.comparison import Compared
from imagist.metrics.significance import Interval
from imagist.study.results import Gain
from imagist.study.store import Store, key_of


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
    key = key_of("text", *parts)
    assert key == key_of("text", *parts)
    others = [
        ({"rate": 0.2}, *parts[1:]),
        (*parts[:2], np.arange(4), 7),
        (*parts[:3], 8),
        (parts[0], ["ab"], *parts[2:]),
    ]
    assert len({key, *(key_of("text", *other) for other in others)}) == 1 + len(others)
    assert key_of("text", "a", "b") != key_of("text", "ab", "")


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
