"""Networks over features, run without torch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from imagist.classifiers.fusion import FeatureFusion, FeedForward
from imagist.classifiers.image.distilled import DistilledClassifier
from imagist.errors import UsageError
from imagist.records import LabelSet

LABELS = LabelSet(("cat", "dog", "car"))


def network(*widths: int, seed: int = 0) -> FeedForward:
    draw = np.random.default_rng(seed)
    layers = [
        (draw.normal(size=(a, b)).astype(np.float32), draw.normal(size=b).astype(np.float32))
        for a, b in pairwise(widths)
    ]
    return FeedForward(tuple(layers))


def features(items: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(items, width)).astype(np.float32)


def test_by_hand() -> None:
    first = np.array([[1.0, -1.0]], np.float32), np.array([0.0, 1.0], np.float32)
    last = np.log(np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)), np.zeros(2, np.float32)
    scores = FeedForward((first, last)).scores(np.array([[1.0], [0.0], [-1.0]]))
    # Hidden: (1, 0), (0, 1), (0, 2) after rectifying.
    assert scores == pytest.approx(np.array([[2 / 3, 1 / 3], [1 / 4, 3 / 4], [1 / 10, 9 / 10]]), abs=1e-6)


@pytest.mark.parametrize("widths", [(5, 3), (5, 8, 3), (5, 4, 6, 3)])
def test_it_is_torchs(widths: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    ours, x = network(*widths), features(7, 5)
    value = torch.from_numpy(x)
    for number, (matrix, bias) in enumerate(ours.layers):
        value = value @ torch.from_numpy(matrix) + torch.from_numpy(bias)
        value = torch.relu(value) if number < len(ours.layers) - 1 else torch.softmax(value, 1)
    scores = ours.scores(x)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(value.numpy(), abs=1e-5)
    assert (ours.width, ours.classes) == (5, 3)


def test_no_items_give_no_rows() -> None:
    assert network(5, 4, 3).scores(np.empty((0, 5), np.float32)).shape == (0, 3)


def test_it_survives_safetensors() -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    before, x = network(5, 4, 3), features(6, 5)
    after = FeedForward.from_tensors(safetensors.load(safetensors.save(before.tensors())))
    assert after.scores(x).tobytes() == before.scores(x).tobytes()


@pytest.mark.parametrize("names", [[], ["0.matrix"], ["0.matrix", "1.bias"], ["0.matrix", "0.bias", "extra"]])
def test_refuses_tensors_of_something_else(names: list[str]) -> None:
    with pytest.raises(UsageError):
        FeedForward.from_tensors(dict.fromkeys(names, np.ones((2, 2), np.float32)))


@pytest.mark.parametrize(
    "layers",
    [
        (),
        ((np.ones((2, 3)), np.ones(2)),),
        ((np.ones(3), np.ones(3)),),
        ((np.ones((2, 3)), np.ones(3)), (np.ones((2, 3)), np.ones(3))),
        ((np.full((2, 3), np.nan), np.ones(3)),),
    ],
)
def test_refuses_layers_that_do_not_fit(layers) -> None:
    with pytest.raises(UsageError):
        FeedForward(layers)


def test_the_images_features_come_first() -> None:
    joint, image, text = network(5, 4, 3), features(6, 2), features(6, 3, seed=2)
    fused = FeatureFusion(joint, 2, LABELS).fuse_features(image, text)
    assert fused.tolist() == joint.scores(np.concatenate([image, text], axis=1)).tolist()
    assert fused.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-6)


@pytest.mark.parametrize("shapes", [((6, 3), (6, 2)), ((6, 2), (5, 3)), ((6, 2), (6, 4)), ((2,), (6, 3))])
def test_refuses_other_hidden_states(shapes) -> None:
    with pytest.raises(UsageError, match="hidden states"):
        FeatureFusion(network(5, 3), 2, LABELS).fuse_features(*(np.ones(shape, np.float32) for shape in shapes))


@pytest.mark.parametrize("width", [0, 5, 6, -1])
def test_refuses_a_width_that_leaves_a_classifier_without_features(width: int) -> None:
    with pytest.raises(UsageError, match="width"):
        FeatureFusion(network(5, 3), width, LABELS)


def test_a_network_of_other_classes_than_labels_is_refused() -> None:
    with pytest.raises(UsageError, match="4 classes for 3 labels"):
        FeatureFusion(network(5, 4), 2, LABELS)


def test_a_distilled_classifier_needs_the_image_alone() -> None:
    student, x = DistilledClassifier(LABELS, None, network(5, 3)), features(4, 5)
    assert student.scores_of(x).tolist() == student.network.scores(x).tolist()
    with pytest.raises(UsageError, match="features"):
        student.scores_of(features(4, 6))
    with pytest.raises(UsageError, match="labels"):
        DistilledClassifier(LABELS, None, network(5, 4))
