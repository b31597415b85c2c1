"""The last layer over features: by steps, or its optimum."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("accelerate")

from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import DataError, UsageError
from imagist.training import checkpoint
from imagist.training.classifiers.heads_over_features import batches, fit_head
from imagist.training.classifiers.image_settings import Linear

pytestmark = pytest.mark.torch

CLASSES, WIDTH = 3, 5
STEPS = Linear(steps=25, batch_size=8, eval_every=10, learning_rate=0.05)


def blobs(number, seed):
    rng = np.random.default_rng(seed)
    targets = rng.integers(CLASSES, size=number)
    centres = np.random.default_rng(0).normal(size=(CLASSES, WIDTH)) / 2
    return (centres[targets] + rng.normal(size=(number, WIDTH))).astype(np.float32), targets


TRAIN, DEV = blobs(90, 1), blobs(60, 2)


def fit(settings, dev=DEV, seed=0, path=None, key="k", train=TRAIN):
    return fit_head(settings, train, dev, CLASSES, seed=seed, path=path, key=key)


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("penalty", [1e-2, 1e-3])
def test_the_optimum_is_scikit_learn_s(penalty):
    linear_model = pytest.importorskip("sklearn.linear_model")
    head = fit(Linear(solver="lbfgs", penalty=penalty), dev=None)
    theirs = linear_model.LogisticRegression(C=1 / (2 * penalty * len(TRAIN[1])), max_iter=1000, tol=1e-8).fit(*TRAIN)
    found = softmax(DEV[0] @ head.matrix + head.bias)
    np.testing.assert_allclose(found, theirs.predict_proba(DEV[0]), atol=2e-3)
    (epoch,) = head.history
    assert epoch.train_accuracy == pytest.approx(theirs.score(*TRAIN))
    assert (epoch.number, epoch.dev_accuracy, epoch.dev_loss) == (1, None, None)


def test_many_steps_come_near_the_optimum():
    optimum = fit(Linear(solver="lbfgs", penalty=0.0)).history[0]
    by_adam = fit(Linear(steps=900, batch_size=90, learning_rate=0.1, eval_every=300)).history[-1]
    by_sgd = fit(Linear(solver="sgd", steps=1500, batch_size=90, learning_rate=0.5, eval_every=300)).history[-1]
    for epoch in (by_adam, by_sgd):
        assert epoch.loss == pytest.approx(optimum.loss, abs=0.01)
        assert epoch.dev_loss == pytest.approx(optimum.dev_loss, abs=0.05)


def test_dev_chooses_the_penalty_and_the_temperature():
    chosen = fit(Linear(solver="lbfgs")).history[0]
    fixed = [fit(Linear(solver="lbfgs", penalty=penalty)).history[0] for penalty in (1e-2, 1e-4, 3e-6)]
    assert chosen.dev_loss <= min(epoch.dev_loss for epoch in fixed) + 1e-6
    with pytest.raises(UsageError, match="penalty"):
        fit(Linear(solver="lbfgs"), dev=None)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_history_has_an_epoch_every_so_many_steps(solver):
    metrics = pytest.importorskip("sklearn.metrics")
    head = fit(replace(STEPS, solver=solver))
    assert [epoch.number for epoch in head.history] == [1, 2, 3]  # 25 steps, a look every 10 and at the end
    assert head.history[-1].loss < head.history[0].loss
    scores = softmax((DEV[0] @ head.matrix + head.bias).astype(float))
    assert head.history[-1].dev_loss == pytest.approx(metrics.log_loss(DEV[1], scores), abs=1e-5)
    assert head.history[-1].dev_accuracy == pytest.approx(metrics.accuracy_score(DEV[1], scores.argmax(1)))


def test_before_the_first_step_all_classes_are_as_likely():
    head = fit(Linear(steps=1, batch_size=90, eval_every=1), dev=None)
    (epoch,) = head.history
    assert epoch.loss == pytest.approx(np.log(CLASSES), abs=1e-6)
    assert epoch.train_accuracy == pytest.approx((TRAIN[1] == 0).mean())
    assert epoch.dev_loss is None


def test_equal_seeds_give_equal_layers():
    one, same, other = fit(STEPS), fit(STEPS), fit(STEPS, seed=1)
    np.testing.assert_array_equal(one.matrix, same.matrix)
    assert one.history == same.history
    assert not np.array_equal(one.matrix, other.matrix)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("stopped_at", [1, 2])
def test_a_killed_fit_resumes_with_the_same_result(tmp_path, monkeypatch, solver, stopped_at):
    settings, saved, save = replace(STEPS, solver=solver), [], checkpoint.save

    def dying(path, state):
        save(path, state)
        saved.append(path)
        if len(saved) == stopped_at:
            raise KeyboardInterrupt

    unbroken = fit(settings)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", dying)
        with pytest.raises(KeyboardInterrupt):
            fit(settings, path=tmp_path / "a.pt")
    resumed = fit(settings, path=tmp_path / "a.pt")
    np.testing.assert_array_equal(resumed.matrix, unbroken.matrix)
    np.testing.assert_array_equal(resumed.bias, unbroken.bias)
    assert resumed.history == unbroken.history
    with monkeypatch.context() as patched:  # and once it is done, nothing is left to do
        patched.setattr(checkpoint, "save", lambda *_: pytest.fail("trained again"))
        assert fit(settings, path=tmp_path / "a.pt").history == unbroken.history


def test_the_checkpoint_of_another_fit_is_refused(tmp_path):
    fit(STEPS, path=tmp_path / "a.pt")
    with pytest.raises(DataError, match="other data or settings"):
        fit(STEPS, path=tmp_path / "a.pt", key="other")


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_every_pass_sees_every_row_once(number, size, seed):
    turns = -(-number // size)
    made = [*islice(batches(number, size, seed), 2 * turns)]
    for turn in (made[:turns], made[turns:]):
        assert sorted(np.concatenate(turn).tolist()) == [*range(number)]
        assert {len(rows) for rows in turn[:-1]} <= {size}
    again = [*islice(batches(number, size, seed), turns)]
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=False))
