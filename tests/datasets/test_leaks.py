import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_sets import encoded

from imagist.datasets.folds import Fold, fixed, grouped, stratified
from imagist.datasets.labels import Example, Source, read
from imagist.datasets.near_duplicates import Leak, _pairs, clusters, hashes, leaks, refuse_leaks
from imagist.errors import DataError, UsageError

values = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 30), max_size=12)


def of(*contents):
    return [Example(f"{i}.jpg", "x", content) for i, content in enumerate(contents)]


def fold(train, test):
    return Fold(np.array(train, np.int64), np.array(test, np.int64))


@pytest.fixture(scope="module")
def copies():
    """0, 3 and 4 are one image; 1 and 5 another; 2 is alone."""
    return of(encoded(1), encoded(2), encoded(3), encoded(1, (48, 32)), encoded(1, quality=30), encoded(2, (200, 100)))


def test_copies_are_of_one_cluster(copies):
    assert clusters(copies).tolist() == [0, 1, 2, 0, 0, 1]
    assert clusters(copies, distance=64).tolist() == [0] * 6
    assert clusters([]).tolist() == []


def test_leaks_of_folds(copies):
    found = leaks(copies, [fold([0, 1, 2], [3, 4, 5]), fold([0, 3, 4], [1, 2, 5]), fold([3, 4, 5], [0])])
    assert {(leak.fold, leak.train, leak.test) for leak in found} == {
        (0, "0.jpg", "3.jpg"),
        (0, "0.jpg", "4.jpg"),
        (0, "1.jpg", "5.jpg"),
        (2, "3.jpg", "0.jpg"),
        (2, "4.jpg", "0.jpg"),
    }
    assert found == sorted(found)
    assert all(0 <= leak.bits <= 6 for leak in found)


def test_folds_of_clusters_do_not_leak(copies):
    labels = ["x"] * 6
    assert leaks(copies, grouped(labels, clusters(copies), 3, 0)) == []
    assert leaks(copies, stratified(labels, 3, 0))


def test_leaks_are_refused_by_name():
    refuse_leaks([])
    found = [Leak(3, 1, "b", "a"), Leak(3, 0, "a", "b"), Leak(0, 1, "c", "d")]
    with pytest.raises(DataError, match="2 faults") as error:
        refuse_leaks(found)
    text = str(error.value)
    assert "near-duplicates trained and tested on: a and b: 3 of 64 bits differ, folds 0, 1" in text
    assert text.index("c and d: 0 of 64 bits differ, fold 1") < text.index("a and b")
    assert "--allow-leakage" in error.value.remedy


def test_hashes_are_computed_once(copies, monkeypatch):
    known = hashes(copies)
    assert (known.dtype, len(known)) == (np.uint64, 6)
    folds = [fold([0, 1, 2], [3, 4, 5])]
    expected = clusters(copies).tolist(), leaks(copies, folds)
    monkeypatch.setattr("imagist.datasets.near_duplicates.hashes", None)
    assert (clusters(copies, known=known).tolist(), leaks(copies, folds, known=known)) == expected
    with pytest.raises(UsageError, match="6 hashes for 5 examples"):
        clusters(copies[:5], known=known)


def test_images_that_cannot_be_read_are_named():
    with pytest.raises(DataError, match="unreadable image: 2") as error:
        hashes([*of(b"no image", encoded(1)), Example("gone.jpg", "x")])
    assert "0.jpg" in str(error.value)
    assert "gone.jpg" in str(error.value)


@given(values, st.integers(0, 64))
def test_pairs_against_a_count_of_bits(numbers, distance):
    expected = {
        (i, j, (a ^ b).bit_count())
        for i, a in enumerate(numbers)
        for j, b in enumerate(numbers)
        if i < j and (a ^ b).bit_count() <= distance
    }
    assert {*_pairs(np.array(numbers, np.uint64), distance)} == expected


def test_pairs_of_more_than_one_chunk():
    numbers = np.arange(3000, dtype=np.uint64) << 20
    numbers[[2999, 1500]] = numbers[[3, 2]]
    assert {*_pairs(numbers, 0)} == {(3, 2999, 0), (2, 1500, 0)}


@given(values)
def test_near_pairs_are_never_in_two_clusters(numbers):
    known = np.array(numbers, np.uint64)
    groups = clusters(of(*[b""] * len(numbers)), known=known)
    for i, j, _ in _pairs(known, 6):
        assert groups[i] == groups[j]
    alone = [i for i in range(len(numbers)) if not any(i in pair[:2] for pair in _pairs(known, 6))]
    assert len({groups[i] for i in alone}) == len(alone)


@pytest.mark.parametrize("distance", [-1, 65])
def test_a_distance_that_is_none(distance):
    with pytest.raises(UsageError, match="0 to 64"):
        clusters(of(b""), distance=distance, known=np.zeros(1, np.uint64))


@pytest.mark.data
def test_photos15_leaks_four_pairs_between_train_and_dev(data):
    examples = read(Source(data / "photos15.parquet"))
    start = time.process_time()
    known = hashes(examples)
    assert time.process_time() - start < 30  # about 3 s of one core
    official = [fixed(examples, test="dev")]
    found = leaks(examples, official, known=known)
    assert [(leak.bits, leak.train, leak.test) for leak in found] == [
        (0, "desert/0143.jpg", "desert/0200.jpg"),
        (0, "sky/0010.jpg", "sky/0124.jpg"),
        (2, "desert/0094.jpg", "desert/0200.jpg"),
        (6, "car/0108.jpg", "car/0446.jpg"),
    ]
    groups = clusters(examples, known=known)
    assert len({*groups.tolist()}) == 3598
    labels = [example.label for example in examples]
    assert leaks(examples, stratified(labels, 5, 0), known=known)
    folds = grouped(labels, groups, 5, 0)
    assert leaks(examples, folds, known=known) == []
    per_class = np.array([[sum(labels[i] == name for i in f.test) for name in sorted({*labels})] for f in folds])
    assert (np.ptp(per_class, axis=0) <= 2).all()
