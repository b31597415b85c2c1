from __future__ import annotations

import pytest
from fake_captioners import RandomCaptioner, crop_of, noise
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.crops import hypotheses_of
from imagist.captioning.description.english import is_content, stem
from imagist.captioning.description.record import WHOLE
from imagist.captioning.description.sentence import MAX_HEADLINE_WORDS, MAX_WORDS, enriched, headline, to_text


def told(*looks, parts=()):
    """Detail 2 of the first hypothesis of the first look."""
    return to_text(enriched(looks[0][0], looks, [*looks, *parts]).words)


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
    assert headline(crop_of(caption)[0]) == few


@given(st.integers(0, 2000))
def test_a_few_words_are_of_the_caption_in_order(seed):
    (caption,) = RandomCaptioner(seed).caption([noise(0)])
    words = iter(words_of(caption.text))
    few = words_of(headline(hypotheses_of(caption, WHOLE)[0]))
    assert all(word in words for word in few)
    assert len(few) <= max(MAX_HEADLINE_WORDS, len(words_of(caption.text)))


def test_what_other_hypotheses_add_goes_to_the_end():
    base = crop_of("a man is sitting on a bench", "a man is sitting in front of a building", per_word=-0.5)
    again = crop_of("a man is sitting in front of a building")
    assert told(base, again) == "a man is sitting on a bench in front of a building"


def test_adjectives_go_before_their_noun():
    parts = [crop_of("a brown dog sits"), crop_of("a brown dog runs")]
    assert told(crop_of("a dog runs on a beach"), parts=parts) == "a brown dog runs on a beach"


def test_an_article_suits_what_follows():
    assert (
        told(crop_of("a bird flies"), crop_of("an orange bird sits"), crop_of("an orange bird flies"))
        == "an orange bird flies"
    )
    assert to_text(["an", "dog", "and", "A", "old", "cat"]) == "a dog and An old cat"
    assert to_text(["a", "man", "'s", "hat", ",", "here"]) == "a man's hat, here"


def test_clothes_follow_their_wearer():
    worn = crop_of("a man in a red shirt is running")
    assert told(crop_of("a man is running on a track"), worn, worn) == "a man in a red shirt is running on a track"


def test_a_disputed_colour_is_not_added():
    red, blue = crop_of("a man in a red shirt is running"), crop_of("a man in a blue shirt is running")
    assert told(crop_of("a man is running"), red, blue) == "a man is running"


def test_one_place_is_enough():
    other = crop_of("a dog runs on a street")
    assert told(crop_of("a dog runs through the grass"), other, other) == "a dog runs through the grass"
    near = crop_of("a dog stands next to a tree")
    assert told(crop_of("a dog runs on the grass"), near, near) == "a dog runs on the grass next to a tree"


def test_synonyms_of_a_place_add_nothing():
    other = crop_of("a boy plays near the ocean")
    assert told(crop_of("a boy plays in the water"), other, other) == "a boy plays in the water"


def test_phrases_of_another_action_stay_with_it():
    other = crop_of("a man jumps over a hurdle")
    assert told(crop_of("a man stands"), other, other) == "a man stands"
    assert told(crop_of("a man jumps"), other, other) == "a man jumps over a hurdle"


@pytest.mark.parametrize(
    "other", ["a woman stands near a tree", "two men stand near a tree", "a man and a dog near a tree"]
)
def test_another_subject_adds_nothing(other):
    assert told(crop_of("a man stands"), crop_of(other), crop_of(other)) == "a man stands"


def test_a_much_less_probable_hypothesis_adds_nothing():
    assert told(crop_of("a man stands"), crop_of("a man stands near a tree", per_word=-0.8)) == "a man stands"


def test_details_without_support_add_nothing():
    base = crop_of("a man stands", "a man stands near a tree")
    assert told(base) == "a man stands"
    assert told(base, parts=[crop_of("a bench near a tree")]) == "a man stands near a tree"


def test_nothing_is_added_after_a_clause_of_its_own():
    other = crop_of("a man stands near a tree")
    assert told(crop_of("a man stands while it rains"), other, other) == "a man stands while it rains"


def test_other_languages_stay_as_they_are():
    other = crop_of("ein brauner hund läuft neben einem baum")
    assert told(crop_of("ein hund läuft"), other, other) == "ein hund läuft"


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_caption_stays_in_order_and_other_words_are_from_hypotheses(seed, count):
    captioner = RandomCaptioner(seed)
    looks = [hypotheses_of(caption, WHOLE) for caption in captioner.caption([noise(n) for n in range(count)])]
    best = looks[0][0]
    clause = enriched(best, looks, looks)
    words = iter(clause.words)
    assert all(any(word == other for other in words) for word in best.clause.words)
    assert {word.lower() for word in clause.words if is_content(word)} <= captioner.content
    added = len(clause.words) - len(best.clause.words)
    assert added == 0 or len(clause.words) <= MAX_WORDS + 6


@given(st.integers(0, 10**6))
def test_additions_are_new(seed):
    looks = [hypotheses_of(caption, WHOLE) for caption in RandomCaptioner(seed).caption([noise(n) for n in range(5)])]
    best = looks[0][0]
    before = [stem(word) for word in best.clause.words if is_content(word)]
    after = [stem(word) for word in enriched(best, looks, looks).words if is_content(word)]
    for word in set(before):
        assert after.count(word) == before.count(word)
