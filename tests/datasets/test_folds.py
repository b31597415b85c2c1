import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagist.datasets.entries import Example
from imagist.datasets.folds import Fold, fixed, grouped, inner, stratified
from imagist.errors import DataError, UsageError

STRATIFIED = [[1, 2, 3, 13, 17], [0, 4, 6, 8, 10], [5, 9, 11, 16, 18], [7, 12, 14, 15, 19]]
GROUPED = [[2, 3, 8, 9, 14, 15], [4, 5, 12, 13, 18, 19], [0, 1, 16, 17], [6, 7, 10, 11]]
many = st.lists(st.sampled_from("aaabbc"), min_size=2, max_size=60)


def counts(labels, fold):
    names = sorted(set(labels))
    return np.array([[sum(labels[i] == name for i in part) for name in names] for part in (fold.train, fold.test)])


def shared_out(labels, folds):
    """How many of each class each fold tests, ``[k, C]``."""
    return np.array([counts(labels, fold)[1] for fold in folds])


def assert_partition(folds, items):
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == [*range(items)]
    for fold in folds:
        assert len(fold.test)
        assert sorted([*fold.train.tolist(), *fold.test.tolist()]) == [*range(items)]
        assert all((np.diff(part) > 0).all() for part in (fold.train, fold.test))
        assert fold.train.dtype == fold.test.dtype == np.int64


def as_lists(folds):
    return [(fold.train.tolist(), fold.test.tolist()) for fold in folds]


@given(many, st.integers(2, 7), st.integers(0, 9))
def test_stratified_folds(labels, k, seed):
    assume(k <= len(labels))
    if min(labels.count(name) for name in labels) == 1:
        with pytest.raises(DataError, match="has none to train on"):
            stratified(labels, k, seed)
        return
    folds = stratified(labels, k, seed)
    assert_partition(folds, len(labels))
    per_class = shared_out(labels, folds)
    assert (np.ptp(per_class, axis=0) <= 1).all()
    assert np.ptp(per_class.sum(axis=1)) <= 1
    assert as_lists(stratified(np.array(labels), k, seed)) == as_lists(folds)


def test_seeds_give_different_folds():
    labels = [*"aabb"] * 20
    assert len({str(as_lists(stratified(labels, 5, seed))) for seed in range(10)}) == 10
    groups = np.arange(80) // 2
    assert len({str(as_lists(grouped(labels, groups, 5, seed))) for seed in range(10)}) == 10


@given(st.data(), many, st.integers(2, 5), st.integers(0, 9))
def test_no_group_straddles(data, labels, k, seed):
    groups = data.draw(st.lists(st.integers(0, 12), min_size=len(labels), max_size=len(labels)))
    assume(k <= len(set(groups)))
    try:
        folds = grouped(labels, groups, k, seed)
    except DataError:
        return
    assert_partition(folds, len(labels))
    for fold in folds:
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.test}
    assert as_lists(grouped(np.array(labels), np.array(groups), k, seed)) == as_lists(folds)


@given(many, st.integers(2, 6), st.integers(0, 9))
def test_groups_of_one_are_as_good_as_stratified(labels, k, seed):
    assume(k <= len(labels) and min(labels.count(name) for name in labels) > 1)
    per_class = shared_out(labels, grouped(labels, range(len(labels)), k, seed))
    assert (np.ptp(per_class, axis=0) <= 1).all()


def unevenness(labels, folds):
    """Mean spread over folds of the share that they test of a class; 0 is even."""
    per_class = shared_out(labels, folds)
    return (per_class / per_class.sum(axis=0)).std(axis=0).mean()


def test_balance_against_scikit_learn():
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for seed in range(5):
        groups = rng.choice(60, 600, p=rng.dirichlet(np.full(60, 0.7)))  # some accounts post much more than others
        taste = rng.dirichlet(np.full(5, 0.6), 60)
        labels = [int(rng.choice(5, p=taste[group])) for group in groups]
        split = selection.StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, groups)
        theirs.append(unevenness(labels, [Fold(train, test) for train, test in split]))
        ours.append(unevenness(labels, grouped(labels, groups, 5, seed)))
    assert np.mean(ours) <= np.mean(theirs)
    labels = rng.choice(7, 500, p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.03, 0.02])
    split = selection.StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)
    per_class = shared_out(labels, [Fold(train, test) for train, test in split])
    assert (np.sort(shared_out(labels, stratified(labels, 5, 0)), axis=0) == np.sort(per_class, axis=0)).all()


def test_no_fold_is_empty():
    """One group outweighs all others, which would otherwise share one fold."""
    labels, groups = [*"a" * 50, *"abc" * 3], [0] * 50 + [*range(1, 10)]
    for k in range(2, 11):
        try:
            assert_partition(grouped(labels, groups, k, 0), 59)
        except DataError as error:
            assert "none to train on" in str(error)  # noqa: PT017
    assert_partition(grouped([*"aabb"], [0, 1, 2, 3], 4, 0), 4)


def test_classes_that_cannot_be_trained_and_tested():
    with pytest.raises(DataError, match=r"some fold tests b \(2 examples\), c \(2 examples\) and has none to train on"):
        grouped([*"aaaabbcc"], [0, 1, 2, 3, 4, 4, 5, 5], 3, 0)


def test_numbers_of_folds():
    for k in (1, 0, 5):
        with pytest.raises(UsageError, match=f"{k} folds of 4 examples"):
            stratified([*"aabb"], k, 0)
    with pytest.raises(UsageError, match="3 folds of 2 groups"):
        grouped([*"aabb"], [0, 1, 0, 1], 3, 0)
    with pytest.raises(UsageError, match="3 groups for 4 labels"):
        grouped([*"aabb"], [0, 1, 2], 2, 0)


def test_fixed_splits():
    splits = ["train", "dev", "test", "train", None, "dev", "test"]
    examples = [Example(str(i), "x" if i % 2 else "y", split=split) for i, split in enumerate(splits)]
    assert as_lists([fixed(examples)]) == [([0, 3], [2, 6])]
    assert as_lists([fixed(examples, train="train+dev")]) == [([0, 1, 3, 5], [2, 6])]
    assert as_lists([fixed(examples, test="dev")]) == [([0, 3], [1, 5])]
    with pytest.raises(DataError, match=r"no example of split val \(one of the splits there are: dev, test, train\)"):
        fixed(examples, test="val")
    with pytest.raises(UsageError, match="split dev cannot be both"):
        fixed(examples, train="train+dev", test="dev")
    with pytest.raises(DataError, match=r"some fold tests y \(4 examples\) and has none to train on"):
        fixed(examples, train="dev", test="test")


@given(st.integers(0, 20), st.booleans())
def test_inner_folds_see_nothing_of_the_test_part(seed, by_group):
    labels, groups = [*"abc"] * 20, [i // 3 % 15 for i in range(60)] if by_group else None
    outer = grouped(labels, groups, 4, seed) if by_group else stratified(labels, 4, seed)
    for fold in outer:
        within = inner(fold, labels, 3, seed, groups=groups)
        assert len(within) == 3
        assert sorted(np.concatenate([each.test for each in within]).tolist()) == fold.train.tolist()
        for each in within:
            assert sorted([*each.train.tolist(), *each.test.tolist()]) == fold.train.tolist()
            assert not set(each.train.tolist()) & set(fold.test.tolist())
            assert np.ptp(counts(labels, each)[1]) <= 1
            if groups:
                assert not {groups[i] for i in each.train} & {groups[i] for i in each.test}


def test_folds_stay_the_same_from_release_to_release():
    """Cached results of a study are found again by their folds."""
    labels = [*"aaabbbbccd" * 2]
    assert [fold.test.tolist() for fold in stratified(labels, 4, 1)] == STRATIFIED
    assert [fold.test.tolist() for fold in grouped(labels, [i // 2 for i in range(20)], 4, 1)] == GROUPED
