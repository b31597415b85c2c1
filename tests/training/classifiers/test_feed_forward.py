"""A network over features: what it learns, when it stops, and that what runs is what was learnt."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hidden_states import hidden_states
from torch.nn import functional as F

from imagist.errors import UsageError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.settings import from_table
from imagist.training.classifiers.feed_forward import Network, learn

pytestmark = pytest.mark.torch

QUICK = Network(hidden=16, epochs=30, patience=5, batch_size=32, learning_rate=1e-2)


def features(items: int, seed: int = 0, noise: float = 0.5):
    """What tells all four classes, and the classes."""
    image, text, targets = hidden_states(items, seed, noise)
    return np.concatenate([image, text], axis=1), targets


def fit(train, dev=None, seed=0, network=QUICK):
    """By cross-entropy; the network and its epochs."""
    truth = torch.from_numpy(train[1])
    return learn(network, train[0], truth, lambda logits, rows: F.cross_entropy(logits, truth[rows]), 4, dev, seed)


@pytest.mark.parametrize("hidden", [0, 16])
def test_dev_s_figures_are_those_of_what_runs(hidden) -> None:
    dev = features(200, seed=1)
    settings = Network(hidden=hidden, epochs=30, patience=3, batch_size=32, learning_rate=1e-2)
    network, history = fit(features(300), dev, network=settings)
    best = min(history, key=lambda epoch: epoch.dev_loss)
    assert negative_log_likelihood(network.scores(dev[0]), dev[1]) == pytest.approx(best.dev_loss, abs=1e-4)
    assert accuracy(network.scores(dev[0]), dev[1]) == pytest.approx(best.dev_accuracy)


def test_it_stops_when_dev_gets_no_better_and_keeps_the_best() -> None:
    # Few noisy examples and many units: it learns them by heart.
    settings = Network(hidden=64, epochs=200, patience=4, batch_size=8, learning_rate=2e-2, dropout=0, weight_decay=0)
    dev = features(200, 1, noise=2.0)
    network, history = fit(features(40, 0, noise=2.0), dev, network=settings)
    losses = [epoch.dev_loss for epoch in history]
    assert len(history) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 4
    assert [epoch.number for epoch in history] == list(range(1, len(history) + 1))
    assert negative_log_likelihood(network.scores(dev[0]), dev[1]) == pytest.approx(min(losses), abs=1e-4)


def test_without_dev_all_epochs_are_made() -> None:
    _, history = fit(features(300))
    assert len(history) == 30
    assert {(epoch.dev_loss, epoch.dev_accuracy) for epoch in history} == {(None, None)}
    assert history[-1].loss < history[0].loss / 2
    assert history[-1].train_accuracy > 0.9 > history[0].train_accuracy


def test_the_same_seed_gives_the_same_network_and_does_not_change_torchs_generator() -> None:
    train, dev = features(300), features(200, seed=1)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = fit(train, dev, seed=1)[0].tensors()
    assert torch.equal(torch.rand(1), expected)
    second, other = fit(train, dev, seed=1)[0].tensors(), fit(train, dev, seed=2)[0].tensors()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_a_linear_network_is_scikit_learns_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, targets = features(150, noise=1.5)
    network = Network(hidden=0, dropout=0, weight_decay=0, epochs=150, batch_size=150, learning_rate=0.1)
    ours, _ = fit((x, targets), network=network)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = linear_model.LogisticRegression(C=np.inf, max_iter=2000).fit(scaled, targets)
    assert ours.scores(x) == pytest.approx(theirs.predict_proba(scaled), abs=0.02)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    x, targets = features(200)
    x[:, 2] = 7
    assert accuracy(fit((x, targets))[0].scores(x), targets) > 0.9


def test_the_history_s_shares_are_of_what_is_wanted() -> None:
    """The loss knows nothing of it: a network that learns the wrong class is right of that alone."""
    x, targets = features(300)
    wrong = torch.from_numpy((targets + 1) % 4)
    _, history = learn(QUICK, x, wrong, lambda logits, rows: F.cross_entropy(logits, wrong[rows]), 4, (x, targets), 0)
    assert history[-1].train_accuracy > 0.9
    assert history[-1].dev_accuracy < 0.1


def test_settings_out_of_their_range_are_refused() -> None:
    assert from_table({"hidden": 8, "epochs": 3}, Network, "x") == Network(hidden=8, epochs=3)
    for wrong in ({"dropout": 1.0}, {"epochs": 0}, {"hidden": -1}, {"rate": 0.0}):
        with pytest.raises(UsageError):
            from_table(wrong, Network, "x")


@pytest.mark.parametrize(
    "change",
    [
        {"x": np.ones(2, np.float32)},
        {"x": np.ones((2, 0), np.float32)},
        {"x": np.full((2, 2), np.nan, np.float32)},
        {"dev": (np.ones((2, 3), np.float32), np.array([0, 1]))},
        {"dev": (np.full((2, 2), np.inf, np.float32), np.array([0, 1]))},
        {"dev": (np.ones((2, 2), np.float32), np.array([0, 9]))},
        {"dev": (np.ones((2, 2), np.float32), np.array([0]))},
    ],
)
def test_refuses_what_does_not_fit_together(change) -> None:
    case = {"x": np.ones((2, 2), np.float32), "dev": None, **change}
    with pytest.raises(UsageError):
        fit((case["x"], np.array([0, 1])), case["dev"])
