"""A small WordNet, words for its classes, and what they mean."""

from __future__ import annotations

import pytest

from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.training.matchers.affinities import Affinities
from imagist.training.matchers.recipe import Words
from imagist.training.matchers.wordnet import read_wordnet
from tiny_wordnet import write_wordnet

WORDS = Words(
    groups={"pet": "151-155, 281-285", "beach": "977-978", "coffee": "967"},
    function=("with", "one"),
    nouns=("painting",),
    vague=("photo", "woman"),
    hypernyms=("animal", "dog", "person", "vehicle", "artifact"),
    persons=("man",),
    not_nouns_of_captions=("artifact",),
)


@pytest.fixture(scope="session")
def wordnet_folder(tmp_path_factory):
    return write_wordnet(tmp_path_factory.mktemp("wordnet") / "files")


@pytest.fixture(scope="session")
def wordnet(wordnet_folder):
    return read_wordnet(wordnet_folder)


@pytest.fixture(scope="session")
def words():
    return WORDS


@pytest.fixture(scope="session")
def affinities(wordnet, words):
    return Affinities(wordnet, imagenet_labels().names, words)
