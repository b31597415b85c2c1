"""A few images a category improve on the categories' names, and never lose much to them."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from imagist.arrays import softmax, unit
from imagist.errors import DataError
from imagist.matching.zero_shot import NONE, Layer
from imagist.records import LabelSet
from imagist.training.classifiers.few_shot import CAUTION, STRENGTHS, fit_few_shot

pytest.importorskip("scipy")

LABELS = LabelSet(tuple("abcdefgh"))
WIDTH = 48


class World:
    """Embeddings of categories; ``distance`` is how far the mean of a category's images lies from its name."""

    def __init__(self, distance, seed):
        self.rng = np.random.default_rng(seed)
        names = unit(self.rng.normal(size=(len(LABELS), WIDTH)))
        self.means = unit(names + distance * unit(self.rng.normal(size=names.shape)))
        self.gap = 1.5 * unit(self.rng.normal(size=WIDTH))
        rows, _ = self.draw(50)
        cosines = rows @ names.T
        spread = cosines.std(0)
        self.start = Layer(
            LABELS, (2 * names / spread[:, None]).astype(np.float32), (-2 * cosines.mean(0) / spread).astype(np.float32)
        )

    def draw(self, each):
        targets = np.repeat(np.arange(len(LABELS)), each)
        noise = unit(self.rng.normal(size=(len(targets), WIDTH)))
        return unit(self.means[targets] + 1.8 * noise + self.gap), targets


def accuracy(layer, rows, targets):
    return float(((rows @ layer.weights.T + layer.bias).argmax(1) == targets).mean())


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("each", [1, 2, 5, 10])
def test_images_do_not_make_it_worse_than_the_names_alone(distance, each):
    gains = []
    for seed in range(4):
        world = World(distance, seed)
        found = fit_few_shot(world.start, *world.draw(each))
        rows, targets = world.draw(100)
        gains.append(accuracy(found.layer, rows, targets) - accuracy(world.start, rows, targets))
    assert np.mean(gains) > -0.005
    assert min(gains) > -0.03
    if distance > 2 and each > 2:
        assert np.mean(gains) > 0.1


def test_the_strength_is_that_of_the_least_held_out_loss():
    world = World(3.0, 0)
    found = fit_few_shot(world.start, *world.draw(5))
    losses = dict(found.losses)
    assert [*losses] == [*STRENGTHS]
    assert losses[found.strength] == min(losses.values()) < losses[inf]


def test_infinite_strength_is_the_start():
    world = World(3.0, 0)
    found = fit_few_shot(world.start, *world.draw(3), strengths=[inf])
    assert found.strength == inf
    np.testing.assert_allclose(found.layer.weights, world.start.weights, atol=1e-5)
    np.testing.assert_allclose(found.layer.bias, world.start.bias, atol=1e-5)


def test_with_one_image_a_category_the_strength_goes_by_the_mistakes_of_the_names():
    world = World(3.0, 0)
    rows, targets = world.draw(1)
    found = fit_few_shot(world.start, rows, targets)
    wrong = 1 - accuracy(world.start, rows, targets)
    assert found.losses == ()
    assert found.strength == pytest.approx(CAUTION / wrong)
    right = fit_few_shot(world.start, unit(world.start.weights), np.arange(len(LABELS)))
    assert right.strength == inf


def test_the_fit_is_the_minimum_of_the_penalised_loss():
    world = World(2.0, 1)
    rows, targets = world.draw(4)
    layer = fit_few_shot(world.start, rows, targets, strengths=[0.1]).layer
    unit_of = np.sqrt(rows.var(0).sum())
    scaled = np.hstack([(rows - rows.mean(0)) / unit_of, np.ones((len(rows), 1))])

    def flat(each):
        bias = each.bias.astype(np.float64) + each.weights.astype(np.float64) @ rows.mean(0)
        return np.hstack([each.weights.astype(np.float64) * unit_of, bias[:, None]])

    change = flat(layer) - flat(world.start)
    slope = softmax(scaled @ flat(layer).T) - np.eye(len(LABELS))[targets]
    gradient = slope.T @ scaled + 0.1 * change
    assert np.abs(gradient).max() < 0.01
    assert np.abs(change).max() > 0.1


def test_none_of_these_keeps_its_score_and_categories_may_lack_images():
    world = World(2.0, 2)
    weights = np.vstack([world.start.weights, np.zeros((1, WIDTH), np.float32)])
    start = Layer(LabelSet((*LABELS, NONE)), weights, np.append(world.start.bias, np.float32(3)))
    rows, targets = world.draw(3)
    found = fit_few_shot(start, rows[targets < 5], targets[targets < 5]).layer
    assert found.labels == start.labels
    np.testing.assert_array_equal(found.weights[-1], 0)
    assert found.bias[-1] == 3


def test_equal_seeds_give_equal_layers():
    world = World(2.0, 3)
    rows, targets = world.draw(4)
    one, other = (fit_few_shot(world.start, rows, targets, seed=5).layer for _ in range(2))
    np.testing.assert_array_equal(one.weights, other.weights)


@pytest.mark.parametrize(
    ("rows", "targets"),
    [
        (np.ones((2, WIDTH)), np.array([0])),
        (np.ones((2, 3)), np.array([0, 1])),
        (np.ones((2, WIDTH)), np.array([0, 8])),
        (np.ones((2, WIDTH)), np.array([0.0, 1.0])),
        (np.ones((0, WIDTH)), np.array([], int)),
        (np.full((2, WIDTH), np.nan), np.array([0, 1])),
    ],
)
def test_what_does_not_fit_together_is_refused(rows, targets):
    with pytest.raises(DataError):
        fit_few_shot(World(1.0, 0).start, rows, targets)


@pytest.mark.slow
@pytest.mark.data
def test_real_images_improve_on_vague_names(data):
    import pyarrow.parquet as pq

    from imagist import load
    from imagist.classifiers.image.linear import pooled
    from imagist.images import decode

    rows = pq.read_table(data / "photos15.parquet", columns=["image", "label", "split"]).to_pylist()
    rng = np.random.default_rng(0)
    kept = [rows[i] for i in rng.permutation(len(rows))[:500]]
    encoder = load(threads=1).image_classifier.encoder
    found = unit(pooled(encoder, [decode(row["image"]["bytes"]) for row in kept], normalised=True))
    labels = LabelSet(tuple(sorted({row["label"] for row in rows})))
    targets = np.array([labels.index(row["label"]) for row in kept])
    first, rest = np.arange(500) < 200, np.arange(500) >= 200
    means = np.stack([found[targets == c].mean(0) for c in range(len(labels))])
    names = unit(
        means
        - found.mean(0)
        + 0.9 * np.linalg.norm(means - found.mean(0), axis=1).mean() * unit(rng.normal(size=means.shape))
    )
    start = Layer(labels, 40 * names, -40 * names @ found.mean(0))
    for each in (1, 5):
        chosen = np.concatenate([np.flatnonzero(first & (targets == c))[:each] for c in range(len(labels))])
        layer = fit_few_shot(start, found[chosen], targets[chosen]).layer
        assert accuracy(layer, found[rest], targets[rest]) >= accuracy(start, found[rest], targets[rest])
