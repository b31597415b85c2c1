"""The network over both hidden states: what it learns, when it stops, and that it runs alike without torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from imagist.errors import UsageError  # noqa: E402
from imagist.metrics.classes import accuracy, negative_log_likelihood  # noqa: E402
from imagist.records import LabelSet  # noqa: E402
from imagist.settings import from_table, to_toml  # noqa: E402
from imagist.training.classifiers.feature_fusion import Features, Network, fit_feature_fusion, learn  # noqa: E402

pytestmark = pytest.mark.torch

LABELS = LabelSet(("a", "b", "c", "d"))
QUICK = Network(hidden=16, epochs=30, patience=5, batch=32, rate=1e-2)


def hidden_states(items: int, seed: int = 0, noise: float = 0.5):
    """The picture's states tell the first bit of the class, the words' the second; scales and offsets are awkward."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(4, size=items)
    first, second = ((2 * bit - 1)[:, None] for bit in (targets // 2, targets % 2))
    image = 100 + 30 * (np.array([[1, -1, 0]]) * first + noise * draw.normal(size=(items, 3)))
    text = 0.01 * (np.array([[1, 0]]) * second + noise * draw.normal(size=(items, 2)))
    return image.astype(np.float32), text.astype(np.float32), targets


def fit(items=300, dev=200, seed=0, network=QUICK):
    held_out = None if dev is None else hidden_states(dev, seed=1)
    return fit_feature_fusion(Features(network=network), *hidden_states(items), LABELS, held_out, seed)


def test_it_joins_what_neither_side_knows_alone() -> None:
    image, text, targets = hidden_states(500, seed=2)
    fused = fit().classifier.fuse_features(image, text)
    assert fused.shape == (500, 4)
    assert fused.dtype == np.float32
    assert accuracy(fused, targets) > 0.9  # either side alone gets half
    without = fit().classifier.fuse_features(image, np.zeros_like(text))
    assert accuracy(without, targets) < 0.7


@pytest.mark.parametrize("hidden", [0, 16])
def test_dev_s_figures_are_those_of_what_runs(hidden) -> None:
    network = Network(hidden=hidden, epochs=30, patience=3, batch=32, rate=1e-2)
    fitted = fit(network=network)
    image, text, targets = hidden_states(200, seed=1)
    scores = fitted.classifier.fuse_features(image, text)
    best = min(fitted.history, key=lambda epoch: epoch.dev_loss)
    assert negative_log_likelihood(scores, targets) == pytest.approx(best.dev_loss, abs=1e-4)
    assert accuracy(scores, targets) == pytest.approx(best.dev_accuracy)


def test_it_stops_when_dev_gets_no_better_and_keeps_the_best() -> None:
    # Few noisy examples and many units: it learns them by heart.
    settings = Features(network=Network(hidden=64, epochs=200, patience=4, batch=8, rate=2e-2, dropout=0, decay=0))
    noisy = [hidden_states(items, seed, noise=2.0) for items, seed in ((40, 0), (200, 1))]
    history = fit_feature_fusion(settings, *noisy[0], LABELS, noisy[1]).history
    losses = [epoch.dev_loss for epoch in history]
    assert len(history) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 4
    assert [epoch.number for epoch in history] == list(range(1, len(history) + 1))


def test_without_dev_all_epochs_are_made() -> None:
    fitted = fit(dev=None)
    assert len(fitted.history) == 30
    assert {(epoch.dev_loss, epoch.dev_accuracy) for epoch in fitted.history} == {(None, None)}
    assert fitted.history[-1].loss < fitted.history[0].loss / 2
    assert fitted.history[-1].train_accuracy > 0.9 > fitted.history[0].train_accuracy


def test_the_same_seed_gives_the_same_network_and_leaves_torchs_own_draws_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = fit(seed=1).classifier.network.tensors()
    assert torch.equal(torch.rand(1), expected)
    second, other = fit(seed=1).classifier.network.tensors(), fit(seed=2).classifier.network.tensors()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_a_linear_network_is_scikit_learns_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    image, text, targets = hidden_states(150, noise=1.5)
    x = np.concatenate([image, text], axis=1)
    truth = torch.from_numpy(targets)
    network = Network(hidden=0, dropout=0, decay=0, epochs=150, batch=150, rate=0.1)
    ours, _ = learn(network, x, truth, lambda logits, rows: F.cross_entropy(logits, truth[rows]), 4, None, 0)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = linear_model.LogisticRegression(C=np.inf, max_iter=2000).fit(scaled, targets)
    assert ours.scores(x) == pytest.approx(theirs.predict_proba(scaled), abs=0.02)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    image, text, targets = hidden_states(200)
    image[:, 2] = 7
    fitted = fit_feature_fusion(Features(network=QUICK), image, text, targets, LABELS)
    assert accuracy(fitted.classifier.fuse_features(image, text), targets) > 0.9


def test_settings_are_read_from_toml() -> None:
    table = {"kind": "features", "network": {"hidden": 8, "epochs": 3}}
    settings = from_table(table, Features, "x")
    assert settings == Features(network=Network(hidden=8, epochs=3))
    assert "hidden = 8" in to_toml(settings)
    for wrong in ({"dropout": 1.0}, {"epochs": 0}, {"hidden": -1}, {"rate": 0.0}):
        with pytest.raises(UsageError):
            from_table({"network": wrong}, Features, "x")


@pytest.mark.parametrize(
    "change",
    [
        {"image": np.ones((3, 2), np.float32)},
        {"image": np.ones(2, np.float32)},
        {"image": np.full((2, 2), np.nan, np.float32)},
        {"targets": np.array([0])},
        {"targets": np.array([0, 4])},
        {"dev": (np.ones((2, 2), np.float32), np.ones((2, 3), np.float32), np.array([0, 1]))},
        {"dev": (np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), np.array([0, 9]))},
    ],
)
def test_refuses_what_does_not_fit_together(change) -> None:
    ones = np.ones((2, 2), np.float32)
    case = {"image": ones, "text": ones, "targets": np.array([0, 1]), "dev": None, **change}
    with pytest.raises(UsageError):
        fit_feature_fusion(Features(network=QUICK), labels=LABELS, **case)
