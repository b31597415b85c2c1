"""The linear image classifier, beyond what all classifiers do."""

from __future__ import annotations

import numpy as np

from imagist.captioning.backends.stepwise import from_model
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
    captioner, classifier = from_model("embedded", options), load("embedded", options)
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
