"""From names to a layer over a matcher's embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.arrays import unit
from imagist.bundle import open_folder, write_part
from imagist.errors import BundleError, UsageError
from imagist.matching.background import fit_background
from imagist.matching.negatives import Negatives
from imagist.matching.prompts import Descriptions, read_labels
from imagist.matching.zero_shot import NONE, STANDARD_SCALE, ZeroShot, layers, settings_of, zero_shot_of

LETTERS = "abcdefgh"


class LetterMatcher:
    """Counts letters."""

    id, scale, concurrent = "letters", 7.0, True

    def __init__(self, zero_shot=None, background=None):
        if zero_shot:
            self.zero_shot = zero_shot
        self.background = background

    def texts(self, texts):
        return unit(np.array([[text.count(letter) + 0.01 for letter in LETTERS] for text in texts], np.float32))

    images = texts

    def save(self, folder):
        raise NotImplementedError


def scores(layer, embeddings):
    return embeddings @ layer.weights.T + layer.bias


def test_without_more_the_logits_are_cosines_times_the_scale():
    matcher = LetterMatcher()
    image, text = layers(matcher, Descriptions(read_labels("x, y").labels, {"x": ("aab",), "y": ("ccd", "e")}))
    assert image.labels.names == ("x", "y")
    found = matcher.texts(["aab", "ccd", "e"])
    expected = 7 * np.stack([found[0], unit(found[1] + found[2])])
    for layer in (image, text):
        np.testing.assert_allclose(layer.weights, expected, atol=1e-5)
        np.testing.assert_array_equal(layer.bias, 0)
        assert layer.weights.dtype == layer.bias.dtype == np.float32


def test_templates_and_scales_are_the_matcher_s_own():
    matcher = LetterMatcher(ZeroShot(templates=("{label}{label}h", "{label}"), image_scale=3.0))
    image, text = layers(matcher, read_labels(["a", "b"]))
    both = matcher.texts(["aah", "a"])
    np.testing.assert_allclose(image.weights[0], 3 * unit(both.sum(0)), atol=1e-5)
    np.testing.assert_allclose(text.weights * 3 / 7, image.weights, atol=1e-5)


def test_none_of_these_wins_where_no_score_reaches_the_threshold():
    matcher = LetterMatcher(ZeroShot(templates=("{label}",), image_threshold=0.6))
    image, text = layers(matcher, read_labels("a, b"))
    assert image.labels.names == text.labels.names == ("a", "b", NONE)
    best = scores(image, matcher.texts(["a", "bb", "ch", "ac", "aaaaaccccccccc"])).argmax(1)
    assert best.tolist() == [0, 1, 2, 0, 2]
    assert (scores(text, matcher.texts(["c"]))[:, 2] == -np.inf).all()


def test_an_image_near_to_a_negative_needs_a_higher_score():
    matcher = LetterMatcher(ZeroShot(templates=("{label}",), image_threshold=0.6))
    matcher.negatives = Negatives(matcher.texts(["c"]), 1.0, 50.0, 0.5)
    image, text = layers(matcher, read_labels("a, b"))
    assert (image.negatives, text.negatives) == (matcher.negatives, None)
    rows = matcher.texts(["a", "aah", "aac", "ch"])
    plain = scores(image, rows)
    np.testing.assert_allclose(image.logits(rows)[:, :2], plain[:, :2], rtol=1e-6)
    np.testing.assert_allclose(image.logits(rows)[:, 2], plain[:, 2] + 7 * matcher.negatives.of(rows), rtol=1e-6)
    nearer = matcher.texts(["aaccc"])
    assert plain[2].argmax() == image.logits(rows)[2].argmax() == 0
    assert image.logits(nearer).argmax() == 2


def test_none_of_these_may_be_named_by_hand():
    matcher = LetterMatcher(ZeroShot(image_threshold=0.6))
    image, _ = layers(matcher, read_labels({"a": "a", NONE: "dddd"}))
    assert image.labels.names == ("a", NONE)
    assert np.isfinite(image.bias).all()


def test_with_a_background_scores_are_in_units_of_its_spread():
    rng = np.random.default_rng(0)
    seen, told = (unit(rng.random((40, len(LETTERS)))) for _ in range(2))
    matcher = LetterMatcher(ZeroShot(templates=("{label}",), text_threshold=1.5), fit_background(seen, told))
    image, text = layers(matcher, read_labels("a, bc"))
    vectors = matcher.texts(["a", "bc"])
    for layer, rows in ((image, seen), (text, told)):
        cosines = rows @ vectors.T
        expected = STANDARD_SCALE * (cosines - cosines.mean(0)) / cosines.std(0, ddof=1)
        np.testing.assert_allclose(scores(layer, rows)[:, :2], expected, rtol=2e-3, atol=1e-2)  # of half precision
    assert text.bias[2] == STANDARD_SCALE * 1.5


def test_a_card_holds_what_is_not_the_default(tmp_path):
    for number, made in enumerate([ZeroShot(), ZeroShot(weight=0.4, image_threshold=-0.5, templates=("{label}!",))]):
        write_part(tmp_path / str(number), "clip", {"model": "x", **made.on_card()})
        assert zero_shot_of(open_folder(tmp_path / str(number))) == made
    assert ZeroShot().on_card() == {}


@pytest.mark.parametrize(
    "table",
    [{"weight": 2.0}, {"templates": ["x"]}, {"templates": []}, {"other": 1}, {"image_scale": 0}, {"weight": "a"}],
)
def test_other_settings_are_refused(table, tmp_path):
    write_part(tmp_path / "part", "clip", {"zero_shot": table})
    with pytest.raises(BundleError, match="card"):
        zero_shot_of(open_folder(tmp_path / "part"))


def test_a_matcher_without_settings_has_the_default_ones():
    assert settings_of(LetterMatcher()) == ZeroShot()
    with pytest.raises(UsageError):
        layers(LetterMatcher(), Descriptions(read_labels("a").labels, {"b": ("b",)}))
