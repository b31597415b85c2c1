"""The logarithmic pool, and that its powers are the likeliest there are."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fusion_cases import PAIRS, opinions, sharpened
from hypothesis import given
from hypothesis import strategies as st

from imagist.classifiers.fusion import LogitFusion, ScoreFusion, fit_logits
from imagist.errors import MissingExtra, UsageError
from imagist.metrics.classes import accuracy, expected_calibration_error, negative_log_likelihood
from imagist.protocols import Fusion

POWERS = st.floats(0, 5)


@given(PAIRS, POWERS, POWERS)
def test_rows_sum_to_1(pair: np.ndarray, image: float, text: float) -> None:
    fused = LogitFusion(image, text).fuse(*pair)
    assert fused.dtype == np.float32
    assert (fused >= 0).all()
    assert fused.sum(axis=1) == pytest.approx(np.ones(len(fused)), abs=1e-6)


@given(PAIRS)
def test_the_ends_are_the_single_classifiers_bit_for_bit(pair: np.ndarray) -> None:
    image, text = pair
    for fusion in (LogitFusion(1, 0), LogitFusion.weighted(0), LogitFusion.weighted(0.0)):
        assert fusion.fuse(image, text).tobytes() == image.tobytes()
    for fusion in (LogitFusion(0, 1), LogitFusion.weighted(1), LogitFusion.weighted(1.0)):
        assert fusion.fuse(image, text).tobytes() == text.tobytes()


@given(PAIRS, st.floats(0, 1))
def test_equal_probabilities_stay_unchanged(pair: np.ndarray, weight: float) -> None:
    assert LogitFusion.weighted(weight).fuse(pair[0], pair[0]) == pytest.approx(pair[0], abs=1e-6)


@given(PAIRS, POWERS, POWERS, st.randoms(use_true_random=False))
def test_no_class_and_no_item_is_special(pair: np.ndarray, image: float, text: float, draw) -> None:
    items, classes = (draw.sample(range(size), size) for size in pair.shape[1:])
    fused = LogitFusion(image, text).fuse(*pair)
    again = LogitFusion(image, text).fuse(*pair[:, items][:, :, classes])
    assert again == pytest.approx(fused[items][:, classes], abs=1e-6)


@given(PAIRS, POWERS, POWERS)
def test_swapping_the_classifiers_swaps_their_weights(pair: np.ndarray, image: float, text: float) -> None:
    one, other = LogitFusion(image, text).fuse(*pair), LogitFusion(text, image).fuse(*pair[::-1])
    assert one == pytest.approx(other, abs=1e-6)


def test_by_hand() -> None:
    image, text = np.array([[0.5, 0.25, 0.25]], np.float32), np.array([[0.2, 0.6, 0.2]], np.float32)
    assert LogitFusion(1, 1).fuse(image, text) == pytest.approx(np.array([[0.1, 0.15, 0.05]]) / 0.3)
    assert LogitFusion(2, 0).fuse(image, text) == pytest.approx(np.array([[4, 1, 1]]) / 6)
    assert LogitFusion(0, 0).fuse(image, text) == pytest.approx(np.full((1, 3), 1 / 3))
    geometric = np.sqrt([0.1, 0.15, 0.05])
    assert LogitFusion.weighted(0.5).fuse(image, text)[0] == pytest.approx(geometric / geometric.sum())


def test_a_probability_of_0_does_not_exclude_a_class() -> None:
    image, text = np.array([[1, 0, 0]], np.float32), np.array([[0, 1, 0]], np.float32)
    assert LogitFusion(1, 1).fuse(image, text) == pytest.approx(np.array([[0.5, 0.5, 0]]), abs=1e-6)


def test_no_items_give_no_rows() -> None:
    assert LogitFusion(1, 1).fuse(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32)).shape == (0, 3)


def test_the_inputs_are_not_modified() -> None:
    image, text = np.full((1, 2), 0.5, np.float32), np.array([[0.9, 0.1]], np.float32)
    for fusion in (LogitFusion(1, 0), LogitFusion(0, 1), LogitFusion(1, 1)):
        fusion.fuse(image, text)[:] = 7
    assert (image.tolist(), text[0, 0]) == ([[0.5, 0.5]], np.float32(0.9))


def test_follows_the_protocol() -> None:
    assert isinstance(LogitFusion(1, 1), Fusion)


def test_classifiers_that_err_independently_are_multiplied_as_by_bayes_rule() -> None:
    fitted = fit_logits(*opinions(20_000, 1.0, 1.4))
    assert (fitted.image, fitted.text) == pytest.approx((1, 1), abs=0.05)


@pytest.mark.parametrize(("image", "text"), [(2.0, 0.5), (0.25, 4.0)])
def test_an_overconfident_classifier_gets_the_inverse_of_its_factor(image: float, text: float) -> None:
    first, second, targets = opinions(20_000, 1.0, 1.2)
    fitted = fit_logits(sharpened(first, image), sharpened(second, text), targets)
    assert (fitted.image * image, fitted.text * text) == pytest.approx((1, 1), abs=0.06)


def test_a_classifier_fused_with_itself_counts_once() -> None:
    image, _, targets = opinions(20_000, 1.2, 1.0)
    fitted = fit_logits(image, image, targets)
    assert fitted.image + fitted.text == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_powers_are_likelier(seed: int) -> None:
    image, text, targets = opinions(80, 1.0, 0.4, seed)
    fitted = fit_logits(image, text, targets)
    least = negative_log_likelihood(fitted.fuse(image, text), targets)
    for a in np.linspace(0, 3, 31):
        for b in np.linspace(0, 3, 31):
            assert negative_log_likelihood(LogitFusion(a, b).fuse(image, text), targets) >= least - 1e-6


def test_a_misleading_classifier_gets_power_0_and_no_negative_one() -> None:
    image, text, targets = opinions(500, 1.0, 1.0)
    misleading = np.roll(text, 1, axis=1)
    fitted = fit_logits(image, misleading, targets)
    assert fitted.text == 0
    assert fitted.image > 0.7


def test_the_bound_holds_where_there_is_no_mistake() -> None:
    flawless = np.array([[0.6, 0.4], [0.3, 0.7]], np.float32)
    assert fit_logits(flawless, flawless, np.array([0, 1]), most=3) == LogitFusion(3, 3)


def test_fused_is_better_than_either_and_calibrated_on_new_items() -> None:
    case = opinions(2000, 1.5, 1.5)
    powers, mean = fit_logits(*case), ScoreFusion(0.5)
    image, text, targets = opinions(4000, 1.5, 1.5, seed=1)
    fused = powers.fuse(image, text)
    assert accuracy(fused, targets) > max(accuracy(image, targets), accuracy(text, targets)) + 0.02
    assert (
        expected_calibration_error(fused, targets) < 0.03 < expected_calibration_error(mean.fuse(image, text), targets)
    )


@pytest.mark.parametrize("power", [-0.01, float("nan"), float("inf")])
def test_refuses_powers_that_are_none(power: float) -> None:
    for powers in ((power, 1), (1, power)):
        with pytest.raises(UsageError, match="power"):
            LogitFusion(*powers)


@pytest.mark.parametrize("weight", [-0.01, 1.01, float("nan")])
def test_refuses_a_weight_outside(weight: float) -> None:
    with pytest.raises(UsageError, match="weight"):
        LogitFusion.weighted(weight)


@pytest.mark.parametrize(
    ("shape", "targets", "most"), [((2, 3), [0, 1], 20), ((2, 2), [0], 20), ((2, 2), [0, 2], 20), ((2, 2), [0, 1], 0)]
)
def test_refuses_what_cannot_be_fitted(shape, targets, most) -> None:
    with pytest.raises(UsageError):
        fit_logits(np.full((2, 2), 0.5, np.float32), np.full(shape, 0.5, np.float32), np.array(targets), most=most)


def test_refuses_probabilities_of_different_shapes() -> None:
    with pytest.raises(UsageError, match="shapes"):
        LogitFusion(1, 1).fuse(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32))


def test_without_scipy_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match="imagist\\[study\\]"):
        fit_logits(*opinions(10, 1, 1))
