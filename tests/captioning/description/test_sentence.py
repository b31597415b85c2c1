from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import Babbler, look, noise

from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.english import is_content, stem
from imagist.captioning.description.looks import sayings
from imagist.captioning.description.record import WHOLE
from imagist.captioning.description.sentence import FEW, MOST, enriched, headline, spelled


def told(*looks, parts=()):
    """Detail 2 of the first hypothesis of the first look."""
    return spelled(enriched(looks[0][0], looks, [*looks, *parts]).words)


@pytest.mark.parametrize(
    ("caption", "few"),
    [
        ("a dog runs through the grass", "a dog"),
        ("two children play in a pool", "two children in a pool"),
        ("a man in a blue shirt is sitting on a bench", "a man on a bench"),
        ("a man and a woman are standing in front of a building", "a man and a woman"),
        ("a group of people stand in the snow", "a group of people in the snow"),
        ("there is a cat on a couch", "a cat on a couch"),
        ("a photo of a bird", "a bird"),
        ("A dog .", "A dog"),
        ("running", "running"),
        ("ein hund läuft durch das gras", "ein hund läuft durch das gras"),
        ("dog", "dog"),
    ],
)
def test_a_few_words(caption, few):
    assert headline(look(caption)[0]) == few


@given(st.integers(0, 2000))
def test_a_few_words_are_of_the_caption_in_order(seed):
    (caption,) = Babbler(seed).caption([noise(0)])
    words = iter(words_of(caption.text))
    few = words_of(headline(sayings(caption, WHOLE)[0]))
    assert all(word in words for word in few)
    assert len(few) <= max(FEW, len(words_of(caption.text)))


def test_what_other_hypotheses_add_goes_to_the_end():
    base = look("a man is sitting on a bench", "a man is sitting in front of a building", per_word=-0.5)
    again = look("a man is sitting in front of a building")
    assert told(base, again) == "a man is sitting on a bench in front of a building"


def test_adjectives_go_before_their_noun():
    parts = [look("a brown dog sits"), look("a brown dog runs")]
    assert told(look("a dog runs on a beach"), parts=parts) == "a brown dog runs on a beach"


def test_an_article_suits_what_follows():
    assert (
        told(look("a bird flies"), look("an orange bird sits"), look("an orange bird flies")) == "an orange bird flies"
    )
    assert spelled(["an", "dog", "and", "A", "old", "cat"]) == "a dog and An old cat"
    assert spelled(["a", "man", "'s", "hat", ",", "here"]) == "a man's hat, here"


def test_what_is_worn_goes_to_its_wearer():
    worn = look("a man in a red shirt is running")
    assert told(look("a man is running on a track"), worn, worn) == "a man in a red shirt is running on a track"


def test_a_disputed_colour_is_not_put_on():
    red, blue = look("a man in a red shirt is running"), look("a man in a blue shirt is running")
    assert told(look("a man is running"), red, blue) == "a man is running"


def test_one_place_is_enough():
    other = look("a dog runs on a street")
    assert told(look("a dog runs through the grass"), other, other) == "a dog runs through the grass"
    near = look("a dog stands next to a tree")
    assert told(look("a dog runs on the grass"), near, near) == "a dog runs on the grass next to a tree"


def test_other_words_for_the_same_place_are_no_news():
    other = look("a boy plays near the ocean")
    assert told(look("a boy plays in the water"), other, other) == "a boy plays in the water"


def test_what_belongs_to_another_deed_stays_with_it():
    other = look("a man jumps over a hurdle")
    assert told(look("a man stands"), other, other) == "a man stands"
    assert told(look("a man jumps"), other, other) == "a man jumps over a hurdle"


@pytest.mark.parametrize(
    "other", ["a woman stands near a tree", "two men stand near a tree", "a man and a dog near a tree"]
)
def test_another_subject_adds_nothing(other):
    assert told(look("a man stands"), look(other), look(other)) == "a man stands"


def test_what_is_much_less_likely_adds_nothing():
    assert told(look("a man stands"), look("a man stands near a tree", per_word=-0.8)) == "a man stands"


def test_what_too_few_looks_see_adds_nothing():
    base = look("a man stands", "a man stands near a tree")
    assert told(base) == "a man stands"
    assert told(base, parts=[look("a bench near a tree")]) == "a man stands near a tree"


def test_nothing_is_added_after_a_clause_of_its_own():
    other = look("a man stands near a tree")
    assert told(look("a man stands while it rains"), other, other) == "a man stands while it rains"


def test_other_languages_stay_as_they_are():
    other = look("ein brauner hund läuft neben einem baum")
    assert told(look("ein hund läuft"), other, other) == "ein hund läuft"


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_caption_stays_in_order_and_every_other_word_was_said(seed, count):
    babbler = Babbler(seed)
    looks = [sayings(caption, WHOLE) for caption in babbler.caption([noise(n) for n in range(count)])]
    best = looks[0][0]
    clause = enriched(best, looks, looks)
    words = iter(clause.words)
    assert all(any(word == other for other in words) for word in best.clause.words)
    assert {word.lower() for word in clause.words if is_content(word)} <= babbler.content
    added = len(clause.words) - len(best.clause.words)
    assert added == 0 or len(clause.words) <= MOST + 6


@given(st.integers(0, 10**6))
def test_what_is_added_was_not_said(seed):
    looks = [sayings(caption, WHOLE) for caption in Babbler(seed).caption([noise(n) for n in range(5)])]
    best = looks[0][0]
    before = [stem(word) for word in best.clause.words if is_content(word)]
    after = [stem(word) for word in enriched(best, looks, looks).words if is_content(word)]
    for word in set(before):
        assert after.count(word) == before.count(word)
