"""Cosines by chance: their mean and spread over unlabelled images."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.arrays import unit
from imagist.bundle import open_folder, write_part
from imagist.errors import BundleError, DataError
from imagist.matching.background import Background, Spread, background_of, fit_background

RNG = np.random.default_rng(0)
IMAGES, CAPTIONS = (unit(RNG.normal(size=(50, 6)) + shift) for shift in (1.0, -0.5))
VECTORS = unit(RNG.normal(size=(4, 6)))


def test_mean_and_spread_are_those_of_the_cosines():
    found = fit_background(IMAGES, CAPTIONS)
    for (means, spreads), rows in ((found.of_images(VECTORS), IMAGES), (found.of_texts(VECTORS), CAPTIONS)):
        cosines = rows.astype(np.float64) @ VECTORS.T
        np.testing.assert_allclose(means, cosines.mean(0), atol=2e-3)
        np.testing.assert_allclose(spreads, cosines.std(0, ddof=1), rtol=5e-3)


def test_many_directions_are_summarised_by_a_few_and_by_each_coordinate():
    rows = unit(RNG.normal(size=(900, 200)) * np.linspace(0.2, 2, 200))
    vectors = unit(RNG.normal(size=(5, 200)))
    found = fit_background(rows, rows)
    assert found.image.factor.shape == (200, 128)
    assert np.diag(found.image.factor @ found.image.factor.T) + found.image.own == pytest.approx(rows.var(0), rel=0.02)
    np.testing.assert_allclose(found.of_images(vectors)[1], (rows @ vectors.T).std(0), rtol=0.1)


def test_a_spread_is_never_zero():
    _, spreads = fit_background(IMAGES[:1].repeat(3, 0), CAPTIONS).of_images(VECTORS)
    assert (spreads > 0).all()


def test_what_is_written_is_read(tmp_path):
    made = fit_background(IMAGES, CAPTIONS)
    write_part(tmp_path / "matcher", "clip", background__npz=made.content())
    found = background_of(open_folder(tmp_path / "matcher"))
    assert found is not None
    assert found.id == made.id != fit_background(IMAGES[1:], CAPTIONS).id
    write_part(tmp_path / "other", "clip", {"model": "x"})
    assert background_of(open_folder(tmp_path / "other")) is None


@pytest.mark.parametrize(
    ("images", "captions"), [(IMAGES[:1], CAPTIONS), (IMAGES, CAPTIONS[:0]), (IMAGES, CAPTIONS[:, 1:])]
)
def test_too_few_items_are_refused(images, captions):
    with pytest.raises(DataError):
        fit_background(images, captions)


def test_other_arrays_are_refused(tmp_path):
    from imagist.bundle import npz

    wrong = Background(Spread(IMAGES[0], IMAGES, IMAGES[0]), Spread(IMAGES[0], IMAGES.T, IMAGES[0])).content()
    for number, content in enumerate((wrong, npz(other=IMAGES))):
        write_part(tmp_path / str(number), "clip", background__npz=content)
        with pytest.raises(BundleError):
            background_of(open_folder(tmp_path / str(number)))
