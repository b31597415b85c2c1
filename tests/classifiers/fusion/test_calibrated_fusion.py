"""Temperatures, weight and temperature again, fitted in this order on the same items."""

from __future__ import annotations

import numpy as np
import pytest
from fusion_cases import PAIRS, opinions, sharpened
from hypothesis import given

from imagist.classifiers.calibration import Temperature, fit_temperature
from imagist.classifiers.fusion import Calibrated, LogitFusion, ScoreFusion, calibrate, fit_weight
from imagist.errors import UsageError
from imagist.metrics.classes import accuracy, expected_calibration_error


def overconfident(items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image, text, targets = opinions(items, 1.4, 1.1, seed)
    return sharpened(image, 3), sharpened(text, 0.5), targets


def test_each_step_is_fitted_to_what_the_one_before_gives() -> None:
    image, text, targets = overconfident(400)
    fitted = calibrate(image, text, targets, resamples=200, seed=3)
    smoothing = 1 / 402
    assert fitted.image == fit_temperature(image, targets, smoothing=smoothing)
    assert fitted.text == fit_temperature(text, targets, smoothing=smoothing)
    seen, said = fitted.image.apply(image), fitted.text.apply(text)
    expected = fit_weight(seen, said, targets, resamples=200, seed=3)
    assert (fitted.weight.weight, fitted.weight.interval) == (expected.weight, expected.interval)
    assert fitted.fusion == ScoreFusion(expected.weight)
    assert fitted.fused == fit_temperature(fitted.fusion.fuse(seen, said), targets, smoothing=smoothing)
    assert fitted.fuse(image, text).tolist() == fitted.fused.apply(fitted.fusion.fuse(seen, said)).tolist()


def test_overconfident_and_underconfident_classifiers_are_calibrated_on_new_items() -> None:
    fitted = calibrate(*overconfident(3000), resamples=10)
    assert fitted.image.value == pytest.approx(3, rel=0.1)
    assert fitted.text.value == pytest.approx(0.5, rel=0.1)
    assert fitted.fused.value < 1  # a mean of two honest opinions is not sure enough
    image, text, targets = overconfident(4000, seed=1)
    fused = fitted.fuse(image, text)
    assert expected_calibration_error(fused, targets) < 0.03
    plain = ScoreFusion(fitted.weight.weight).fuse(fitted.image.apply(image), fitted.text.apply(text))
    assert expected_calibration_error(plain, targets) > 0.06
    assert accuracy(fused, targets) > max(accuracy(image, targets), accuracy(text, targets))


def test_a_weight_may_be_given_and_the_curve_is_there_all_the_same() -> None:
    case = overconfident(300)
    given_weight, chosen = calibrate(*case, weight=0.0, resamples=10), calibrate(*case, resamples=10)
    assert given_weight.fusion == ScoreFusion(0.0)
    assert given_weight.weight.weight == chosen.weight.weight > 0
    assert given_weight.fused.value == pytest.approx(1, abs=0.02)  # the image is calibrated already
    assert given_weight.fuse(*case[:2]) == pytest.approx(given_weight.image.apply(case[0]), abs=0.02)


def test_another_family() -> None:
    fitted = calibrate(*overconfident(500), family=LogitFusion.weighted, resamples=10, grid=21, objective="accuracy")
    assert fitted.fusion == LogitFusion.weighted(fitted.weight.weight)
    assert len(fitted.weight.weights) == 21


def test_a_classifier_without_mistakes_on_few_items_is_not_taken_for_certain() -> None:
    targets = np.arange(40) % 4
    flawless = sharpened(np.eye(4, dtype=np.float32)[targets] + 0.2, 1)
    fitted = calibrate(flawless, flawless, targets, resamples=10)
    assert fitted.image.value > 0.1
    assert 0.93 < fitted.fuse(flawless, flawless).max(axis=1).mean() < 0.995


@given(PAIRS)
def test_rows_sum_to_1(pair: np.ndarray) -> None:
    weight = fit_weight(*pair, np.zeros(pair.shape[1], int), resamples=1)
    fusion = Calibrated(Temperature(2.0), Temperature(0.5), ScoreFusion(0.3), Temperature(0.7), weight)
    fused = fusion.fuse(*pair)
    assert fused.dtype == np.float32
    assert fused.sum(axis=1) == pytest.approx(np.ones(len(fused)), abs=1e-5)


@pytest.mark.parametrize("targets", [[0], [0, 9], [0.0, 1.0]])
def test_refuses_what_cannot_be_fitted(targets) -> None:
    scores = np.full((2, 2), 0.5, np.float32)
    with pytest.raises(UsageError):
        calibrate(scores, scores, np.array(targets))
    with pytest.raises(UsageError, match="shapes"):
        calibrate(scores, scores[:1], np.array([0, 1]))
