"""The network over both hidden states: what it learns, and that it runs alike without torch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from hidden_states import hidden_states

from imagist.errors import UsageError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.records import LabelSet
from imagist.settings import from_table, to_toml
from imagist.training.classifiers.feature_fusion import Features, fit_feature_fusion
from imagist.training.classifiers.feed_forward import Network

pytestmark = pytest.mark.torch

LABELS = LabelSet(("a", "b", "c", "d"))
QUICK = Network(hidden=16, epochs=30, patience=5, batch_size=32, learning_rate=1e-2)


def fit(network=QUICK):
    return fit_feature_fusion(Features(network=network), *hidden_states(300), LABELS, hidden_states(200, seed=1))


def test_it_learns_from_both_features_what_neither_has_alone() -> None:
    image, text, targets = hidden_states(500, seed=2)
    fused = fit().classifier.fuse_features(image, text)
    assert fused.shape == (500, 4)
    assert fused.dtype == np.float32
    assert accuracy(fused, targets) > 0.9  # either side alone gets half
    without = fit().classifier.fuse_features(image, np.zeros_like(text))
    assert accuracy(without, targets) < 0.7


@pytest.mark.parametrize("hidden", [0, 16])
def test_dev_s_figures_are_those_of_what_runs(hidden) -> None:
    network = Network(hidden=hidden, epochs=30, patience=3, batch_size=32, learning_rate=1e-2)
    fitted = fit(network=network)
    image, text, targets = hidden_states(200, seed=1)
    scores = fitted.classifier.fuse_features(image, text)
    best = min(fitted.history, key=lambda epoch: epoch.dev_loss)
    assert negative_log_likelihood(scores, targets) == pytest.approx(best.dev_loss, abs=1e-4)
    assert accuracy(scores, targets) == pytest.approx(best.dev_accuracy)


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
