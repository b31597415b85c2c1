"""The TF-IDF classifier of the model that ships."""

from __future__ import annotations

import numpy as np

from imagist.classifiers.text.tfidf import load
from imagist.protocols import PartOptions


def test_case_and_punctuation_do_not_matter():
    classifier = load("embedded", PartOptions())
    one, other = classifier.scores(["A Cat, looking at the camera!", "a cat looking at the camera"])
    np.testing.assert_array_equal(one, other)


def test_texts_without_a_known_word_all_get_the_same():
    classifier = load("embedded", PartOptions())
    scores = classifier.scores(["", "xyzzy plugh", "!!!"])
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert scores[0].max() < 1
