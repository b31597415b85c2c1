"""Explanations of a pipeline whose reasons are known find them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import quadrants
from imagist.classifiers.calibration import Temperature, TemperatureCalibration
from imagist.classifiers.taxonomy import Taxonomy, identity
from imagist.explanation import ExplainOptions, explain
from imagist.explanation.batches import Batches
from imagist.explanation.record import probability
from imagist.pipeline import Pipeline
from imagist.records import Caption, LabelSet, Photo

WHOLE = ExplainOptions(grid=4, mass=1.0)


def one(weight=0.25, part=None, options=WHOLE, photo=None):
    return explain(quadrants.pipeline(weight, part), [photo or quadrants.image()], options)[0]


def test_the_decisive_word_is_found():
    explanation = one()
    assert explanation.category == "fire"
    assert [word.text for word in explanation.words] == ["red", "thing", "lies", "here"]
    np.testing.assert_allclose(explanation.word_drops("fire"), [0.6, 0.1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(explanation.word_drops("stone"), [-0.6, -0.1, 0, 0], atol=1e-6)
    assert [word.text for word in explanation.by_evidence()] == ["red", "thing", "lies", "here"]


@pytest.mark.parametrize(("weight", "joint"), [(0.0, 0.95), (0.25, 0.75 * 0.95 + 0.25 * 0.3), (1.0, 0.3)])
def test_without_a_word_both_together_say_what_the_weight_lets_them(weight, joint):
    explanation = one(weight)
    assert explanation.weight == weight
    np.testing.assert_allclose(explanation.words[0].probabilities, [joint, 1 - joint], atol=1e-6)


def test_the_temperature_is_applied_to_what_is_left():
    part = quadrants.Quadrants()
    fusion = quadrants.pipeline().fusion
    sharp = Pipeline(
        part, part, part, identity(quadrants.LABELS), fusion, TemperatureCalibration(of_fused=Temperature(0.5))
    )
    (word, *_) = explain(sharp, [quadrants.image()], WHOLE)[0].words
    p = np.array([0.7875, 0.2125])
    np.testing.assert_allclose(word.probabilities, p**2 / (p**2).sum(), atol=1e-6)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_quadrant_is_found_by_hiding_cells(place):
    drops = one(photo=quadrants.image(*place)).cell_drops("fire")
    np.testing.assert_allclose(drops, np.where(quadrants.quadrant(*place), 0.9 / 4, 0), atol=1e-6)


@pytest.mark.parametrize("place", [(0, 0), (1, 1)])
def test_the_word_looks_at_the_quadrant_and_goes_with_it(place):
    explanation = one(photo=quadrants.image(*place))
    region = explanation.words[0].region
    assert np.array_equal(region.cells, quadrants.quadrant(*place))
    assert region.removed.caption.text == "a grey thing lies here"
    said = explanation.prediction
    for opinion, drop in (("image", 0.9), ("text", 0.6), ("joint", 0.75 * 0.9 + 0.25 * 0.6)):
        assert region.drop(said, "fire", opinion) == pytest.approx(drop, abs=1e-6)
        assert region.drop_elsewhere(said, "fire", opinion) < drop


def test_the_control_hides_as_much_elsewhere():
    region = one().words[0].region
    assert len(region.moved) == WHOLE.moves
    left = {prediction.caption.text for prediction in region.moved}
    assert left == {"a red thing lies here"}  # a shifted quadrant never covers all of it


def test_a_smaller_share_of_attention_is_a_smaller_region():
    region = one(options=ExplainOptions(grid=1, mass=0.5)).words[0].region
    assert region.cells.sum() == 2
    assert (region.cells & ~quadrants.quadrant()).sum() == 0


def test_without_attention_there_are_words_and_no_regions():
    explanation = one(part=quadrants.Quadrants(attention=False))
    assert [word.region for word in explanation.words] == [None] * 4
    np.testing.assert_allclose(explanation.word_drops("fire"), [0.6, 0.1, 0, 0], atol=1e-6)


def test_attention_that_does_not_fit_the_words_is_not_used():
    class Pieces(quadrants.Quadrants):
        def _caption(self, cells):
            whole = super()._caption(cells)
            return Caption(whole.text, -1.0, whole.tokens, attention=whole.attention[:-1])

    assert all(word.region is None for word in one(part=Pieces()).words)


def test_a_caption_that_says_nothing_has_no_words_and_the_image_is_explained():
    class Silent(quadrants.Quadrants):
        def caption(self, photos):
            return [Caption("", -1.0) for _ in photos]

    explanation = one(part=Silent())
    assert explanation.words == ()
    assert explanation.word_drops("stone").shape == (0,)
    assert explanation.cell_drops("fire").max() == pytest.approx(0.9 / 4, abs=1e-6)


def test_who_abstains_is_explained_by_the_likeliest():
    part = quadrants.Quadrants()
    pipeline = replace(quadrants.pipeline(part=part), abstain_below=1.0)
    explanation = explain(pipeline, [quadrants.image()], WHOLE)[0]
    assert explanation.prediction.label is None
    assert explanation.category == "fire"


def test_attributions_are_included():
    explanation = one(part=quadrants.Accounting())
    assert list(explanation.attributions) == ["fire"]
    np.testing.assert_allclose(explanation.attributions["fire"], [0.6, 0.1, 0, 0])
    assert one().attributions == {}


def test_the_text_classifier_s_own_category_has_attributions_too():
    class Grey(quadrants.Accounting):
        def caption(self, photos):
            return [Caption("a thing", -1.0, ("a", "thing")) for _ in photos]

    explanation = one(part=Grey())
    assert (explanation.category, explanation.prediction.text_label) == ("fire", "stone")
    assert {name: own.tolist() for name, own in explanation.attributions.items()} == {"fire": [0.1], "stone": [-0.1]}


def test_attributions_to_a_category_are_to_its_most_probable_class():
    class Three(quadrants.Accounting):
        labels = LabelSet(("fire", "stone", "smoke"))

        def scores(self, items):
            two = super().scores(items)
            return np.concatenate([two[:, :1] / 2, two[:, 1:], two[:, :1] / 2], 1)

        def attributions(self, texts, targets):
            self.asked = targets.tolist()
            return [()] * len(texts)

    part = Three()
    taxonomy = Taxonomy("t", LabelSet(("hot", "cold")), {"hot": ("smoke", "fire"), "cold": ("stone",)})
    batches = Batches(Pipeline(part, part, part, taxonomy, quadrants.pipeline().fusion), 2)
    assert batches.attributions(["a red thing", "a b", "c"], ["hot", "cold", "hot"]) == [{}, {}, {}]
    assert part.asked == [0, 1, 0]
    assert batches.attributions([], []) == []


def test_another_fusion_has_no_weight_to_tell():
    class Mean:
        def fuse(self, image, text):
            return (image + text) / 2

    part = quadrants.Quadrants()
    explanation = explain(Pipeline(part, part, part, identity(quadrants.LABELS), Mean()), [quadrants.image()])[0]
    assert explanation.weight is None
    assert explanation.words[0].probabilities[0] == pytest.approx((0.95 + 0.3) / 2)


def test_everything_goes_in_batches():
    part = quadrants.Quadrants()
    photos = [quadrants.image(row, column) for row in (0, 1) for column in (0, 1)]
    explain(quadrants.pipeline(part=part), photos, ExplainOptions(grid=4, moves=4, batch_size=10))
    images = 4 + 4 + 4 * 16 + 4 * 4 * (1 + 4)  # the whole images once more, for rows of the image classifier
    sentences = 4 + 4 * 4 + 4 * 4 * (1 + 4)
    assert max(part.batches) == 10
    assert sum(part.batches) == images + sentences
    assert len(part.batches) <= (images + sentences) // 10 + 6


def same(first, second):
    assert first.category == second.category
    assert np.array_equal(first.cells, second.cells)
    for own, other in zip(first.words, second.words, strict=True):
        assert np.array_equal(own.probabilities, other.probabilities)
        assert np.array_equal(own.region.cells, other.region.cells)
        pairs = zip((own.region.removed, *own.region.moved), (other.region.removed, *other.region.moved), strict=True)
        assert all(np.array_equal(a.probabilities, b.probabilities) for a, b in pairs)


def test_it_repeats_itself_and_does_not_look_at_its_neighbours():
    photos = [quadrants.image(row, column) for row in (0, 1) for column in (0, 1)]
    together = explain(quadrants.pipeline(), photos, ExplainOptions(batch_size=7))
    for photo, explanation in zip(photos, together, strict=True):
        same(explanation, one(photo=Photo(photo.pixels.copy()), options=ExplainOptions()))


def test_the_seed_moves_the_control():
    def controls(seed):
        found = explain(quadrants.pipeline(), [quadrants.image()], ExplainOptions(moves=9, mass=1, seed=seed))
        return [probability(p, "fire", "image") for p in found[0].words[0].region.moved]

    assert controls(0) == controls(0) != controls(1)


def test_no_photos_have_no_explanations():
    assert explain(quadrants.pipeline(), []) == []
