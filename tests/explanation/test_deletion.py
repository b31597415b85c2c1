"""The deletion score tells faithful explanations from random and from inverted ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import quadrants
from imagist.explanation import Curve, ExplainOptions, deletions, explain, faithfulness
from imagist.explanation.deletion import STEPS, attention_of_words, masks_of, ranking
from imagist.explanation.faithfulness import DELETIONS, PLACES, REGIONS

OPTIONS = ExplainOptions(grid=4)
PHOTOS = [quadrants.image(row, column) for row in (0, 1) for column in (0, 1)]


def explained(part=None):
    return explain(quadrants.pipeline(part=part), PHOTOS, OPTIONS)


def measured(explanations, part=None):
    return deletions(quadrants.pipeline(part=part), PHOTOS, explanations, OPTIONS)


def inverted(explanation):
    """The same, with every drop turned round."""
    said = explanation.prediction
    words = tuple(
        replace(word, text_probabilities=2 * said.text_probabilities - word.text_probabilities)
        for word in explanation.words
    )
    account = {name: -own for name, own in explanation.attributions.items()}
    return replace(
        explanation, words=words, cells=2 * said.image_probabilities - explanation.cells, attributions=account
    )


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_the_score_is_the_area_under_the_curve(heights):
    curve = Curve(np.array(heights), np.array([heights, [0.5] * len(heights)]))
    area = float(np.trapezoid(heights, np.linspace(0, 1, len(heights))))
    assert curve.score == pytest.approx(area, abs=1e-12)
    assert curve.random_score == pytest.approx((area + 0.5) / 2, abs=1e-12)


@given(st.integers(1, 60), st.integers(0, 9))
def test_masks_grow_from_nothing_to_all_in_the_order(count, seed):
    order = np.random.default_rng(seed).permutation(count)
    masks = masks_of(order, (count, 1))
    sizes = [int(mask.sum()) for mask in masks]
    assert len(masks) == min(STEPS, count) + 1
    assert (sizes[0], sizes[-1]) == (0, count)
    for mask, size in zip(masks, sizes, strict=True):
        assert set(np.flatnonzero(mask)) == set(order[:size].tolist())


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=1, max_size=20), st.integers(0, 5))
def test_a_ranking_falls_and_breaks_ties_by_chance(values, seed):
    importance = np.array(values)
    order = ranking(importance, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(values)))
    assert (np.diff(importance[order]) <= 0).all()


def test_ties_are_not_always_broken_alike():
    firsts = {int(ranking(np.zeros(9), np.random.default_rng(seed))[0]) for seed in range(30)}
    assert len(firsts) > 3


def test_the_curve_of_words_is_what_the_classifier_says():
    curve = measured(explained())[0]["words"]
    np.testing.assert_allclose(curve.ranked, [0.9, 0.3, 0.2, 0.2, 0.2], atol=1e-6)
    assert curve.random.shape[1] == 5
    np.testing.assert_allclose(curve.random[:, [0, -1]], [[0.9, 0.2]] * len(curve.random), atol=1e-6)


def test_the_curve_of_cells_falls_with_the_quadrant():
    curve = measured(explained())[0]["cells"]
    assert len(curve.ranked) == STEPS + 1
    np.testing.assert_allclose(curve.ranked[[0, 3, -1]], [0.95, 0.05, 0.05], atol=1e-6)  # 5 of 16 cells are gone by 3
    assert (np.diff(curve.ranked) <= 1e-6).all()


def test_attention_is_weighed_by_what_the_words_decided():
    (explanation, *_) = explained()
    looked = attention_of_words(explanation)
    expected = 0.6 * quadrants.quadrant(0, 0) / 4 + 0.1 / 16
    np.testing.assert_allclose(looked, expected, atol=1e-6)
    flat = replace(explanation, words=tuple(replace(w, text_probabilities=np.ones(2)) for w in explanation.words))
    np.testing.assert_allclose(attention_of_words(flat), quadrants.quadrant(0, 0) / 4 + 3 / 16, atol=1e-6)


def test_faithful_explanations_beat_random_ones_and_inverted_ones_are_worse():
    part = quadrants.Accounting()
    explanations = explained(part)
    faithful = faithfulness(explanations, measured(explanations, part))
    wrong = faithfulness(explanations, measured([*map(inverted, explanations)], part))
    assert set(faithful.deletions) == set(DELETIONS)
    for name in ("words", "attributions", "cells"):
        assert faithful.deletions[name].better.interval.low > 0, name
        assert wrong.deletions[name].better.interval.high < 0, name
    assert faithful.deletions["attention"].better.interval.low > 0


def test_a_words_region_matters_more_than_the_same_elsewhere():
    explanations = explain(quadrants.pipeline(), PHOTOS, ExplainOptions(grid=1, mass=1.0))
    found = faithfulness(explanations, [{}] * len(PHOTOS))
    assert set(found.regions) == set(REGIONS)
    assert (found.deletions, found.curves) == ({}, {})
    gone = found.regions["gone"]
    assert gone.figure == pytest.approx(0.25)  # "thing", "lies" and "here" are said whatever is seen
    assert gone.chance == 0
    assert gone.better.interval.value == pytest.approx(0.25)


def test_figures_are_means_over_photos_and_the_interval_is_of_their_differences():
    curves = [{"words": Curve(np.array([1, p, 0.0]), np.array([[1, q, 0.0]]))} for p, q in ((0.1, 0.5), (0.3, 0.4))]
    found = faithfulness([], curves)
    own = found.deletions["words"]
    assert own.photos == 2
    assert own.figure == pytest.approx((0.3 + 0.4) / 2)
    assert own.chance == pytest.approx((0.5 + 0.45) / 2)
    assert own.better.interval.value == pytest.approx(0.125)
    assert (own.better.interval.low, own.better.interval.high) == pytest.approx((0.05, 0.2))
    assert found.curves["words"].shape == (2, PLACES)
    np.testing.assert_allclose(found.curves["words"][:, 5], [0.2, 0.45])


def test_photos_without_words_or_attention_have_no_such_curves():
    part = quadrants.Quadrants(attention=False)
    curves = measured(explained(part), part)
    assert set(curves[0]) == {"words", "cells"}
    assert faithfulness(explained(part), curves).regions == {}
    assert faithfulness([], []).deletions == {}


def test_curves_repeat_themselves_and_the_seed_changes_the_random_ones():
    explanations = explained()
    first, again = measured(explanations), measured(explanations)
    other = deletions(quadrants.pipeline(), PHOTOS, explanations, replace(OPTIONS, seed=3))
    for name in ("words", "cells", "attention"):
        assert np.array_equal(first[0][name].random, again[0][name].random)
        assert not np.array_equal(first[0][name].random, other[0][name].random)
    np.testing.assert_array_equal(first[0]["words"].ranked, other[0]["words"].ranked)
