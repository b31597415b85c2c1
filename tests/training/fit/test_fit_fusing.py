"""Fusions of a fit: fitted to held-out scores, measured without them."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.datasets.folds import stratified
from imagist.records import LabelSet
from imagist.training.fit.fusing import cross_fused, fit_fusion
from imagist.training.fit.measuring import measure

LABELS = LabelSet(("a", "b", "c"))


def scores(targets, skill, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(targets), 3))
    logits[np.arange(len(targets)), targets] += skill
    powers = np.exp(logits)
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def case():
    targets = np.random.default_rng(0).integers(0, 3, 240)
    return scores(targets, 2.0, 1), scores(targets, 1.5, 2), targets


@pytest.mark.parametrize("kind", ["score", "logit", "stacking"])
def test_two_classifiers_together_are_better_than_either(case, kind):
    image, text, targets = case
    found = cross_fused(kind, image, text, targets, LABELS, stratified(targets, 4, 0))
    for part in found:
        assert part.dtype == np.float32
        np.testing.assert_allclose(part.sum(1), 1, atol=1e-5)
    accuracy = measure(*found, targets, LABELS).accuracy
    assert accuracy["fused"].value > max(accuracy["image"].value, accuracy["text"].value)


def test_a_chosen_weight_is_kept_and_has_no_interval(case):
    fitted = fit_fusion("score", *case, LABELS, weight=0.3)
    assert fitted.fusion.weight == 0.3
    assert fitted.fusion.interval is None
    low, high = fit_fusion("score", *case, LABELS).fusion.interval
    assert 0 < low <= high < 1


def test_the_temperature_of_the_weight_is_the_one_of_the_grid(case):
    fitted = fit_fusion("score", *case, LABELS, weight=0.5)
    grid = fitted.calibration.by_weight
    assert fitted.calibration.of_fused.value == pytest.approx(grid[len(grid) // 2])


def test_figures_carry_intervals_that_shrink_with_images(case):
    image, text, targets = case
    few = measure(image[:20], text[:20], image[:20], targets[:20], LABELS).accuracy["image"]
    many = measure(image, text, image, targets, LABELS).accuracy["image"]
    assert many.high - many.low < few.high - few.low
    table = measure(image, text, image, targets, LABELS).as_table("dev")
    assert table["on"] == "split dev"
    assert measure(image, text, image, targets, LABELS).confusion.sum() == len(targets)
