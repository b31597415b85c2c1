"""The stack against scikit-learn's logistic regression, and what it learns that a weight cannot."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fusion_cases import CLASSES, PAIRS, opinions
from hypothesis import given
from hypothesis import strategies as st

from imagist.classifiers.fusion import PENALTIES, ScoreFusion, StackedFusion, fit_stacking, fit_weight
from imagist.errors import MissingExtra, UsageError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.protocols import Fusion


def stack(classes: int, seed: int = 0) -> StackedFusion:
    draw = np.random.default_rng(seed)
    return StackedFusion(
        draw.normal(size=(2 * classes, classes)).astype(np.float32), draw.normal(size=classes).astype(np.float32)
    )


def only(classes: int, image: float, text: float) -> StackedFusion:
    """The stack that is a logarithmic pool."""
    eye = np.eye(classes, dtype=np.float32)
    return StackedFusion(np.concatenate([image * eye, text * eye]), np.zeros(classes, np.float32))


@given(PAIRS, st.integers(0, 100))
def test_rows_sum_to_1(pair: np.ndarray, seed: int) -> None:
    fused = stack(pair.shape[2], seed).fuse(*pair)
    assert fused.dtype == np.float32
    assert fused.sum(axis=1) == pytest.approx(np.ones(len(fused)), abs=1e-6)


@given(PAIRS, st.integers(0, 100), st.randoms(use_true_random=False))
def test_no_class_and_no_item_is_special(pair: np.ndarray, seed: int, draw) -> None:
    items, order = (draw.sample(range(size), size) for size in pair.shape[1:])
    one, classes = stack(pair.shape[2], seed), pair.shape[2]
    halves = one.matrix.reshape(2, classes, classes)[:, order][:, :, order]
    again = StackedFusion(halves.reshape(2 * classes, classes), one.bias[order])
    expected = one.fuse(*pair)[items][:, order]
    assert again.fuse(*pair[:, items][:, :, order]) == pytest.approx(expected, abs=1e-5)


@given(PAIRS)
def test_it_can_equal_either_classifier(pair: np.ndarray) -> None:
    image, text = pair
    assert only(image.shape[1], 1, 0).fuse(image, text) == pytest.approx(image, abs=1e-6)
    assert only(image.shape[1], 0, 1).fuse(image, text) == pytest.approx(text, abs=1e-6)
    assert only(image.shape[1], 0.3, 0.7).fuse(text, text) == pytest.approx(text, abs=1e-6)


def test_certainty_does_not_break_it() -> None:
    sure = np.array([[1, 0], [0, 1]], np.float32)
    assert np.isfinite(stack(2).fuse(sure, sure[::-1])).all()


def test_follows_the_protocol() -> None:
    assert isinstance(stack(3), Fusion)


@pytest.mark.parametrize("penalty", [0.1, 0.01, 0.001])
def test_the_fit_is_scikit_learns(penalty: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    image, text, targets = opinions(200, 1.0, 0.8)
    columns = np.log(np.concatenate([image, text], axis=1).astype(np.float64))
    theirs = linear_model.LogisticRegression(C=1 / (2 * penalty * len(targets)), max_iter=5000, tol=1e-9)
    theirs.fit(columns, targets)
    ours = fit_stacking(image, text, targets, penalty=penalty)
    assert ours.fuse(image, text) == pytest.approx(theirs.predict_proba(columns), abs=1e-3)
    assert ours.matrix == pytest.approx(theirs.coef_.T, abs=5e-3)


def test_the_penalty_is_that_of_least_loss_in_cross_validation() -> None:
    image, text, targets = opinions(60, 1.2, 1.0)
    fold = np.random.default_rng(3).permutation(60) % 4
    losses = []
    for penalty in PENALTIES:
        fused = np.empty_like(image)
        for number in range(4):
            out = fold == number
            fitted = fit_stacking(image[~out], text[~out], targets[~out], penalty=penalty)
            fused[out] = fitted.fuse(image[out], text[out])
        losses.append(negative_log_likelihood(fused, targets))
    best = PENALTIES[int(np.argmin(losses))]
    expected = fit_stacking(image, text, targets, penalty=best)
    assert 0 < int(np.argmin(losses)) < len(PENALTIES) - 1
    assert fit_stacking(image, text, targets, folds=4, seed=3).matrix.tolist() == expected.matrix.tolist()


def test_classes_renamed_give_the_same_fit_renamed() -> None:
    image, text, targets = opinions(120, 1.0, 1.0)
    order = np.array([2, 0, 3, 1])
    back = np.argsort(order)
    one = fit_stacking(image, text, targets, penalty=0.01).fuse(image, text)
    other = fit_stacking(image[:, order], text[:, order], back[targets], penalty=0.01)
    assert other.fuse(image[:, order], text[:, order]) == pytest.approx(one[:, order], abs=1e-3)


def test_it_learns_which_classifier_is_right_in_which_class() -> None:
    def case(seed):
        """The words know the first two classes apart, the image the others; each guesses elsewhere."""
        image, text, targets = opinions(3000, 2.0, 2.0, seed)
        guessed = np.random.default_rng(seed).permutation(len(targets))
        image, text = image.copy(), text.copy()
        pairs = np.array([1, 0, 3, 2])
        swap = np.random.default_rng(seed + 1).random(len(targets)) < 0.5
        low, high = targets < 2, targets >= 2
        image[low & swap] = image[low & swap][:, pairs]
        text[high & swap] = text[high & swap][:, pairs]
        return image[guessed], text[guessed], targets[guessed]

    inner, outer = case(0), case(10)
    stacked = fit_stacking(*inner, penalty=1e-3).fuse(*outer[:2])
    weighted = ScoreFusion(fit_weight(*inner, resamples=1).weight).fuse(*outer[:2])
    assert accuracy(stacked, outer[2]) > accuracy(weighted, outer[2]) + 0.03


def test_beats_either_on_items_not_fitted_on() -> None:
    fitted = fit_stacking(*opinions(2000, 1.5, 1.5), penalty=1e-3)
    image, text, targets = opinions(4000, 1.5, 1.5, seed=1)
    fused = fitted.fuse(image, text)
    assert accuracy(fused, targets) > max(accuracy(image, targets), accuracy(text, targets)) + 0.02


def test_a_class_that_no_item_has_is_not_expected() -> None:
    image, text, targets = opinions(200, 1.0, 1.0)
    seen = targets < CLASSES - 1
    fused = fit_stacking(image[seen], text[seen], targets[seen], penalty=1e-3).fuse(image, text)
    assert fused[seen, -1].mean() < 0.05


@pytest.mark.parametrize(
    ("matrix", "bias"),
    [
        (np.ones((4, 3)), np.ones(3)),
        (np.ones((4, 2)), np.ones((2, 1))),
        (np.ones((0, 0)), np.ones(0)),
        (np.full((4, 2), np.nan), np.ones(2)),
        (np.ones((4, 2)), np.array([np.inf, 0])),
    ],
)
def test_refuses_what_is_no_stack(matrix, bias) -> None:
    with pytest.raises(UsageError):
        StackedFusion(matrix.astype(np.float32), bias.astype(np.float32))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((2, 4), (2, 4)), ((3,), (3,))])
def test_refuses_probabilities_of_other_shapes(shapes) -> None:
    with pytest.raises(UsageError):
        stack(3).fuse(*(np.full(shape, 0.25, np.float32) for shape in shapes))


@pytest.mark.parametrize(
    ("targets", "settings"),
    [([0], {}), ([0, 2], {}), ([0, 1], {"penalty": 0.0}), ([0, 1], {"folds": 1}), ([0, 1], {"folds": 3})],
)
def test_refuses_what_cannot_be_fitted(targets, settings) -> None:
    scores = np.full((2, 2), 0.5, np.float32)
    with pytest.raises(UsageError):
        fit_stacking(scores, scores, np.array(targets), **settings)


def test_without_scipy_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match="imagist\\[study\\]"):
        fit_stacking(*opinions(10, 1, 1))
    assert stack(CLASSES).fuse(*opinions(10, 1, 1)[:2]).shape == (10, CLASSES)
