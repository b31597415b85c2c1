"""Comparisons of many systems against scipy, published examples and simulations."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import MissingExtra, UsageError
from imagist.metrics.comparison import compare_all, corrected_resampled_t, holm, mcnemar
from imagist.metrics.significance import paired_difference

stats = pytest.importorskip("scipy.stats")

FIRST = np.array([0.81, 0.84, 0.79, 0.86, 0.83])
SECOND = np.array([0.78, 0.80, 0.79, 0.81, 0.80])


def right(items: int, *shares: float, seed: int = 0, trials: int | None = None) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    shape = (items,) if trials is None else (trials, items)
    return [draw.random(shape) < share for share in shares]


def test_holm_by_hand() -> None:
    # 4 hypotheses: 0.005 x 4, 0.01 x 3, then 0.03 x 2 and 0.04 x 1, which may not fall below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_on_the_fifteen_p_values_of_benjamini_and_hochberg() -> None:
    # Their paper (1995, section 4) finds that Bonferroni's and Hochberg's procedures reject the first three at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    adjusted = holm([*p, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0])
    assert adjusted[:4] == pytest.approx([0.0015, 0.0056, 0.0247, 0.114])
    assert (adjusted < 0.05).sum() == 3
    assert adjusted[4:9] == pytest.approx([0.2211, 0.278, 0.278, 0.278, 0.3213])
    assert adjusted[9:].tolist() == [1] * 6


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_step_down_procedure_rejects(p: list[float], level: float) -> None:
    rejected = set()
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[index] * (len(p) - place) > level:
            break
        rejected.add(index)
    adjusted = holm(p)
    assert {n for n, value in enumerate(adjusted) if value <= level} == rejected
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()


def test_of_one_hypothesis_nothing_is_to_be_corrected() -> None:
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).tolist() == []


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_mcnemar_is_the_binomial_test_of_the_items_they_disagree_on(first: int, second: int, both: int) -> None:
    a = np.repeat([True, False, True], [first, second, both])
    b = np.repeat([False, True, True], [first, second, both])
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(b, a) == mcnemar(a, b)


def test_mcnemar_of_many_items_does_not_overflow() -> None:
    a = np.arange(20_000) % 2 == 0
    assert mcnemar(a, ~a) == 1
    assert mcnemar(np.ones(20_000, bool), np.zeros(20_000, bool)) == 0


def test_corrected_t_by_hand() -> None:
    found = corrected_resampled_t(FIRST, SECOND, test_share=0.2)
    differences = FIRST - SECOND  # mean 0.03, standard deviation sqrt(0.00035)
    error = np.sqrt((1 / 5 + 1 / 4) * 0.00035)
    assert found.interval.value == pytest.approx(differences.mean()) == pytest.approx(0.03)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.03 / error, 4))
    half = stats.t.ppf(0.975, 4) * error
    assert (found.interval.low, found.interval.high) == pytest.approx((0.03 - half, 0.03 + half))


def test_without_a_share_to_correct_for_it_is_the_paired_t_test() -> None:
    found = corrected_resampled_t(FIRST, SECOND, test_share=1e-9)
    plain = stats.ttest_rel(FIRST, SECOND)
    assert found.p_value == pytest.approx(plain.pvalue, rel=1e-6)
    assert (found.interval.low, found.interval.high) == pytest.approx(plain.confidence_interval(0.95), rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_correction_is_more_careful_and_both_sides_are_alike(share: float) -> None:
    found = corrected_resampled_t(FIRST, SECOND, test_share=share)
    other = corrected_resampled_t(SECOND, FIRST, test_share=share)
    assert found.p_value > stats.ttest_rel(FIRST, SECOND).pvalue
    assert (found.interval.low, found.p_value) == pytest.approx((-other.interval.high, other.p_value))


def test_differences_without_spread() -> None:
    assert corrected_resampled_t(FIRST, FIRST, test_share=0.2).p_value == 1
    always = corrected_resampled_t([0.75, 0.5], [0.5, 0.25], test_share=0.2)
    assert (always.p_value, always.interval.low, always.interval.high) == (0, 0.25, 0.25)


def test_pairs_are_those_of_the_single_comparisons() -> None:
    a, b, c = right(300, 0.9, 0.8, 0.7)
    table = compare_all({"a": a, "b": b, "c": c}, seed=1)
    assert [(pair.first, pair.second) for pair in table] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair, (one, other) in zip(table, ((a, b), (a, c), (b, c)), strict=True):
        alone = paired_difference(one, other, seed=1).interval
        assert pair.difference.value == pytest.approx(one.mean() - other.mean())
        assert (pair.difference.low, pair.difference.high) == pytest.approx((alone.low, alone.high), abs=4e-3)
        assert (pair.p_value, pair.test) == (mcnemar(one, other), "mcnemar")
    assert [pair.adjusted for pair in table] == pytest.approx(holm([pair.p_value for pair in table]).tolist())


def test_several_trials_of_the_same_items_are_averaged_item_by_item() -> None:
    a, b = right(200, 0.85, 0.7, trials=5)
    (pair,) = compare_all({"a": a, "b": b}, seed=2)
    alone = paired_difference(a.mean(axis=0), b.mean(axis=0), seed=2)
    assert pair.difference.value == pytest.approx(a.mean() - b.mean())
    assert (pair.difference.low, pair.difference.high) == pytest.approx(
        (alone.interval.low, alone.interval.high), abs=3e-3
    )
    assert (pair.test, pair.p_value) == ("bootstrap", pytest.approx(alone.p_value, abs=1e-3))
    assert compare_all({"a": a[:1], "b": b[:1]})[0].test == "mcnemar"


def test_the_same_system_twice_differs_by_nothing() -> None:
    a, b = right(100, 0.8, 0.5, trials=3)
    (pair,) = compare_all({"a": a, "again": a[::-1]}, resamples=200)
    assert (pair.difference.value, pair.difference.low, pair.difference.high, pair.p_value) == (0, 0, 0, 1)
    table = compare_all({"a": a, "again": a, "b": b}, resamples=200)
    assert table[0].adjusted == 1 > table[1].adjusted


def test_equal_systems_are_seldom_told_apart_by_mistake() -> None:
    wrong = 0
    for seed in range(60):
        systems = dict(zip("abcd", right(150, 0.8, 0.8, 0.8, 0.8, seed=seed), strict=True))
        wrong += min(pair.adjusted for pair in compare_all(systems, resamples=50)) < 0.1
    assert wrong <= 12  # 6 expected at most


def test_folds_that_share_their_training_items_are_not_taken_for_independent() -> None:
    """Nadeau and Bengio's case: two equal learners (a mean of few items each) over random splits of one small set."""
    plain = corrected = 0
    draw = np.random.default_rng(0)
    for _ in range(300):
        x = draw.normal(size=(2, 40))
        trials = []
        for _ in range(10):
            order = draw.permutation(40)
            trained, tested = x[:, order[:36]].mean(axis=1), x[0, order[36:]]
            trials.append([((tested - mean) ** 2).mean() for mean in trained])
        one, other = np.array(trials).T
        plain += stats.ttest_rel(one, other).pvalue < 0.05
        corrected += corrected_resampled_t(one, other, test_share=0.1).p_value < 0.05
    assert corrected < plain / 2


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(MissingExtra, match="imagist\\[study\\]"):
        corrected_resampled_t([1, 2], [1, 3], test_share=0.2)
    with pytest.raises(MissingExtra, match="imagist\\[study\\]"):
        mcnemar(np.ones(2, bool), np.zeros(2, bool))


@pytest.mark.parametrize(
    "call",
    [
        lambda: holm([1.1]),
        lambda: holm([-0.1]),
        lambda: holm([float("nan")]),
        lambda: holm([[0.1]]),
        lambda: corrected_resampled_t([1], [1], test_share=0.2),
        lambda: corrected_resampled_t([1, float("nan")], [1, 2], test_share=0.2),
        lambda: corrected_resampled_t([1, 2], [1, 3], test_share=0.2, level=95),
        lambda: mcnemar(np.ones(3, bool), np.ones(2, bool)),
        lambda: corrected_resampled_t([1, 2], [1, 2, 3], test_share=0.2),
        lambda: corrected_resampled_t([1, 2], [1, 3], test_share=1.0),
        lambda: compare_all({"a": np.ones(3)}),
        lambda: compare_all({"a": np.ones(3), "b": np.ones(4)}),
        lambda: compare_all({"a": np.ones((0, 3)), "b": np.ones((0, 3))}),
        lambda: compare_all({"a": np.ones(0), "b": np.ones(0)}),
        lambda: compare_all({"a": np.full(3, 0.5), "b": np.ones(3)}),
        lambda: compare_all({"a": np.ones((2, 2, 2)), "b": np.ones((2, 2, 2))}),
        lambda: compare_all({"a": np.ones(3), "b": np.ones(3)}, level=1.0),
    ],
)
def test_refuses_what_makes_no_sense(call) -> None:
    with pytest.raises(UsageError):
        call()
