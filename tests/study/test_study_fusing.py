"""Fusions of a trial, each against the classifiers that it fuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import study_cases as cases
from imagist.classifiers.calibration import fit_temperature
from imagist.classifiers.fusion import calibrate, fit_logits, fit_stacking
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.study.config import Folds, Fusions
from imagist.study.dataset import trials
from imagist.study.fusing import Pair, calibrated, distilled, fused
from imagist.study.scores import Scores
from imagist.study.store import Store

KINDS = ("score", "logit", "stacking", "features")


class Case:
    """Scores of an image and a text classifier on the same trial."""

    def __init__(self, folder, fits=2, shots=0):
        self.store = Store(folder)
        self.data = cases.dataset(np.arange(300) % 3)
        self.trial = next(trials(Folds(number=3, inner=3, fits=fits, shots=shots), self.data))
        self.validation, self.test = (self.data.targets[rows] for rows in (self.trial.validation, self.trial.fold.test))
        self.image = cases.scores_on(self.trial, self.data.targets, skill=1.5, seed=1)
        self.text = cases.scores_on(self.trial, self.data.targets, skill=1.5, seed=2, width=5)

    def fuse(self, kind, image=None, text=None, settings=None, test=None):
        test = self.test if test is None else test
        pair = Pair(image or self.image, text or self.text, self.validation, test, self.data.labels, 7)
        return fused(kind, pair, settings or Fusions(), self.store)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_fusion_gives_distributions_over_the_rows_of_the_trial(case, kind):
    found = case.fuse(kind)
    for p, rows in ((found.validation, case.validation), (found.test, case.test)):
        assert p.shape == (len(rows), 3)
        assert p.dtype == np.float32
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (found.weight is None) == (found.sweep is None) == (kind != "score")


@pytest.mark.parametrize("kind", KINDS)
def test_every_fusion_learns_from_both(case, kind):
    both = (calibrated(each, case.validation, len(case.test), case.store).test for each in (case.image, case.text))
    singles = [negative_log_likelihood(each, case.test) for each in both]
    assert negative_log_likelihood(case.fuse(kind).test, case.test) < min(singles)


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_rows_are_not_fitted_on(case, kind):
    """Other targets of the test rows change the sweep, and nothing else."""
    first = case.fuse(kind)
    other = case.fuse(kind, test=(case.test + 1) % 3)
    np.testing.assert_array_equal(first.test, other.test)
    np.testing.assert_array_equal(first.validation, other.validation)
    if kind == "score":
        assert first.weight.weight == other.weight.weight
        assert (first.sweep != other.sweep).any()


@pytest.mark.parametrize("objective", ["nll", "accuracy"])
def test_score_fusion_is_calibrate_at_the_chosen_weight(case, objective):
    found = case.fuse("score", settings=Fusions(chosen_by=objective))
    theirs = calibrate(case.image.validation, case.text.validation, case.validation, objective=objective, seed=7)
    assert found.weight.weight == theirs.weight.weight == theirs.fusion.weight
    assert found.weight.interval == theirs.weight.interval
    np.testing.assert_array_equal(found.test, theirs.fuse(case.image.test, case.text.test))
    np.testing.assert_array_equal(found.validation, theirs.fuse(case.image.validation, case.text.validation))


@pytest.mark.parametrize("steps", [3, 11])
def test_the_ends_of_the_sweep_are_the_single_systems(case, steps):
    found = case.fuse("score", settings=Fusions(weights=steps))
    image, text = (
        calibrated(each, case.validation, len(case.test), case.store).test for each in (case.image, case.text)
    )
    assert len(found.sweep) == steps
    assert found.sweep[0] == accuracy(image, case.test) == accuracy(case.image.test, case.test)
    assert found.sweep[-1] == accuracy(text, case.test) == accuracy(case.text.test, case.test)
    middle = (image.astype(np.float64) + text) / 2
    assert found.sweep[steps // 2] == (middle.argmax(axis=1) == case.test).mean()


def test_a_single_classifier_is_calibrated_and_predicts_the_same(case):
    found = calibrated(case.image, case.validation, len(case.test), case.store)
    np.testing.assert_array_equal(found.test.argmax(axis=1), case.image.test.argmax(axis=1))
    temperature = fit_temperature(
        case.image.validation, case.validation, smoothing=1 / (len(case.validation) + 2)
    ).value
    powers = case.image.test.astype(np.float64) ** (1 / temperature)
    np.testing.assert_allclose(found.test, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)
    assert temperature != 1


def test_a_perfect_classifier_on_few_rows_does_not_become_certain(case):
    right = np.eye(3, dtype=np.float32)[case.validation] * 0.9 + np.float32(1 / 30)
    parts = np.split(right, [len(case.image.fits[0].validation)])
    sure = tuple(replace(each, validation=part) for each, part in zip(case.image.fits, parts, strict=True))
    assert 0.95 < calibrated(Scores(sure), case.validation, len(case.test), case.store).validation.max() < 0.999


def test_logits_are_a_product_of_powers(case):
    powers = fit_logits(case.image.validation, case.text.validation, case.validation)
    product = case.image.test.astype(np.float64) ** powers.image * case.text.test.astype(np.float64) ** powers.text
    np.testing.assert_allclose(case.fuse("logit").test, product / product.sum(axis=1, keepdims=True), rtol=1e-4)


def test_stacking_is_a_regression_over_both_logits(case):
    stack = fit_stacking(case.image.validation, case.text.validation, case.validation)
    both = np.log(np.concatenate([case.image.test, case.text.test], axis=1).astype(np.float64))
    powers = np.exp(both @ stack.matrix + stack.bias)
    np.testing.assert_allclose(case.fuse("stacking").test, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


def test_features_of_one_fit_are_never_found_by_another_s_network(case):
    first, second = case.image.fits
    changed = replace(
        second, validation_features=second.validation_features[::-1].copy(), test_features=second.test_features * 0
    )
    whole = case.fuse("features")
    other = case.fuse("features", image=Scores((first, changed)))
    rows = len(first.validation)
    np.testing.assert_array_equal(whole.validation[:rows].argmax(axis=1), other.validation[:rows].argmax(axis=1))
    assert (whole.validation[rows:].argmax(axis=1) != other.validation[rows:].argmax(axis=1)).any()


def test_a_student_knows_the_teacher_from_the_image_alone_and_is_taught_once(case, tmp_path):
    teacher, store = case.fuse("score"), Store(tmp_path)
    student = distilled(case.image, teacher, case.validation, case.data.labels, 7, store)
    assert student.validation.shape == teacher.validation.shape
    assert student.test.shape == teacher.test.shape
    assert student.weight is None
    assert accuracy(student.test, case.test) > 0.6
    reopened = Store(tmp_path)
    again = distilled(case.image, teacher, case.validation, case.data.labels, 7, reopened)
    np.testing.assert_array_equal(student.test, again.test)
    assert (store.computed, reopened.computed) == ({"distilled": 1}, {})
    distilled(case.image, case.fuse("logit"), case.validation, case.data.labels, 7, store)
    distilled(case.image, teacher, case.validation, case.data.labels, 8, store)
    assert store.computed == {"distilled": 3}


def test_unlabelled_rows_teach_a_student_and_are_not_tested(tmp_path):
    few = Case(tmp_path, shots=6)
    unlabelled = few.trial.unlabelled
    assert len(unlabelled) == 200 - 3 * 6
    for kind in KINDS:
        found = few.fuse(kind)
        assert (found.test.shape, found.unlabelled.shape) == ((100, 3), (len(unlabelled), 3))
    teacher, store = few.fuse("logit"), Store(tmp_path / "students")
    student = distilled(few.image, teacher, few.validation, few.data.labels, 7, store)
    shorter = Scores(
        tuple(replace(each, test=each.test[:100], test_features=each.test_features[:100]) for each in few.image.fits)
    )
    lone = distilled(
        shorter, replace(teacher, unlabelled=teacher.unlabelled[:0]), few.validation, few.data.labels, 7, store
    )
    truth = few.data.targets[few.trial.fold.test]
    assert negative_log_likelihood(student.test, truth) < negative_log_likelihood(lone.test, truth)


def same(first, second):
    for name in ("validation", "test", "unlabelled"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fusion_is_fitted_once_and_found_again_to_the_last_bit(tmp_path, monkeypatch, kind):
    case = Case(tmp_path, shots=12)
    first = case.fuse(kind)
    case.store = Store(tmp_path)
    for name in ("calibrate", "fit_logits", "fit_stacking", "fit_feature_fusion", "fit_temperature"):
        monkeypatch.setattr(f"imagist.study.fusing.{name}", None)
    again = case.fuse(kind)
    same(first, again)
    assert case.store.computed == {}
    if kind == "score":
        assert (again.weight.weight, again.weight.interval) == (first.weight.weight, first.weight.interval)
        for name in ("weights", "losses", "accuracies"):
            np.testing.assert_array_equal(getattr(again.weight, name), getattr(first.weight, name))
        np.testing.assert_array_equal(case.fuse(kind, settings=Fusions(weights=41)).sweep[::2], first.sweep)


def test_what_a_fusion_is_made_of_makes_another(case, tmp_path):
    case.store = Store(tmp_path)
    case.fuse("score")
    case.fuse("score", settings=Fusions(chosen_by="accuracy"))
    case.fuse("score", image=case.text, text=case.image)
    assert case.store.computed == {"score": 3}
    case.fuse("logit")
    case.fuse("logit", image=case.text, text=case.image)
    assert case.store.computed == {"score": 3, "logit": 2}


def test_a_temperature_is_fitted_once(case, tmp_path):
    store = Store(tmp_path)
    first, again = (calibrated(case.image, case.validation, len(case.test), store) for _ in range(2))
    same(first, again)
    calibrated(case.text, case.validation, len(case.test), store)
    assert store.computed == {"temperature": 2}
