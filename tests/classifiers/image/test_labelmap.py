"""An image classifier whose labels a taxonomy maps to categories."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.classifiers.image.labelmap import LabelMapClassifier
from imagist.classifiers.taxonomy import Taxonomy
from imagist.errors import UsageError
from imagist.protocols import ImageClassifier
from imagist.records import LabelSet, Photo

CATEGORIES = Taxonomy("small", LabelSet(("a", "b", "none")), {"a": ("1", "2"), "b": ("5",), "none": ()})


class Colours:
    """A network whose hidden states are the mean colours; classes 1, 2 and 5 have their shares."""

    id = "colours"
    concurrent = True
    labels = LabelSet(tuple(map(str, range(6))))

    def hidden(self, photos):
        return np.array([photo.pixels.mean((0, 1)) for photo in photos], np.float32).reshape(-1, 3)

    def scores_of(self, features):
        scores = np.zeros((len(features), 6), np.float32)
        scores[:, [1, 2, 5]] = features / np.maximum(features.sum(1, keepdims=True), 1)
        return scores


def test_probabilities_are_summed_into_categories():
    classifier = LabelMapClassifier(Colours(), CATEGORIES)
    assert isinstance(classifier, ImageClassifier)
    assert classifier.labels == CATEGORIES.labels
    photo = Photo(np.full((4, 5, 3), (30, 20, 50), np.uint8))
    np.testing.assert_allclose(classifier.hidden([photo]), [[30, 20, 50]])
    np.testing.assert_allclose(classifier.scores([photo]), [[0.5, 0.5, 0]])
    np.testing.assert_allclose(classifier.scores_of(np.array([[0, 0, 7]], np.float32)), [[0, 1, 0]])
    assert classifier.scores([]).shape == (0, 3)


def test_categories_over_labels_that_the_network_lacks_are_refused():
    with pytest.raises(UsageError, match="6 is not a label; 7 is not a label"):
        LabelMapClassifier(Colours(), Taxonomy("t", LabelSet(("a",)), {"a": ("1", "6", "7")}))
