"""The linear image classifier, beyond what all classifiers do."""

from __future__ import annotations

import numpy as np
import pytest

import space_models
from imagist.bundle import open_folder
from imagist.captioning.backends.stepwise import load as load_captioner
from imagist.captioning.options import CaptionOptions
from imagist.classifiers.image.linear import load
from imagist.images import crops
from imagist.images.encoder import Encoders
from imagist.protocols import PartOptions
from imagist.records import Photo


def make(views):
    return load("embedded", PartOptions(views=views))


def test_several_views_are_averaged():
    wide = Photo(np.random.default_rng(0).integers(0, 256, (60, 200, 3), np.uint8))
    parts = [Photo(view) for view in crops(wide.pixels, 224)]
    assert len(parts) > 1
    expected = make("square").scores(parts).mean(0)
    np.testing.assert_allclose(make("crops").scores([wide])[0], expected, atol=1e-5)


def test_photos_with_different_numbers_of_views_go_together(photos):
    together = make("crops").scores(photos)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)


def test_captioner_and_classifier_share_one_encoding(photos, monkeypatch):
    options = CaptionOptions(encoders=Encoders())
    captioner, classifier = load_captioner("embedded", options), load("embedded", options)
    assert captioner.encoder is classifier.encoder
    runs, encode = [], classifier.encoder.encode
    monkeypatch.setattr(classifier.encoder, "encode", lambda pixels: runs.append(len(pixels)) or encode(pixels))
    captioner.caption(photos[:3])
    classifier.scores(photos[:3])
    assert runs == [3]


def test_features_have_the_width_of_the_layer_also_where_there_are_none(photos):
    classifier = make("square")
    assert classifier.hidden(photos[:2]).shape == (2, len(classifier.matrix))
    assert classifier.hidden([]).shape == (0, len(classifier.matrix))


@pytest.mark.parametrize("name", space_models.NAMES)
def test_one_that_was_fitted_to_a_space_is_served_by_any_encoder_of_it(photos, tmp_path, name):
    model = space_models.write(tmp_path / "model").path
    classifier = load(str(model), PartOptions(encoder=name))
    assert f"encoder={name}-" in classifier.id
    classifier.save(model / "image_classifier")
    card = open_folder(model / "image_classifier").card
    assert card["space"] == space_models.SPACE
    assert "encoder" not in card
    for other in space_models.NAMES:
        again = load(str(model / "image_classifier"), PartOptions(encoder=other))
        assert again.encoder.name == other
        assert (again.id == classifier.id) == (other == name)
        np.testing.assert_array_equal(again.scores(photos[:1]), classifier.scores(photos[:1]))
