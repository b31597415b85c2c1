"""Hiding parts of an image: in its pixels, in what an encoder sees, and by leaving out features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import quadrants
from imagist.classifiers.uniform import Uniform
from imagist.explanation import ExplainOptions, explain
from imagist.explanation.hiding import HidingFromEncoder, HidingPixels, hiding
from imagist.explanation.regions import filling, hidden, single_cells
from imagist.records import Photo

OPTIONS = ExplainOptions()


@pytest.fixture(scope="module")
def photo(photos):
    """One of the size that the encoder sees: no resizing comes between."""
    pixels = np.random.default_rng(5).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    return Photo(pixels, "noise")


def test_parts_over_one_encoder_are_hidden_where_it_sees(pipeline):
    assert isinstance(hiding(pipeline, OPTIONS), HidingFromEncoder)
    assert isinstance(hiding(quadrants.pipeline(), OPTIONS), HidingPixels)


def test_views_that_are_not_the_image_as_a_square_are_hidden_in_pixels(pipeline, monkeypatch):
    monkeypatch.setattr(pipeline.captioner.encoder, "views", "letterbox")
    assert isinstance(hiding(pipeline, OPTIONS), HidingPixels)


def test_another_encoder_than_the_captioner_s_is_hidden_in_pixels(pipeline):
    other = replace(pipeline, image_classifier=Uniform(pipeline.image_classifier.labels))
    assert isinstance(hiding(other, OPTIONS), HidingPixels)


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_what_the_encoder_sees_without_a_part_is_the_photo_without_it(pipeline, photo, fill):
    options = ExplainOptions(fill=fill)
    masks = single_cells(7)[[0, 24, 30]]
    copies = list(hiding(pipeline, options).copies(photo, masks))
    expected = [hidden(photo, mask, filling(photo, fill)) for mask in masks]
    encoder = pipeline.captioner.encoder
    for copy, plain in zip(copies, expected, strict=True):
        np.testing.assert_allclose(encoder.grids([copy])[0], encoder.grids([plain])[0], atol=1e-5)
        assert np.array_equal(copy.pixels, plain.pixels)


def test_a_part_that_is_hidden_twice_is_encoded_once(pipeline, photo, monkeypatch):
    encoder, runs = pipeline.captioner.encoder, []
    own = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda pixels: runs.append(len(pixels)) or own(pixels))
    encoder.grids(list(hiding(pipeline, OPTIONS).copies(photo, single_cells(7)[[3, 3, 4]])))
    assert runs == [2]


def test_a_cell_that_is_left_out_leaves_the_mean_of_the_others(pipeline, photo):
    encoder = pipeline.captioner.encoder
    (grid,) = encoder.grids([photo])
    copies = list(hiding(pipeline, OPTIONS).cells(photo, 7))
    assert len(copies) == 49
    features = np.stack([encoder.grids([copy])[0][0].mean(0) for copy in copies])
    others = np.stack([np.delete(grid[0], cell, 0).mean(0) for cell in range(49)])
    np.testing.assert_allclose(features, others, atol=1e-4)


@pytest.mark.parametrize("options", [ExplainOptions(exact=True), ExplainOptions(grid=3)])
def test_cells_of_another_grid_or_exactly_are_hidden(pipeline, photo, options):
    copies = list(hiding(pipeline, options).cells(photo, options.grid))
    plain = hidden(photo, single_cells(options.grid)[1], filling(photo, "mean"))
    encoder = pipeline.captioner.encoder
    assert len(copies) == options.grid**2
    np.testing.assert_allclose(encoder.grids([copies[1]])[0], encoder.grids([plain])[0], atol=1e-5)


def test_explanations_of_photos_together_are_those_of_each_alone(pipeline, photos):
    together = explain(pipeline, photos[:3], OPTIONS)
    for photo, one in zip(photos[:3], together, strict=True):
        (alone,) = explain(pipeline, [Photo(photo.pixels, photo.source, photo.size)], OPTIONS)
        np.testing.assert_allclose(one.cells, alone.cells, atol=1e-5)
        assert [w.region.removed.caption.text for w in one.words if w.region] == [
            w.region.removed.caption.text for w in alone.words if w.region
        ]
