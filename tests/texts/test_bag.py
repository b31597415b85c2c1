"""Words and pairs of words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.bundle import open_bundle
from imagist.texts.bag import counts, from_bundle, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ,. ", []),
        ("Dog", ["dog"]),
        ("A dog runs", ["a", "dog", "runs", "a dog", "dog runs"]),
        ("a man 's t-shirt", ["a", "man", "'s", "t-shirt", "a man", "man 's", "'s t-shirt"]),
        ("Straße, CAFÉ", ["straße", "café", "straße café"]),
    ],
)
def test_terms(text, expected):
    assert list(terms(text)) == expected


@given(st.text())
def test_any_text_has_one_pair_fewer_than_words(text):
    found = list(terms(text))
    pairs = [term for term in found if " " in term]
    assert len(pairs) == max(0, len(found) - len(pairs) - 1)


def test_known_terms_are_counted():
    table = counts(["a dog and a dog", "", "cats"], {"dog": 0, "a dog": 1, "cat": 2})
    assert table.dtype == np.float32
    assert table.tolist() == [[2, 2, 0], [0, 0, 0], [0, 0, 0]]


@given(st.lists(st.sampled_from(["a dog", "the cat", "a cat and a dog", "?"]), max_size=5), st.randoms())
def test_counting_keeps_the_order(texts, random):
    places = {term: i for i, term in enumerate(["a", "dog", "cat", "a dog"])}
    table = counts(texts, places)
    order = list(range(len(texts)))
    random.shuffle(order)
    np.testing.assert_array_equal(counts([texts[i] for i in order], places), table[order])


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
