from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import UsageError
from imagist.matching.zero_shot import NONE
from imagist.profiles import Posts, Settings, account_record, post_records, profile
from imagist.profiles.posts import later_halves
from imagist.profiles.records import ACCOUNT_FIELDS, POST_FIELDS, category_fields, ranked
from imagist.profiles.shares import Prior, sample
from imagist.profiles.summary import entropies, intervals, nearest_shares, posts_needed

NAMES = tuple("abcdef")
SIZES = (3, 10, 30, 100)


@pytest.fixture(scope="module")
def world():
    """Accounts of known shares, whose posts have calibrated, uncertain probabilities."""
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.full(len(NAMES), 0.4), 480)
    sizes = np.array(SIZES)[np.arange(480) % 4]
    owners = np.repeat(np.arange(480), sizes)
    truth = (shares.cumsum(axis=1)[owners] < random.random((len(owners), 1))).sum(axis=1).clip(0, len(NAMES) - 1)
    scores = random.normal(size=(len(owners), len(NAMES)))
    scores[np.arange(len(owners)), truth] += 1.5
    given = np.exp(1.5 * scores)
    given /= given.sum(axis=1, keepdims=True)
    posts = Posts(tuple(map(str, owners)), given, NAMES)
    return shares, sizes, posts, profile(posts, Settings(draws=200))


def test_intervals_cover_and_errors_are_below_counting(world):
    shares, sizes, posts, found = world
    owners = np.array(posts.accounts, int)
    mean, low, high = (np.stack([getattr(each, name) for each in found]) for name in ("shares", "low", "high"))
    counted = np.zeros_like(shares)
    np.add.at(counted, (owners, posts.probabilities.argmax(axis=1)), 1)
    counted /= sizes[:, None]
    covered = (low <= shares) & (shares <= high)
    for size in SIZES:
        of = sizes == size
        assert 0.92 <= covered[of].mean() <= 0.98
        assert abs(mean - shares)[of].mean() <= 0.9 * abs(counted - shares)[of].mean()
    assert abs(mean - shares).mean() <= 0.8 * abs(counted - shares).mean()


def test_the_probability_of_leading_is_calibrated(world):
    shares, _, _, found = world
    right = np.array([each.categories.index(each.leading) for each in found]) == shares.argmax(axis=1)
    said = np.array([each.leading_probability for each in found])
    assert right.mean() == pytest.approx(said.mean(), abs=0.05)
    assert right[said > 0.95].mean() > 0.9


def test_specialisation_is_within_its_interval_as_often_as_said(world):
    shares, _, _, found = world
    truth = 1 - entropies(shares)
    ends = [each.specialisation_interval for each in found]
    inside = [low <= t <= high for t, (low, high) in zip(truth, ends, strict=True)]
    assert 0.9 <= np.mean(inside) <= 0.99


def test_the_same_seed_gives_the_same(world):
    posts = world[2]
    few = Posts(posts.accounts[:50], posts.probabilities[:50], NAMES)
    one, other = (profile(few, Settings(draws=100)) for _ in range(2))
    assert [each.shares.tolist() for each in one] == [each.shares.tolist() for each in other]


def of(*counts, names=("food", "cat", "sky"), times=None, account="x"):
    """Posts of one account, each of them almost certain, so many of each category."""
    rows = np.repeat(np.eye(len(names)), counts, axis=0) * 0.98 + 0.01
    return Posts((account,) * len(rows), rows / rows.sum(axis=1, keepdims=True), names, times=np.array(times or []))


def test_a_clear_account_is_sure_and_an_even_one_needs_posts():
    clear, even = profile(of(40, 2, 1))[0], profile(of(7, 6, 1))[0]
    assert (clear.leading, clear.more_posts) == ("food", 0)
    assert clear.leading_probability > 0.99
    assert clear.shares[0] == pytest.approx(0.93, abs=0.06)
    assert clear.low[0] < 0.93 < clear.high[0]
    assert even.more_posts is None or even.more_posts > 5
    assert clear.specialisation > even.specialisation


def test_a_trend_needs_dates_and_has_its_sign():
    assert profile(of(20, 20, 1))[0].trend is None
    assert profile(of(20, 20, 1, times=[5.0] * 41))[0].trend is None
    dated = profile(of(21, 20, 0, times=[float(i) for i in range(41)]))[0]
    assert dated.leading == "food"
    assert dated.trend < -0.6
    assert dated.trend_interval[1] < -0.3


def test_none_of_these_never_leads():
    found = profile(of(3, 30, names=("food", NONE)))[0]
    assert found.leading == "food"
    assert found.none_share > 0.7
    assert found.none_interval[0] < found.none_share < found.none_interval[1]
    assert found.probability_of(NONE) == 0
    assert profile(of(3, 3, 3))[0].none_share is None


def test_ambiguous_posts_make_nothing_sure_with_any_seed():
    rows = np.array([[p, 1 - p] for p in (0.9, 0.2, 0.55) for _ in range(6)])
    posts = Posts(tuple(name for name in "xyz" for _ in range(6)), rows, ("food", "cat"))
    for seed in range(4):
        clear, other, ambiguous = profile(posts, Settings(seed=seed))
        assert (clear.leading, other.leading, ambiguous.leading) == ("food", "cat", "food")
        assert ambiguous.leading_probability == pytest.approx(0.7, abs=0.1)
    alone = Posts(("z",) * 6, rows[12:], ("food", "cat"))
    assert all(profile(alone, Settings(seed=seed))[0].leading == "food" for seed in range(4))


def test_sampling_jumps_to_what_is_exact():
    """Accounts that keep to one of two categories, whose posts are ambiguous: the posterior is known."""
    evidence, sizes = np.tile([[1.0, 0.8]], (24, 1)), np.array([4] * 6)
    prior = Prior(np.array([[0.02, 0.02]]), np.ones(1))
    settings = Settings(draws=2000)
    (draws,) = sample(evidence, sizes, np.zeros(24, bool), prior, settings)
    assert draws.shares[:, :, 0].mean() == pytest.approx(1 / (1 + 0.8**4), abs=0.04)


def test_later_halves_part_accounts_at_their_median():
    times = np.array([3.0, 1.0, 2.0, 4.0, 9.0, np.nan, 9.0])
    assert later_halves(np.array([0, 0, 0, 0, 1, 1, 1]), times).tolist() == [1, 0, 0, 1, 0, 0, 0]


def test_intervals_reach_the_bounds_and_hold_the_level():
    draws = np.random.default_rng(0).beta(0.2, 5, 4000)
    low, high = intervals(draws, 0.95)
    assert low == 0
    assert np.mean(draws <= high) == pytest.approx(0.95, abs=0.01)
    low, high = intervals(np.random.default_rng(0).normal(0.5, 0.1, 4000), 0.95)
    assert (low, high) == (pytest.approx(0.304, abs=0.02), pytest.approx(0.696, abs=0.02))


def test_nearest_shares_sum_to_one_and_err_least():
    random = np.random.default_rng(0)
    draws = random.dirichlet([0.2, 0.2, 0.2, 2.0], (4000, 3))
    found = nearest_shares(draws)
    assert found.sum(axis=1) == pytest.approx(1)
    fresh = random.dirichlet([0.2, 0.2, 0.2, 2.0], (4000, 3))
    error, of_mean = (np.abs(fresh - each).mean() for each in (found, draws.mean(axis=0)))
    assert error < of_mean
    for _ in range(20):  # no other shares that sum to 1 do better by more than chance
        other = np.abs(found + random.normal(0, 0.02, found.shape))
        assert error < np.abs(fresh - other / other.sum(axis=1, keepdims=True)).mean() + 2e-3


def test_posts_needed_are_within_their_interval_and_fewer_for_a_clear_lead():
    random = np.random.default_rng(0)
    draws = np.stack([random.dirichlet([8, 5, 1], 400), random.dirichlet([7, 6.5, 1], 400)], axis=1)
    counts, named = np.array([14, 14]), np.ones(3, bool)
    clear, even = posts_needed(draws, np.array([0.8, 0.55]), counts, named, 0.95, 0.95, random)
    for each in (clear, even):
        assert each.low <= each.likely
        assert each.high is None or each.likely <= each.high
    assert clear.likely < even.likely
    sure, _ = posts_needed(draws, np.array([0.99, 0.5]), counts, named, 0.95, 0.95, random)
    assert (sure.likely, sure.low, sure.high) == (0, 0, 0)
    assert posts_needed(draws, np.array([1.0]), counts[:1], named < 1, 0.95, 0.95, random)[0].likely == 0


def test_records_have_the_documented_columns_and_rank_orders_them():
    posts = Posts(
        ("x",) * 5 + ("y",) * 5, np.array([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5), ("cat", "food"), times=np.arange(10.0)
    )
    found = profile(posts)
    record = account_record(found[0])
    assert [*record] == [*ACCOUNT_FIELDS, *category_fields(posts.categories)]
    assert record["account"] == "x"
    assert record["share_cat"] + record["share_food"] == pytest.approx(1, abs=1e-3)
    rows = [*post_records(found, posts)]
    assert [*rows[0]] == [*POST_FIELDS]
    assert rows[0]["date"] == "1970-01-01T00:00:00Z"
    assert [each.account for each in ranked(found, "food")] == ["y", "x"]
    with pytest.raises(UsageError, match="no label 'dog'"):
        ranked(found, "dog")


def test_impossible_posts_and_settings_are_refused():
    with pytest.raises(UsageError, match="no posts"):
        Posts((), np.zeros((0, 2)), ("a", "b"))
    with pytest.raises(UsageError, match="1 names for 2 posts"):
        Posts(("x", "y"), np.ones((2, 2)), ("a", "b"), names=("one",))
    with pytest.raises(UsageError, match="probabilities"):
        Posts(("x", "y"), np.ones((2, 3)), ("a", "b"))
    with pytest.raises(UsageError, match="draws, level"):
        Settings(draws=1, level=1.0)
