"""Texts that raise the threshold of none of these."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.arrays import unit
from imagist.bundle import open_folder, write_part
from imagist.errors import BundleError
from imagist.matching.negatives import Negatives, negatives_of

RNG = np.random.default_rng(0)
WIDTH, TEXTS = 8, 5


@pytest.fixture
def negatives():
    vectors = unit(RNG.normal(size=(TEXTS, WIDTH))).astype(np.float16).astype(np.float32)
    return Negatives(vectors, 0.5, 400.0, 0.2)


def test_it_is_the_weight_times_what_the_nearest_text_exceeds_the_level_by(negatives):
    found = negatives.of(np.concatenate([negatives.vectors, -negatives.vectors.sum(0, keepdims=True)]))
    np.testing.assert_allclose(found[:TEXTS], 0.5 * (1 - 0.2), atol=0.01)
    assert found[-1] == 0
    assert found.dtype == np.float64


def test_it_reads_the_first_coordinates_of_wider_embeddings(negatives):
    rows = RNG.normal(size=(3, WIDTH + 4)).astype(np.float32)
    np.testing.assert_array_equal(negatives.of(rows), negatives.of(rows[:, :WIDTH]))
    assert negatives.of(rows[:0]).shape == (0,)


def test_a_folder_keeps_them(negatives, tmp_path):
    write_part(tmp_path / "part", "clip", negatives.on_card(), negatives__npz=negatives.content())
    again = negatives_of(open_folder(tmp_path / "part"))
    assert again is not None
    assert again.id == negatives.id
    write_part(tmp_path / "without", "clip")
    assert negatives_of(open_folder(tmp_path / "without")) is None


@pytest.mark.parametrize(
    "changes",
    [{"weight": 0.0}, {"sharpness": -1.0}, {"sharpness": "many"}, {"level": float("nan")}, {"level": None}],
)
def test_others_are_refused(negatives, changes, tmp_path):
    table = {**negatives.on_card()["negatives"], **changes}
    card = {"negatives": {name: value for name, value in table.items() if value is not None}}
    write_part(tmp_path / "part", "clip", card, negatives__npz=negatives.content())
    with pytest.raises(BundleError, match=r"negatives|lacks"):
        negatives_of(open_folder(tmp_path / "part"))


def test_a_table_without_its_file_is_refused(negatives, tmp_path):
    write_part(tmp_path / "part", "clip", negatives.on_card())
    with pytest.raises(BundleError):
        negatives_of(open_folder(tmp_path / "part"))
