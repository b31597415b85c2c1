"""Settings for categories by name, fitted to images with other names."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.arrays import unit
from imagist.errors import DataError
from imagist.matching.prompts import Descriptions
from imagist.matching.zero_shot import NONE, layers
from imagist.records import LabelSet
from imagist.training.classifiers.zero_shot import fit_zero_shot

WIDTH, NAMES, NEW = 32, 24, 6


class World:
    """Images, and worse captions, of names; some texts are nearer to everything than others."""

    scale, id, concurrent = 10.0, "world", True

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.common = unit(self.rng.normal(size=WIDTH))
        own = unit(self.rng.normal(size=(NAMES + NEW, WIDTH)))
        self.vectors = unit(own + self.rng.uniform(0, 1, (NAMES + NEW, 1)) * self.common)
        self.own = own

    def embed(self, names, noise):
        rows = np.where(names[:, None] >= 0, self.own[names], unit(self.rng.normal(size=(len(names), WIDTH))))
        return unit(rows + self.common + noise * unit(self.rng.normal(size=rows.shape)))

    def texts(self, texts):
        return np.stack([self.vectors[int(text)] for text in texts]).astype(np.float32)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def found(world):
    names = np.concatenate([np.repeat(np.arange(NAMES), 20), np.full(200, -1)])
    return fit_zero_shot(world.embed(names, 0.8), world.embed(names, 1.6), names, world.vectors[:NAMES], categories=6)


def test_the_better_classifier_has_the_greater_weight(found):
    settings = found.settings
    assert settings.weight < 0.5
    assert settings.image_scale > settings.text_scale > 0
    assert found.accuracy > 0.9


def test_the_given_share_of_images_is_rejected_and_most_others_too(found):
    assert found.rejected == pytest.approx(0.05, abs=0.01)
    assert found.passed < 0.3


def test_it_holds_for_names_that_it_was_not_fitted_to(world, found):
    world.zero_shot, world.background = found.settings, found.background
    new = LabelSet(tuple(str(NAMES + number) for number in range(NEW)))
    image, _ = layers(world, Descriptions(new, {label: (label,) for label in new}))
    assert image.labels.names[-1] == NONE
    names = np.repeat(np.arange(NAMES, NAMES + NEW), 50)
    best = (world.embed(names, 0.8) @ image.weights.T + image.bias).argmax(1)
    assert (best == names - NAMES).mean() > 0.8
    assert (best == NEW).mean() < 0.15
    others = world.embed(np.repeat(np.arange(NAMES), 20), 0.8) @ image.weights.T + image.bias
    assert (others.argmax(1) == NEW).mean() > 0.7


def test_plain_cosines_need_no_background(world):
    names = np.concatenate([np.repeat(np.arange(NAMES), 20), np.full(200, -1)])
    arrays = world.embed(names, 0.8), world.embed(names, 1.6), names, world.vectors[:NAMES]
    found = fit_zero_shot(*arrays, categories=6, standardised=False)
    assert found.background is None
    assert found.settings.image_scale > 20  # cosines differ by less than 1
    assert found.rejected == pytest.approx(0.05, abs=0.01)


def test_equal_seeds_give_equal_settings(world):
    names = np.repeat(np.arange(8), 10)
    images, captions = world.embed(names, 0.8), world.embed(names, 1.0)
    one, other = (fit_zero_shot(images, captions, names, world.vectors[:8], seed=3) for _ in range(2))
    assert one.settings == other.settings
    assert one.background.id == other.background.id


@pytest.mark.parametrize(
    ("names", "width", "message"),
    [
        (np.array([0, 1, 2]), WIDTH, "do not fit"),
        (np.array([0, 1, 2, 3]), 3, "do not fit"),
        (np.array([0, 1, 2, -1]), WIDTH, "4 names"),
    ],
)
def test_what_does_not_fit_together_is_refused(names, width, message):
    rows = np.ones((4, WIDTH))
    with pytest.raises(DataError, match=message):
        fit_zero_shot(rows, rows, names, np.ones((4, width), np.float32))
