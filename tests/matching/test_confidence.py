"""How far a caption can be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.bundle import open_folder, write_part
from imagist.errors import BundleError
from imagist.matching.confidence import Confidence, caption_confidences, confidence_of


class Letters:
    """Embeds a text, and an image named by its source, by its first letter."""

    scale, id, concurrent = 1.0, "letters", True

    def __init__(self, confidence=None):
        self.confidence = confidence

    def texts(self, texts):
        return np.eye(26, dtype=np.float32)[[ord(text[0]) - 97 for text in texts]]

    def images(self, photos):
        return self.texts([photo.source for photo in photos])


class Photo:
    def __init__(self, source):
        self.source = source


@given(st.lists(st.floats(-1, 1), min_size=2), st.floats(0.01, 50), st.floats(-20, 20))
def test_it_lies_between_0_and_1_and_rises_with_the_cosine(cosines, slope, offset):
    found = Confidence(slope, offset, "").of(np.sort(np.array(cosines)))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


def test_it_stands_on_the_card(tmp_path):
    write_part(tmp_path / "a", "embedded", {"confidence": {"slope": 2.0, "offset": -1, "captioner": "naming-1"}})
    assert confidence_of(open_folder(tmp_path / "a")) == Confidence(2.0, -1.0, "naming-1")
    write_part(tmp_path / "b", "embedded", {"scale": 1.0})
    assert confidence_of(open_folder(tmp_path / "b")) is None


@pytest.mark.parametrize(
    "table",
    [
        {"slope": 1.0, "captioner": "a"},
        {"slope": -1.0, "offset": 0.0, "captioner": "a"},
        {"slope": "x", "offset": 0.0, "captioner": "a"},
        {"slope": 1.0, "offset": 0.0},
    ],
)
def test_what_cannot_be_understood_is_refused(table, tmp_path):
    write_part(tmp_path / "a", "embedded", {"confidence": table})
    with pytest.raises(BundleError):
        confidence_of(open_folder(tmp_path / "a"))


def test_a_caption_that_fits_has_the_greater_confidence():
    photos = [Photo("cat"), Photo("cat")]
    right, wrong = caption_confidences(Letters(Confidence(4.0, -2.0, "own")), "own(beam=3)", photos, ["cat", "dog"])
    assert right == pytest.approx(1 / (1 + np.exp(-2)))
    assert wrong == pytest.approx(1 / (1 + np.exp(2)))


def test_there_is_none_for_captions_that_it_was_not_fitted_to():
    fitted, photos = Letters(Confidence(4.0, -2.0, "own(")), [Photo("cat"), Photo("cat")]
    assert caption_confidences(fitted, "another(beam=3)", photos, ["cat", "dog"]) == [None, None]
    for without in (None, Letters()):
        assert caption_confidences(without, "own(beam=3)", photos, ["cat", "dog"]) == [None, None]
