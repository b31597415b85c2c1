"""Temperature scaling: what it does to probabilities, and that the fit is the best there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imagist.classifiers.calibration import Temperature, fit_temperature, one_more
from imagist.errors import UsageError
from imagist.metrics.classes import expected_calibration_error, negative_log_likelihood

ROWS = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.floats(1e-6, 1)).map(
    lambda raw: (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
)


def overconfident(items: int, factor: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities sharper than the truth by a known factor, and targets drawn from the truth."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 1.5, size=(items, 5))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sharp = np.exp(logits * factor) / np.exp(logits * factor).sum(axis=1, keepdims=True)
    return sharp, np.array([draw.choice(5, p=row) for row in truth])


@settings(deadline=None)
@given(ROWS, st.floats(0.05, 20))
def test_rows_sum_to_1_and_keep_their_order(p: np.ndarray, value: float) -> None:
    scaled = Temperature(value).apply(p)
    assert scaled.dtype == np.float32
    assert scaled.sum(axis=1) == pytest.approx(np.ones(len(p)), abs=1e-5)
    in_order = np.take_along_axis(scaled, p.argsort(axis=1, kind="stable"), axis=1)
    assert (np.diff(in_order, axis=1) >= 0).all()


@settings(deadline=None)
@given(ROWS)
def test_temperature_1_changes_nothing(p: np.ndarray) -> None:
    assert Temperature(1.0).apply(p).tolist() == p.tolist()
    assert Temperature() == Temperature(1.0)


@settings(deadline=None)
@given(ROWS, st.floats(0.2, 5), st.floats(0.2, 5))
def test_temperatures_multiply(p: np.ndarray, first: float, second: float) -> None:
    twice = Temperature(second).apply(Temperature(first).apply(p))
    assert twice == pytest.approx(Temperature(first * second).apply(p), abs=2e-4)


def test_heat_flattens_and_cold_sharpens() -> None:
    p = np.array([[0.7, 0.2, 0.1]])
    assert Temperature(1000.0).apply(p) == pytest.approx(np.full((1, 3), 1 / 3), abs=1e-3)
    assert Temperature(0.01).apply(p) == pytest.approx(np.array([[1, 0, 0]]))
    assert Temperature(0.5).apply(p) == pytest.approx(np.array([[0.49, 0.04, 0.01]]) / 0.54)


@pytest.mark.parametrize("value", [0.05, 0.5, 2, 20])
def test_zeros_stay_zero_without_a_warning(value: float) -> None:
    scaled = Temperature(value).apply(np.array([[0, 1, 0], [0.5, 0.5, 0]], dtype=np.float32))
    assert scaled.tolist() == [[0, 1, 0], [0.5, 0.5, 0]]


def test_the_smallest_probabilities_survive_the_cold() -> None:
    scaled = Temperature(0.05).apply(np.array([[1e-38, 2e-38]], dtype=np.float32))
    assert np.isfinite(scaled).all()
    assert scaled[0, 1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("row", [[0.0, 0.0], [-0.1, 1.1], [float("nan"), 1], [float("inf"), 1]])
@pytest.mark.parametrize("value", [1.0, 2.0])
def test_refuses_rows_that_are_no_distribution(row: list[float], value: float) -> None:
    with pytest.raises(UsageError):
        Temperature(value).apply(np.array([row]))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_a_temperature_that_is_none(value: float) -> None:
    with pytest.raises(UsageError, match="temperature"):
        Temperature(value)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_finds_the_factor_that_was_put_in(factor: float) -> None:
    p, t = overconfident(8000, factor)
    assert fit_temperature(p, t).value == pytest.approx(factor, rel=0.06)


def test_the_fit_is_scipys_minimum() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    p, t = overconfident(400, 2.5, seed=3)
    best = optimize.minimize_scalar(
        lambda x: negative_log_likelihood(p ** (1 / np.exp(x)) / (p ** (1 / np.exp(x))).sum(1, keepdims=True), t),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit_temperature(p, t).value == pytest.approx(np.exp(best.x), rel=1e-5)


def test_the_fit_calibrates_probabilities() -> None:
    p, t = overconfident(3000, 3.0)
    held_out, truth = overconfident(3000, 3.0, seed=1)
    calibrated = fit_temperature(p, t).apply(held_out)
    assert expected_calibration_error(calibrated, truth) < 0.03 < expected_calibration_error(held_out, truth)
    assert negative_log_likelihood(calibrated, truth) < negative_log_likelihood(held_out, truth)


def test_the_bounds_hold() -> None:
    flawless = np.array([[0.6, 0.4], [0.3, 0.7]])
    hopeless = np.array([[0.6, 0.4], [0.7, 0.3]])
    assert fit_temperature(flawless, np.array([0, 1])) == Temperature(0.05)
    assert fit_temperature(hopeless, np.array([1, 1])) == Temperature(20.0)
    assert fit_temperature(flawless, np.array([0, 1]), bounds=(0.5, 2)) == Temperature(0.5)


@pytest.mark.parametrize("smoothing", [0.01, 0.1, 0.3])
def test_smoothed_the_fit_is_scipys_minimum(smoothing: float) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    p, t = overconfident(300, 2.0, seed=5)
    wanted = np.full(p.shape, smoothing / 4)
    wanted[np.arange(300), t] = 1 - smoothing

    def loss(x: float) -> float:
        powers = p ** (1 / np.exp(x))
        return float(-(wanted * np.log(powers / powers.sum(1, keepdims=True))).sum())

    best = optimize.minimize_scalar(loss, bounds=(-2, 2.9), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(p, t, smoothing=smoothing).value == pytest.approx(np.exp(best.x), rel=1e-5)


def test_smoothing_keeps_a_set_without_mistakes_from_certainty() -> None:
    flawless, targets = np.array([[0.6, 0.4], [0.4, 0.6]]), np.array([0, 1])
    smoothed = fit_temperature(flawless, targets, smoothing=1 / 4)
    assert smoothed.apply(flawless).max(axis=1) == pytest.approx([0.75, 0.75])  # (N + 1) / (N + 2), as Platt has it
    assert fit_temperature(np.ones((2, 1)), np.array([0, 0]), smoothing=0.1).value > 0


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_refuses_smoothing_that_is_no_share(smoothing: float) -> None:
    with pytest.raises(UsageError, match="smoothing"):
        fit_temperature(np.ones((2, 2)) / 2, np.array([0, 1]), smoothing=smoothing)


def test_a_target_of_probability_zero_is_dear_but_finite() -> None:
    p = np.array([[1.0, 0.0], [0.9, 0.1], [0.2, 0.8]])
    assert 1 < fit_temperature(p, np.array([1, 0, 1])).value <= 20


def test_the_fit_is_the_same_each_time_and_in_any_order() -> None:
    p, t = overconfident(200, 2.0)
    assert fit_temperature(p, t) == fit_temperature(p.copy(), t.copy())
    assert fit_temperature(p[::-1], t[::-1]).value == pytest.approx(fit_temperature(p, t).value, rel=1e-9)


@pytest.mark.parametrize(
    ("p", "t", "bounds"),
    [
        (np.ones((2, 2)) / 2, np.array([0]), (0.05, 20)),
        (np.ones((2, 2)) / 2, np.array([0, 2]), (0.05, 20)),
        (np.ones((2, 2)) / 2, np.array([0.0, 1.0]), (0.05, 20)),
        (np.ones((0, 2)), np.array([], dtype=int), (0.05, 20)),
        (np.ones((1, 2)) / 2, np.array([0]), (2, 1)),
        (np.ones((1, 2)) / 2, np.array([0]), (0, 1)),
    ],
)
def test_refuses_what_cannot_be_fitted(p: np.ndarray, t: np.ndarray, bounds: tuple[float, float]) -> None:
    with pytest.raises(UsageError):
        fit_temperature(p, t, bounds=bounds)


def test_an_item_of_weight_two_counts_as_two_items() -> None:
    p, targets = overconfident(60, 2.0)
    twice = np.repeat(np.arange(60), np.where(np.arange(60) < 20, 2, 1))
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)
    weighted = fit_temperature(p, targets, sample_weights=weights)
    assert weighted.value == pytest.approx(fit_temperature(p[twice], targets[twice]).value)
    assert weighted.value != pytest.approx(fit_temperature(p, targets).value, rel=1e-3)


def test_equal_weights_smooth_as_their_number_and_unequal_ones_more() -> None:
    assert one_more(8, np.full(8, 0.3)) == pytest.approx(one_more(8)) == pytest.approx(0.1)
    assert one_more(8, np.array([5.0] + [0.1] * 7)) > 0.2
