"""What images show, by the nouns of their captions."""

from __future__ import annotations

import pytest

from imagist.errors import DataError
from imagist.training.matchers.nouns import caption_nouns

CAPTIONS = [
    ("a man with a puppy", "the man and his dog", "a boat"),
    ("a boat", "the boats", "a dog"),
    ("an idea", "a photo of a run", "an old woman"),
]


@pytest.fixture
def found(wordnet, affinities, words):
    return caption_nouns(CAPTIONS, wordnet, affinities, words, 1)


def share(found, image, noun):
    return float(found.shares[image, found.nouns.index(noun)])


def test_two_captions_make_a_noun_certain_and_one_makes_it_likely(found):
    assert share(found, 0, "man") == share(found, 1, "boat") == 1
    assert share(found, 0, "boat") == share(found, 1, "dog") == pytest.approx(0.35)
    assert share(found, 2, "dog") == 0


def test_what_it_is_counts_as_well_and_a_man_is_people(found):
    assert share(found, 0, "dog") == 1  # a puppy and a dog
    assert share(found, 0, "people") == 1
    assert share(found, 1, "vehicle") == 1
    assert not {"artifact", "idea", "run", "entity"} & {*found.nouns}


def test_without_a_certain_noun_there_is_nothing_to_learn(wordnet, affinities, words):
    with pytest.raises(DataError, match="two captions of 4 images"):
        caption_nouns(CAPTIONS, wordnet, affinities, words, 4)
