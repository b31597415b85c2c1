"""The fusion of two scores, and the choice of its weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fusion_cases import PAIRS, opinions
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.classifiers.fusion import LogitFusion, ScoreFusion, fit_weight, scores
from imagist.errors import UsageError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.protocols import Fusion, PartOptions


@settings(deadline=None)
@given(PAIRS, st.floats(0, 1))
def test_rows_sum_to_1_and_lie_between_the_two(pair: np.ndarray, weight: float) -> None:
    image, text = pair
    fused = ScoreFusion(weight).fuse(image, text)
    assert fused.dtype == np.float32
    assert fused.sum(axis=1) == pytest.approx(np.ones(len(fused)), abs=1e-6)
    assert (fused >= np.minimum(image, text) - 1e-7).all()
    assert (fused <= np.maximum(image, text) + 1e-7).all()


@settings(deadline=None)
@given(PAIRS)
def test_the_ends_are_the_single_classifiers_bit_for_bit(pair: np.ndarray) -> None:
    image, text = pair
    assert ScoreFusion(0.0).fuse(image, text).tobytes() == image.tobytes()
    assert ScoreFusion(1.0).fuse(image, text).tobytes() == text.tobytes()
    assert ScoreFusion(0).fuse(image, text).tobytes() == image.tobytes()


@settings(deadline=None)
@given(PAIRS, st.floats(0, 1))
def test_swapping_the_classifiers_swaps_their_weights(pair: np.ndarray, weight: float) -> None:
    image, text = pair
    assert ScoreFusion(weight).fuse(image, text) == pytest.approx(ScoreFusion(1 - weight).fuse(text, image), abs=1e-6)


def test_by_hand() -> None:
    fused = ScoreFusion(0.25).fuse(np.array([[1, 0]], np.float32), np.array([[0.2, 0.8]], np.float32))
    assert fused == pytest.approx(np.array([[0.8, 0.2]]))


def test_the_inputs_are_not_modified() -> None:
    image, text = np.full((1, 2), 0.5, np.float32), np.array([[0.9, 0.1]], np.float32)
    for weight in (0, 0.5, 1):
        ScoreFusion(weight).fuse(image, text)[:] = 7
    assert (image.tolist(), text[0, 0]) == ([[0.5, 0.5]], np.float32(0.9))


def test_follows_the_protocol() -> None:
    assert isinstance(ScoreFusion(0.5), Fusion)


@pytest.mark.parametrize("weight", [-0.01, 1.01, float("nan"), float("inf")])
def test_refuses_a_weight_outside(weight: float) -> None:
    with pytest.raises(UsageError, match="weight"):
        ScoreFusion(weight)


def test_refuses_probabilities_of_different_shapes() -> None:
    with pytest.raises(UsageError, match="shapes"):
        ScoreFusion(0.5).fuse(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32))


@pytest.mark.parametrize("objective", ["nll", "accuracy"])
def test_the_curve_and_the_choice_are_those_of_the_metrics(objective) -> None:
    image, text, targets = opinions(300, 1.5, 1.0)
    fitted = fit_weight(image, text, targets, grid=21, objective=objective)
    fused = [ScoreFusion(float(w)).fuse(image, text) for w in np.linspace(0, 1, 21)]
    assert fitted.losses == pytest.approx([negative_log_likelihood(f, targets) for f in fused])
    assert fitted.accuracies == pytest.approx([accuracy(f, targets) for f in fused])
    if objective == "nll":
        assert fitted.weight == fitted.weights[fitted.losses.argmin()]
    else:
        best = np.flatnonzero(fitted.accuracies == fitted.accuracies.max())
        assert fitted.weight == fitted.weights[best[fitted.losses[best].argmin()]]
    assert fitted.interval[0] <= fitted.weight <= fitted.interval[1]


@settings(deadline=None)
@given(st.integers(0, 50))
def test_the_loss_is_convex_in_the_weight(seed: int) -> None:
    image, text, targets = opinions(30, 1.0, 1.0, seed)
    curve = fit_weight(image, text, targets, grid=11, resamples=1).losses
    assert (np.diff(curve, 2) >= -1e-6).all()


@pytest.mark.parametrize(
    ("image", "text", "low", "high"), [(2.5, 0.3, 0.0, 0.2), (0.3, 2.5, 0.8, 1.0), (1.5, 1.5, 0.35, 0.65)]
)
def test_the_better_classifier_has_the_greater_weight(image: float, text: float, low: float, high: float) -> None:
    first, second, targets = opinions(4000, image, text)
    assert low <= fit_weight(first, second, targets).weight <= high


def test_fusing_at_the_fitted_weight_beats_either_on_items_not_fitted_on() -> None:
    weight = fit_weight(*opinions(2000, 1.5, 1.5)).weight
    image, text, targets = opinions(4000, 1.5, 1.5, seed=1)
    fused = ScoreFusion(weight).fuse(image, text)
    assert accuracy(fused, targets) > max(accuracy(image, targets), accuracy(text, targets)) + 0.02


def test_accuracy_as_objective_is_never_below_either_classifier_on_the_fitted_items() -> None:
    for seed in range(20):
        image, text, targets = opinions(40, 1.0, 0.5, seed)
        fitted = fit_weight(image, text, targets, objective="accuracy", resamples=1)
        fused = ScoreFusion(fitted.weight).fuse(image, text)
        assert accuracy(fused, targets) >= max(accuracy(image, targets), accuracy(text, targets))


def test_of_weights_that_get_as_many_right_accuracy_takes_the_likeliest() -> None:
    image = np.array([[0.9, 0.1], [0.8, 0.2]], np.float32)
    text = np.array([[0.6, 0.4], [0.9, 0.1]], np.float32)
    fitted = fit_weight(image, text, np.array([0, 0]), objective="accuracy")
    assert set(fitted.accuracies) == {1}
    assert fitted.weight == fit_weight(image, text, np.array([0, 0])).weight
    assert fitted.losses.argmin() == np.flatnonzero(fitted.weights == fitted.weight)[0]


def test_the_interval_is_that_of_the_choice_made_again_on_resamples() -> None:
    image, text, targets = opinions(80, 1.2, 1.0)
    draw = np.random.default_rng(9)
    again = []
    for _ in range(300):
        index = draw.integers(80, size=80)
        again.append(fit_weight(image[index], text[index], targets[index], resamples=1).weight)
    expected = np.quantile(again, [0.025, 0.975])
    assert fit_weight(image, text, targets, resamples=4000).interval == pytest.approx(expected, abs=0.06)


def test_the_weight_of_another_family_is_chosen_the_same_way() -> None:
    image, text, targets = opinions(300, 1.5, 1.0)
    fitted = fit_weight(image, text, targets, family=LogitFusion.weighted, grid=11)
    fused = [LogitFusion(1 - w, w).fuse(image, text) for w in np.linspace(0, 1, 11)]
    assert fitted.losses == pytest.approx([negative_log_likelihood(f, targets) for f in fused])
    assert fitted.weight == fitted.weights[fitted.losses.argmin()]


def test_more_items_narrow_the_interval() -> None:
    few, many = (fit_weight(*opinions(items, 1.5, 1.5)).interval for items in (50, 5000))
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_the_same_call_gives_the_same_weight_and_interval() -> None:
    case = opinions(100, 1.0, 1.0)
    first, second, other = (fit_weight(*case, seed=seed) for seed in (1, 1, 2))
    assert (first.weight, first.interval) == (second.weight, second.interval)
    assert first.weight == other.weight


def test_drawing_in_parts_still_draws_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    case = opinions(50, 1.0, 1.0)
    whole = fit_weight(*case, resamples=500).interval
    monkeypatch.setattr("imagist.classifiers.fusion.scores._DRAWN_AT_ONCE", 7 * 50)
    assert fit_weight(*case, resamples=500).interval == pytest.approx(whole, abs=0.1)


@pytest.mark.parametrize(
    ("targets", "settings"),
    [([0], {}), ([0, 2], {}), ([0.0, 1.0], {}), ([0, 1], {"grid": 1}), ([0, 1], {"objective": "f1"})],
)
def test_refuses_what_cannot_be_fitted(targets, settings) -> None:
    scores = np.full((2, 2), 0.5, np.float32)
    with pytest.raises(UsageError):
        fit_weight(scores, scores, np.array(targets), **settings)


def test_an_item_of_weight_two_counts_as_two_items() -> None:
    image, text, targets = opinions(80, 1.0, 1.2)
    twice = np.repeat(np.arange(80), np.where(np.arange(80) < 30, 2, 1))
    weights = np.where(np.arange(80) < 30, 2.0, 1.0)
    weighted = fit_weight(image, text, targets, sample_weights=weights, resamples=1)
    repeated = fit_weight(image[twice], text[twice], targets[twice], resamples=1)
    assert weighted.weight == repeated.weight
    assert weighted.losses == pytest.approx(repeated.losses)
    assert weighted.accuracies == pytest.approx(repeated.accuracies)


def test_the_weights_of_taxonomies_are_saved_and_each_is_opened_by_its_name(tmp_path: Path) -> None:
    several = ScoreFusion(0.3, (0.2, 0.4), {"pets": ScoreFusion(0.7, (0.5, 0.8))})
    several.save(tmp_path / "fusion")
    opened = scores.load(str(tmp_path / "fusion"), PartOptions())
    assert (opened, opened.id) == (several, several.id)
    assert scores.load(str(tmp_path / "fusion"), PartOptions(taxonomy="pets")) == several.others["pets"]
    assert scores.load(str(tmp_path / "fusion"), PartOptions(taxonomy="other")) == several
