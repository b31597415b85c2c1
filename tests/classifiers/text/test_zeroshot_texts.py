"""Labels as sentences, and those as vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.classifiers.text.zeroshot import label_vectors, sentences
from imagist.errors import UsageError
from imagist.records import LabelSet

LABELS = LabelSet(("dog", "sports car", "{odd}"))


def embed(texts):
    """Unit vectors that count letters."""
    table = np.array([[text.count(letter) + 1e-3 for letter in "aeiou"] for text in texts], np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def test_a_label_without_a_description_is_named_in_the_template():
    assert sentences(LABELS, {}) == [("a photo of dog",), ("a photo of sports car",), ("a photo of {odd}",)]
    assert sentences(LABELS, {}, "{label}, {label}!")[0] == ("dog, dog!",)


def test_descriptions_go_before_the_template():
    found = sentences(LABELS, {"dog": ("a puppy", "a hound")}, "this is {label}")
    assert found == [("a puppy", "a hound"), ("this is sports car",), ("this is {odd}",)]


@pytest.mark.parametrize(
    ("descriptions", "template", "told"),
    [
        ({"cat": ("a cat",), "cow": ("a cow",)}, "{label}", "no label: cat, cow"),
        ({"dog": ()}, "{label}", "describes dog"),
        ({"dog": ("",)}, "{label}", "describes dog"),
        ({}, "a photo", "no place for the label"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(descriptions, template, told):
    with pytest.raises(UsageError, match=told):
        sentences(LABELS, descriptions, template)


def test_a_label_s_vector_is_the_mean_of_its_sentences_at_length_one():
    found = label_vectors(embed, [("aaa", "eee"), ("ooo",)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [2**-0.5, 2**-0.5, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(found[1], embed(["ooo"])[0], atol=1e-6)


@given(st.lists(st.lists(st.text("aeiou", min_size=1, max_size=6), min_size=1, max_size=4), min_size=1, max_size=4))
def test_vectors_are_one_long_and_order_within_a_label_does_not_matter(described):
    found = label_vectors(embed, described)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(label_vectors(embed, [told[::-1] for told in described]), found, atol=1e-5)
