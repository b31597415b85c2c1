"""Nouns of texts and the classes that they mean."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.errors import DataError, UsageError
from imagist.training.captioners.class_names import ClassNames
from imagist.training.matchers.affinities import Affinities
from imagist.training.matchers.recipe import Words
from tiny_wordnet import kind_of


def classes(row):
    return [int(i) for i in np.flatnonzero(row > 0.5 * row.max())]


def test_an_everyday_word_means_its_classes_equally(affinities):
    for word, numbers in (("pet", [*range(151, 156), *range(281, 286)]), ("beaches", [977, 978])):
        row, sure = affinities.of_noun(word)
        assert classes(row) == numbers
        assert row.sum() == pytest.approx(1)
        assert sure == 1


def test_a_name_means_its_class_and_a_kind_all_of_its_classes(affinities):
    row, _ = affinities.of_noun("goldfish")
    assert row.argmax() == 1
    assert row[1] > 0.9
    row, sure = affinities.of_noun("dog")
    assert classes(row) == [*range(151, 269)]
    assert 0 < sure < 1


def test_another_noun_means_what_is_like_it(affinities):
    puppy, _ = affinities.of_noun("puppy")
    assert classes(puppy) == [*range(151, 269)]
    boat, _ = affinities.of_noun("boat")
    assert {kind_of(number) for number in classes(boat)} == {"vehicle"}


def test_what_cannot_be_seen_means_nothing(affinities):
    assert affinities.of_noun("idea") is None
    row, sure = affinities.of_text("an idea")
    assert (row.sum(), sure) == (0, 0)


def test_a_text_has_its_nouns_the_longest_first(affinities):
    assert [*affinities.nouns("An old woman with one dog, a boat and an idea on the beach.")] == [
        "old woman", "dog", "boat", "beach"
    ]  # fmt: skip
    assert [*affinities.nouns("a photo of a woman")] == []  # both tell little
    assert [*affinities.nouns("woman")] == ["woman"]  # but for a text of one word


def test_a_word_that_is_mostly_a_verb_is_none_in_a_sentence(affinities):
    assert not affinities.is_noun("run")
    assert not affinities.is_noun("with")
    assert affinities.is_noun("dogs")
    assert affinities.is_noun("painting")


def test_a_text_is_the_mean_of_its_nouns_as_they_are_sure(affinities):
    (dog, of_dog), (beach, of_beach) = affinities.of_noun("dog"), affinities.of_noun("beach")
    row, sure = affinities.of_text("a dog on the beach")
    np.testing.assert_allclose(row, (of_dog * dog + of_beach * beach) / (of_dog + of_beach), rtol=1e-5)
    assert sure == pytest.approx((of_dog + of_beach) / 2)


def test_classes_that_wordnet_does_not_have_are_named(wordnet, words):
    with pytest.raises(DataError, match="n09999999"):
        Affinities(wordnet, [*imagenet_labels().names, "n09999999"], words)


def test_classes_beyond_the_last_are_a_fault_of_the_recipe():
    with pytest.raises(UsageError, match="1,000 classes"):
        Words(groups={"moon": "1000"})


def test_the_everyday_words_of_class_names_count_too(wordnet, words):
    names = ClassNames({"dog": "151-268"}, {}, {"thing": ("{a}",)}, general={"building": "442, 483"})
    affinities = Affinities(wordnet, imagenet_labels().names, words, names)
    row, sure = affinities.of_noun("building")
    assert np.flatnonzero(row).tolist() == [442, 483]
    assert sure == 1
    assert affinities.groups["pet"].tolist() == [*range(151, 156), *range(281, 286)]
