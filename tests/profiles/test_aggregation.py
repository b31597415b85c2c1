from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import UsageError
from imagist.profiles import Posts
from imagist.profiles.aggregation import METHODS, compare_methods, fit_pooled
from imagist.profiles.simulation import simulate

NAMES = ("cat", "food", "sky", "dog")


@pytest.fixture(scope="module")
def pool():
    """Labelled images, classified by a classifier that takes one category for another as often as it says."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 600)  # no dogs
    scores = random.normal(size=(600, 4))
    scores[np.arange(600), targets] += 1.5
    given = np.exp(1.5 * scores)
    return Posts(("",) * 600, given / given.sum(axis=1, keepdims=True), NAMES, labels=tuple(NAMES[t] for t in targets))


def test_simulated_accounts_have_their_shares(pool):
    world = simulate(pool, [400] * 30, total=1.0, seed=1)
    assert world.shares.sum(axis=1) == pytest.approx(1)
    assert (world.shares[:, 3] == 0).all()
    labels = np.array(world.posts.labels).reshape(30, 400)
    counted = np.stack([(labels == name).mean(axis=1) for name in NAMES], axis=1)
    assert counted == pytest.approx(world.shares, abs=0.09)
    given = simulate(pool, [5, 7], shares=[[1, 0, 0, 0], [0, 1, 0, 0]])
    assert given.posts.labels == ("cat",) * 5 + ("food",) * 7
    rare = simulate(pool, [1] * 400, rare=("sky",), total=50.0)
    assert ((rare.shares[:, 2] > 0.6).mean()) == pytest.approx(0.2, abs=0.06)
    with pytest.raises(UsageError, match="no image has a label"):
        simulate(Posts(("",), np.ones((1, 4)), NAMES), [1])


def test_all_methods_are_measured_and_the_profile_errs_least(pool):
    world = simulate(pool, [30] * 50, total=1.5, seed=2)
    found = compare_methods(world.posts, truth=world.shares, sizes=(3, 30, 100), seed=0)
    assert [(each.posts, each.method) for each in found] == [
        *((3, method) for method in METHODS),
        *((30, method) for method in METHODS),
    ]
    by = {(each.posts, each.method): each for each in found}
    for size in (3, 30):
        ours = by[size, "corrected hierarchical"]
        assert 0.88 <= ours.coverage <= 0.99
        assert ours.error.value < by[size, "majority vote"].error.value
        assert ours.error.low <= ours.error.value <= ours.error.high
    assert by[3, "corrected hierarchical"].width > by[30, "corrected hierarchical"].width


def test_labels_are_spelled_as_the_categories_are():
    posts = Posts(("",) * 4, np.full((4, 4), 0.25), NAMES, labels=(NAMES[0].title(), f" {NAMES[1]}", "other", ""))
    assert posts.labels == (NAMES[0], NAMES[1], "other", "")


def test_real_accounts_are_compared_with_their_labels(pool):
    world = simulate(pool, [12] * 20, seed=3)
    found = compare_methods(world.posts, sizes=(3, 10, 30))
    assert {each.posts for each in found} == {3, 10}
    assert all(each.accounts == 20 for each in found)
    with pytest.raises(UsageError, match="needs 10 accounts"):
        compare_methods(world.posts, sizes=(30,))


def test_a_regression_learns_what_is_mixed_up():
    random = np.random.default_rng(0)
    shares = random.dirichlet([1, 1, 1], 200)
    mixed_up = shares @ np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    predict = fit_pooled(mixed_up[:150], shares[:150])
    assert abs(predict(mixed_up[150:]) - shares[150:]).mean() < 0.5 * abs(mixed_up[150:] - shares[150:]).mean()
