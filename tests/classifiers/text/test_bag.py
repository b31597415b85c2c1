"""The bag of the bundle that ships."""

from __future__ import annotations

import numpy as np
from imagist.classifiers.text.bag import from_bundle

from imagist.bundle import open_bundle


def test_case_and_punctuation_do_not_matter():
    bag = from_bundle(open_bundle("embedded"))
    one, other = bag.scores(["A Cat, looking at the camera!", "a cat looking at the camera"])
    np.testing.assert_array_equal(one, other)


def test_texts_without_a_known_word_all_get_the_same():
    bag = from_bundle(open_bundle("embedded"))
    scores = bag.scores(["", "xyzzy plugh", "!!!"])
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert scores[0].max() < 1
