"""Distillation: the student learns what the teacher thinks, from the image alone."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from imagist.classifiers.calibration import Temperature
from imagist.errors import UsageError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.records import LabelSet
from imagist.settings import from_table
from imagist.training.classifiers.distilled import Distillation, fit_distilled
from imagist.training.classifiers.feed_forward import Network

pytestmark = pytest.mark.torch

LABELS = LabelSet(("a", "b", "c"))
LINEAR = Network(hidden=0, dropout=0, weight_decay=0, epochs=60, batch_size=64, learning_rate=5e-2)
DIRECTIONS = np.random.default_rng(9).normal(size=(6, 3))


def truth(items: int, seed: int):
    """Images whose class is a softmax of their features; what a perfect teacher thinks; what is so."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(items, 6)).astype(np.float32)
    powers = np.exp(features @ DIRECTIONS)
    teacher = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return features, teacher, np.array([draw.choice(3, p=row / row.sum()) for row in teacher.astype(np.float64)])


def distil(features, thought, targets, dev=None, seed=0, **settings):
    settings = {"network": LINEAR, **settings}
    return fit_distilled(Distillation(**settings), features, thought, targets, LABELS, dev, seed)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_the_student_takes_over_what_the_teacher_thinks_at_any_temperature(temperature: float) -> None:
    features, teacher, _ = truth(300, 0)
    student = distil(features, teacher, [None] * 300, temperature=temperature).classifier
    others, thought, _ = truth(200, 1)
    assert student.classes == len(LABELS)
    assert student.scores(others).dtype == np.float32
    assert student.scores(others) == pytest.approx(thought, abs=0.03)


def test_a_good_teacher_teaches_more_than_the_truth_of_few_examples() -> None:
    features, teacher, targets = truth(60, 0)
    others, _, wanted = truth(2000, 1)
    taught, told = (distil(features, teacher, targets, teacher=share).classifier for share in (0.9, 0.0))
    losses = [negative_log_likelihood(each.scores(others), wanted) for each in (taught, told)]
    assert losses[0] < losses[1] - 0.02


def test_without_the_teacher_it_is_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, teacher, targets = truth(200, 0)
    network = Network(hidden=0, dropout=0, weight_decay=0, epochs=200, batch_size=200, learning_rate=5e-2)
    ours = distil(features, teacher, targets, teacher=0.0, network=network).classifier.scores(features)
    theirs = linear_model.LogisticRegression(C=np.inf, max_iter=2000).fit(features, targets)
    assert ours == pytest.approx(theirs.predict_proba(features), abs=0.02)


def test_images_without_a_label_help() -> None:
    features, teacher, targets = truth(600, 0)
    teacher = Temperature(0.7).apply(teacher)
    few = slice(30)
    settings = {"teacher": 0.5, "network": Network(hidden=0, epochs=40, learning_rate=2e-2)}
    alone = distil(features[few], teacher[few], targets[few], **settings).classifier
    more = distil(features, teacher, [*targets[few], *[None] * 570], **settings).classifier
    others, _, wanted = truth(2000, 1)
    assert accuracy(more.scores(others), wanted) > accuracy(alone.scores(others), wanted) + 0.01


def test_the_loss_is_hintons() -> None:
    """One batch that holds everything, at a rate that moves nothing: the first epoch's loss is that of the start."""
    features, teacher, _ = truth(50, 0)
    targets = [None if n % 3 == 0 else n % 3 for n in range(50)]
    network = Network(hidden=0, dropout=0, weight_decay=0, epochs=1, batch_size=50, learning_rate=1e-12)
    fitted = distil(features, teacher, targets, temperature=3.0, teacher=0.6, network=network)
    start = fitted.classifier.scores(features).astype(np.float64)
    expected = []
    for row, (thought, target) in enumerate(zip(teacher.astype(np.float64), targets, strict=True)):
        soft, student = (values ** (1 / 3) / (values ** (1 / 3)).sum() for values in (thought, start[row]))
        imitation = 9 * (soft * np.log(soft / student)).sum()
        expected.append(imitation if target is None else 0.6 * imitation - 0.4 * np.log(start[row, target]))
    assert fitted.history[0].loss == pytest.approx(np.mean(expected), rel=1e-4)
    known = [teacher[n].argmax() if target is None else target for n, target in enumerate(targets)]
    assert fitted.history[0].train_accuracy == pytest.approx((start.argmax(axis=1) == known).mean())


def test_a_teacher_that_is_certain_gives_no_trouble() -> None:
    features, _, targets = truth(50, 0)
    fitted = distil(features, np.eye(3, dtype=np.float32)[targets], targets)
    assert np.isfinite([epoch.loss for epoch in fitted.history]).all()


def test_dev_chooses_the_epoch() -> None:
    features, teacher, targets = truth(200, 0)
    dev = truth(200, 1)[::2]
    network = Network(hidden=32, dropout=0, epochs=80, patience=3, learning_rate=3e-2)
    fitted = distil(features, teacher, targets, dev, network=network)
    best = min(epoch.dev_loss for epoch in fitted.history)
    assert len(fitted.history) < 80
    assert negative_log_likelihood(fitted.classifier.scores(dev[0]), dev[1]) == pytest.approx(best, abs=1e-4)


def test_the_same_seed_gives_the_same_student() -> None:
    case = truth(80, 0)
    network = Network(hidden=8, epochs=3)
    one, same, other = (distil(*case, seed=seed, network=network).classifier.scores(case[0]) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_settings_are_read_from_toml() -> None:
    settings = from_table(
        {"temperature": 4.0, "network": {"hidden": 0, "epochs": 5, "weight_decay": 1.0}}, Distillation, "x"
    )
    assert settings == Distillation(temperature=4.0, network=Network(hidden=0, epochs=5, weight_decay=1.0))
    for wrong in ({"temperature": 0.0}, {"teacher": 1.1}, {"kind": "linear"}):
        with pytest.raises(UsageError):
            from_table(wrong, Distillation, "x")


@pytest.mark.parametrize(
    "change",
    [
        {"features": np.ones((3, 6), np.float32)},
        {"features": np.ones(2, np.float32)},
        {"features": np.full((2, 6), np.inf, np.float32)},
        {"thought": np.full((2, 4), 0.25, np.float32)},
        {"thought": np.zeros((2, 3), np.float32)},
        {"targets": [0]},
        {"targets": [0, 3]},
        {"targets": [0.5, None]},
        {"targets": np.array([0, -1])},
        {"dev": (np.ones((2, 5), np.float32), np.array([0, 1]))},
    ],
)
def test_refuses_what_does_not_fit_together(change) -> None:
    thought = np.full((2, 3), 1 / 3, np.float32)
    case = {"features": np.ones((2, 6), np.float32), "thought": thought, "targets": [0, None], **change}
    with pytest.raises(UsageError):
        distil(**case)
