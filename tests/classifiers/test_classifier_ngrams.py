"""Words and pairs of words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.classifiers.ngrams import counts, ngrams_of


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
def test_ngrams_of_a_text(text, expected):
    assert list(ngrams_of(text)) == expected


@given(st.text())
def test_any_text_has_one_pair_fewer_than_words(text):
    found = list(ngrams_of(text))
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
