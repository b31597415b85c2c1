"""The linear image classifier, beyond what all classifiers do."""

from __future__ import annotations

import numpy as np

from imagist.bundle import open_bundle
from imagist.classifiers.image.linear import from_bundle
from imagist.images import crops
from imagist.images.encoder import Encoder
from imagist.records import Photo


def make(views):
    bundle = open_bundle("embedded")
    return from_bundle(bundle, Encoder(bundle, views=views))


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
    bundle = open_bundle("embedded")
    encoder = Encoder(bundle)
    runs, encode = [], encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda pixels: runs.append(len(pixels)) or encode(pixels))
    from_bundle(bundle, encoder).scores(photos[:3])
    from_bundle(bundle, encoder).scores(photos[:3])
    assert runs == [3]
