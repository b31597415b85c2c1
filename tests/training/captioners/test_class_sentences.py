"""Sentences about classes: found, made more specific, or made from names."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_class_names import NAMES

from imagist.training.captioners.class_names import article
from imagist.training.captioners.class_sentences import (
    LONGEST_CONTEXT,
    NamesOfClasses,
    class_sentences,
    more_specific,
    replaced,
)
from imagist.training.captioners.recipe import TextCorpus

CONFIG = TextCorpus(("coco.txt",), framed=1, exchanged=2)
TEXTS = (
    "a dog lies on an orange sofa",
    "a man rides a horse",
    "a bird sits in the tree",
    "a pizza on the table in a kitchen",
    "an old car next to a bus",
    "the elephant walks in the water",
    "nothing that has a name here",
)
sentences = st.lists(
    st.sampled_from((
        "a", "an", "the", "dog", "cats", "car", "old", "pizza", "on", "next", "to", "fire", "engine", "bear",
        "umbrella", "and", "elephant",
    )),
    min_size=1,
    max_size=18,
)  # fmt: skip


@given(sentences, st.floats(0, 1), st.integers(18, 24), st.integers(0, 2**31))
def test_a_more_specific_sentence_fits_and_has_the_classes_that_it_tells(words, share, max_length, seed):
    mentions = NAMES.mentions(words)
    if not mentions:
        return
    made = more_specific(words, mentions, NAMES, share, max_length, np.random.default_rng(seed))
    assert len(made.text.split()) <= max_length
    assert len(made.classes) == min(3, len(mentions))
    for number, mention in zip(made.classes, mentions, strict=False):
        assert number in mention.classes
        said = " ".join(words[mention.start : mention.start + mention.words])
        assert said in made.text or NAMES.all_names[number][0] in made.text


@given(
    st.integers(0, 999),
    st.sampled_from(("a", "an", "the", "dog", "cats", "old", "pizza", "fire", "engine", "umbrella", "and", "elephant")),
    st.booleans(),
)
def test_articles_follow_the_name(number, before, first):
    name = NAMES.all_names[number][0]
    words = ["dog", "runs"] if first else ["see", before, "dog", "runs"]
    (mention,) = (m for m in NAMES.mentions(words) if m.start == len(words) - 2)  # the last dog
    made = replaced(words, mention, name)
    expected = [] if first else ["see", article(name) if before in ("a", "an") else before]
    assert made == [*expected, *name.split(), "runs"]


def test_nothing_is_replaced_where_no_share_is_and_all_of_it_where_everything_is():
    words = ["a", "dog", "and", "a", "car"]
    rng = np.random.default_rng(0)
    assert more_specific(words, NAMES.mentions(words), NAMES, 0.0, 20, rng).text == "a dog and a car"
    made = more_specific(words, NAMES.mentions(words), NAMES, 1.0, 20, rng)
    assert [NAMES.kind(number) for number in made.classes] == ["animal", "thing"]
    assert all(NAMES.all_names[number][0] in made.text for number in made.classes)


def test_a_name_that_makes_a_sentence_too_long_is_left_out():
    words = ["a", "dog"]
    for seed in range(30):
        made = more_specific(words, NAMES.mentions(words), NAMES, 1.0, 2, np.random.default_rng(seed))
        assert len(made.text.split()) == 2


@pytest.fixture(scope="module")
def made():
    return class_sentences(TEXTS, NAMES, CONFIG, 20, 0)


def test_every_class_has_sentences_with_one_of_its_names(made):
    about = Counter(each.classes[0] for each in made if len(each.classes) == 1)
    assert {*about} == {*range(1000)}
    framed = [each for each in made if len(each.classes) == 1 and any(
        name in each.text for name in NAMES.all_names[each.classes[0]]
    )]  # fmt: skip
    assert len(framed) >= 1000 + 2 * 800


def test_no_sentence_is_longer_than_a_caption_may_be(made):
    assert max(len(each.text.split()) for each in made) <= 20
    short = class_sentences(TEXTS, NAMES, CONFIG, 4, 0)
    assert max(len(each.text.split()) for each in short) <= 4


def test_articles_fit_the_words_after_them(made):
    wrong = [
        each.text for each in made for one, two in zip(each.text.split(), each.text.split()[1:], strict=False)
        if one in ("a", "an") and one != article(two)
    ]  # fmt: skip
    assert wrong == []


def test_classes_take_the_places_of_their_kind_alone(made):
    said = [each for each in made if each.text.endswith("walks in the water")]
    assert len(said) > 100
    assert {NAMES.kind(each.classes[0]) for each in said} == {"animal"}
    assert not [
        each for each in made if each.text.startswith("a man rides") and len(each.text.split()) > LONGEST_CONTEXT
    ]


def test_sentences_with_persons_are_thinned():
    texts = [f"a man with a dog number {i}" for i in range(400)] + [f"a dog number {i}" for i in range(100)]
    config = TextCorpus(("coco.txt",), persons=0.4, repeats=3, framed=0, exchanged=0)
    made = class_sentences(texts, NAMES, config, 20, 0)
    with_person = sum(each.text.startswith("a man") for each in made)
    assert 120 < with_person < 200  # 40% of 400, five standard deviations
    assert len(made) - with_person == 300


def test_they_repeat_for_a_seed():
    one, other, third = (class_sentences(TEXTS, NAMES, CONFIG, 20, seed) for seed in (1, 1, 2))
    assert one == other != third


def test_labels_are_classes_and_groups():
    named, rng = NamesOfClasses(NAMES), np.random.default_rng(0)
    for label, word in (("dog", "dog"), ("1", "goldfish"), ("beach", "beach")):
        every = {*named.all([label])}
        assert {named.sample(label, rng) for _ in range(300)} <= every
        assert any(word in text.split() for text in every)
    assert {text for text in named.all(["beach"]) if "view" in text} == {"a view of a beach", "a wide view of a beach"}
