"""Two opinions of a trial to one: each fusion against what it is made of."""

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
from imagist.study.joining import alone, distil, join
from imagist.study.opinions import Opinion
from imagist.study.store import Store

KINDS = ("score", "logit", "stacking", "features")


class Case:
    """An image's opinion and one of words, on the same trial."""

    def __init__(self, folder, fits=2, shots=0):
        self.store = Store(folder)
        self.data = cases.dataset(np.arange(300) % 3)
        self.trial = next(trials(Folds(number=3, inner=3, fits=fits, shots=shots), self.data))
        self.held, self.test = (self.data.targets[rows] for rows in (self.trial.held, self.trial.fold.test))
        self.image = cases.opinion_on(self.trial, self.data.targets, skill=1.5, seed=1)
        self.text = cases.opinion_on(self.trial, self.data.targets, skill=1.5, seed=2, width=5)

    def join(self, kind, image=None, text=None, settings=None, test=None):
        opinions, test = (image or self.image, text or self.text), self.test if test is None else test
        return join(kind, *opinions, self.held, test, self.data.labels, settings or Fusions(), 7, self.store)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_fusion_gives_distributions_over_the_rows_of_the_trial(case, kind):
    joined = case.join(kind)
    for found, rows in ((joined.held, case.held), (joined.test, case.test)):
        assert found.shape == (len(rows), 3)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (joined.weight is None) == (joined.sweep is None) == (kind != "score")


@pytest.mark.parametrize("kind", KINDS)
def test_every_fusion_learns_from_both(case, kind):
    both = (alone(each, case.held, len(case.test), case.store).test for each in (case.image, case.text))
    singles = [negative_log_likelihood(each, case.test) for each in both]
    assert negative_log_likelihood(case.join(kind).test, case.test) < min(singles)


@pytest.mark.parametrize("kind", KINDS)
def test_the_judged_rows_have_no_say(case, kind):
    """Other truths of the judged rows change the sweep that is drawn, and nothing else."""
    first = case.join(kind)
    other = case.join(kind, test=(case.test + 1) % 3)
    np.testing.assert_array_equal(first.test, other.test)
    np.testing.assert_array_equal(first.held, other.held)
    if kind == "score":
        assert first.weight.weight == other.weight.weight
        assert (first.sweep != other.sweep).any()


@pytest.mark.parametrize("objective", ["nll", "accuracy"])
def test_score_fusion_is_calibrate_at_the_chosen_weight(case, objective):
    joined = case.join("score", settings=Fusions(chosen_by=objective))
    found = calibrate(case.image.held, case.text.held, case.held, objective=objective, seed=7)
    assert joined.weight.weight == found.weight.weight == found.fusion.weight
    assert joined.weight.interval == found.weight.interval
    np.testing.assert_array_equal(joined.test, found.fuse(case.image.test, case.text.test))
    np.testing.assert_array_equal(joined.held, found.fuse(case.image.held, case.text.held))


@pytest.mark.parametrize("steps", [3, 11])
def test_the_ends_of_the_sweep_are_the_single_systems(case, steps):
    joined = case.join("score", settings=Fusions(weights=steps))
    seen, said = (alone(each, case.held, len(case.test), case.store).test for each in (case.image, case.text))
    assert len(joined.sweep) == steps
    assert joined.sweep[0] == accuracy(seen, case.test) == accuracy(case.image.test, case.test)
    assert joined.sweep[-1] == accuracy(said, case.test) == accuracy(case.text.test, case.test)
    middle = (seen.astype(np.float64) + said) / 2
    assert joined.sweep[steps // 2] == (middle.argmax(axis=1) == case.test).mean()


def test_a_single_opinion_is_tempered_and_says_the_same(case):
    found = alone(case.image, case.held, len(case.test), case.store)
    np.testing.assert_array_equal(found.test.argmax(axis=1), case.image.test.argmax(axis=1))
    temperature = fit_temperature(case.image.held, case.held, smoothing=1 / (len(case.held) + 2)).value
    powers = case.image.test.astype(np.float64) ** (1 / temperature)
    np.testing.assert_allclose(found.test, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)
    assert temperature != 1


def test_a_perfect_opinion_on_few_rows_does_not_come_out_as_certain(case):
    right = np.eye(3, dtype=np.float32)[case.held] * 0.9 + np.float32(1 / 30)
    parts = np.split(right, [len(case.image.fits[0].held)])
    sure = tuple(replace(each, held=part) for each, part in zip(case.image.fits, parts, strict=True))
    assert 0.95 < alone(Opinion(sure), case.held, len(case.test), case.store).held.max() < 0.999


def test_logits_are_a_product_of_powers(case):
    powers = fit_logits(case.image.held, case.text.held, case.held)
    product = case.image.test.astype(np.float64) ** powers.image * case.text.test.astype(np.float64) ** powers.text
    np.testing.assert_allclose(case.join("logit").test, product / product.sum(axis=1, keepdims=True), rtol=1e-4)


def test_stacking_is_a_regression_over_both_logits(case):
    stack = fit_stacking(case.image.held, case.text.held, case.held)
    both = np.log(np.concatenate([case.image.test, case.text.test], axis=1).astype(np.float64))
    powers = np.exp(both @ stack.matrix + stack.bias)
    np.testing.assert_allclose(case.join("stacking").test, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


def test_features_of_one_fit_are_never_joined_by_another_s_network(case):
    first, second = case.image.fits
    changed = replace(second, held_hidden=second.held_hidden[::-1].copy(), test_hidden=second.test_hidden * 0)
    whole = case.join("features")
    other = case.join("features", image=Opinion((first, changed)))
    rows = len(first.held)
    np.testing.assert_array_equal(whole.held[:rows].argmax(axis=1), other.held[:rows].argmax(axis=1))
    assert (whole.held[rows:].argmax(axis=1) != other.held[rows:].argmax(axis=1)).any()


def test_a_student_knows_the_teacher_from_the_image_alone_and_is_taught_once(case, tmp_path):
    teacher, store = case.join("score"), Store(tmp_path)
    student = distil(case.image, teacher, case.held, case.data.labels, 7, store)
    assert student.held.shape == teacher.held.shape
    assert student.test.shape == teacher.test.shape
    assert student.weight is None
    assert accuracy(student.test, case.test) > 0.6
    reopened = Store(tmp_path)
    again = distil(case.image, teacher, case.held, case.data.labels, 7, reopened)
    np.testing.assert_array_equal(student.test, again.test)
    assert (store.computed, reopened.computed) == ({"distilled": 1}, {})
    distil(case.image, case.join("logit"), case.held, case.data.labels, 7, store)
    distil(case.image, teacher, case.held, case.data.labels, 8, store)
    assert store.computed == {"distilled": 3}


def test_rows_that_shots_leave_over_teach_a_student_and_judge_nothing(tmp_path):
    few = Case(tmp_path, shots=6)
    spare = few.trial.spare
    assert len(spare) == 200 - 3 * 6
    for kind in KINDS:
        joined = few.join(kind)
        assert (joined.test.shape, joined.spare.shape) == ((100, 3), (len(spare), 3))
    teacher, store = few.join("logit"), Store(tmp_path / "students")
    student = distil(few.image, teacher, few.held, few.data.labels, 7, store)
    shorter = Opinion(
        tuple(replace(each, test=each.test[:100], test_hidden=each.test_hidden[:100]) for each in few.image.fits)
    )
    lone = distil(shorter, replace(teacher, spare=teacher.spare[:0]), few.held, few.data.labels, 7, store)
    truth = few.data.targets[few.trial.fold.test]
    assert negative_log_likelihood(student.test, truth) < negative_log_likelihood(lone.test, truth)


def same(first, second):
    for name in ("held", "test", "spare"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fusion_is_fitted_once_and_found_again_to_the_last_bit(tmp_path, monkeypatch, kind):
    case = Case(tmp_path, shots=12)
    first = case.join(kind)
    case.store = Store(tmp_path)
    for name in ("calibrate", "fit_logits", "fit_stacking", "fit_feature_fusion", "fit_temperature"):
        monkeypatch.setattr(f"imagist.study.joining.{name}", None)
    again = case.join(kind)
    same(first, again)
    assert case.store.computed == {}
    if kind == "score":
        assert (again.weight.weight, again.weight.interval) == (first.weight.weight, first.weight.interval)
        for name in ("weights", "losses", "accuracies"):
            np.testing.assert_array_equal(getattr(again.weight, name), getattr(first.weight, name))
        np.testing.assert_array_equal(case.join(kind, settings=Fusions(weights=41)).sweep[::2], first.sweep)


def test_what_a_fusion_is_made_of_makes_another(case, tmp_path):
    case.store = Store(tmp_path)
    case.join("score")
    case.join("score", settings=Fusions(chosen_by="accuracy"))
    case.join("score", image=case.text, text=case.image)
    assert case.store.computed == {"score": 3}
    case.join("logit")
    case.join("logit", image=case.text, text=case.image)
    assert case.store.computed == {"score": 3, "logit": 2}


def test_a_temperature_is_fitted_once(case, tmp_path):
    store = Store(tmp_path)
    first, again = (alone(case.image, case.held, len(case.test), store) for _ in range(2))
    same(first, again)
    alone(case.text, case.held, len(case.test), store)
    assert store.computed == {"temperature": 2}
