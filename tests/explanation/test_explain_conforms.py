"""Explanations of the shipped model: complete, repeatable, and true to what the pipeline itself says."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.explanation import ExplainOptions, deletions, explain
from imagist.explanation.regions import filling, hidden
from imagist.explanation.words import without
from imagist.records import Photo

OPTIONS = ExplainOptions(grid=3, moves=2)


@pytest.fixture(scope="module")
def few(photos):
    return [photo for photo in photos if photo.source in ("tower", "chelsea.png")]


@pytest.fixture(scope="module")
def explanations(pipeline, few):
    return explain(pipeline, few, OPTIONS)


def test_the_prediction_is_the_pipelines_own(pipeline, few, explanations):
    for photo, explanation in zip(few, explanations, strict=True):
        (alone,) = pipeline.predict([Photo(photo.pixels)])
        assert explanation.prediction.caption.text == alone.caption.text
        np.testing.assert_allclose(explanation.prediction.probabilities, alone.probabilities, atol=1e-5)
        assert explanation.category == alone.label
        assert explanation.weight == pipeline.fusion.weight


def test_all_is_there_and_is_a_distribution(explanations):
    for explanation in explanations:
        assert explanation.cells.shape == (3, 3, len(explanation.prediction.labels))
        rows = [explanation.cells.reshape(9, -1)]
        for word in explanation.words:
            rows += [word.text_probabilities[None], word.probabilities[None]]
            assert word.region.attention.shape == word.region.cells.shape
            assert len(word.region.moved) == 2
        np.testing.assert_allclose(np.concatenate(rows).sum(1), 1, atol=1e-4)


def test_what_is_left_out_is_what_the_parts_say_without_it(pipeline, few, explanations):
    explanation = explanations[0]
    photo = Photo(pipeline.captioner.encoder.seen(few[0])[0])
    cells = np.zeros((3, 3), bool)
    cells[1, 2] = True
    copy = hidden(photo, cells, filling(photo, "mean"))
    np.testing.assert_allclose(explanation.cells[1, 2], pipeline.of_image(pipeline.image_rows([copy]))[0], atol=1e-5)
    for word in explanation.words:
        text = without(explanation.prediction.caption, word.positions)
        rows = pipeline.of_text(pipeline.text_rows([text]))
        np.testing.assert_allclose(word.text_probabilities, rows[0], atol=1e-5)
        covered = hidden(photo, word.region.cells, filling(photo, "mean"))
        assert word.region.removed.caption.text == pipeline.captioner.caption([covered])[0].text


def test_deletion_begins_with_all_and_ends_with_nothing(pipeline, few, explanations):
    photo, explanation = few[-1], explanations[-1]
    (curves,) = deletions(pipeline, [photo], [explanation], OPTIONS)
    said = explanation.prediction
    assert curves["cells"].ranked[0] == pytest.approx(said.image_probabilities.max(), abs=1e-5)
    assert curves["words"].ranked[0] == pytest.approx(said.text_probabilities.max(), abs=1e-5)
    assert curves["cells"].ranked[-1] == pytest.approx(curves["cells"].random[0, -1], abs=1e-6)
    assert curves["attention"].ranked[0] == pytest.approx(said.text_probabilities.max(), abs=1e-5)


def test_chelsea_is_a_cat_because_the_word_says_so(few, explanations):
    cats = [own for photo, own in zip(few, explanations, strict=True) if photo.source == "chelsea.png"]
    if not cats:
        pytest.skip("scikit-image is not installed")
    assert cats[0].category == "cat"
    assert cats[0].by_evidence()[0].text in ("cat", "kitten")
