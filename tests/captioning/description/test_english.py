from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.description import english
from imagist.captioning.description.english import base_of, is_content, is_english, is_plural, stem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dogs", "dog"),
        ("running", "runs"),
        ("riding", "rides"),
        ("sitting", "sits"),
        ("jumped", "jump"),
        ("carries", "carry"),
        ("men", "man"),
        ("People", "person"),
        ("children", "kids"),
        ("grassy", "grass"),
        ("snowy", "snow"),
        ("beaches", "beach"),
        ("dresses", "dress"),
        ("boxes", "box"),
        ("bicycle", "bike"),
        ("grey", "gray"),
        ("climbing", "climbs"),
        ("rolling", "rolls"),
    ],
)
def test_forms_of_one_word(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("building", "build"),
        ("glass", "gas"),
        ("car", "carry"),
        ("bus", "bush"),
        ("ring", "rings bells"),
        ("man", "men's"),
    ],
)
def test_words_that_are_not_one(one, other):
    assert stem(one) != stem(other)


@given(st.text(max_size=12))
def test_a_stem_is_never_lost(word):
    assert bool(stem(word)) == bool(word)


@given(st.sampled_from(sorted(english.VERBS)))
def test_verbs_are_found_in_both_present_forms(verb):
    third = {"have": "has", "do": "does", "go": "goes"}.get(verb)
    if third is None:
        ies = verb.endswith("y") and verb[-2] not in "aeo"
        third = verb[:-1] + "ies" if ies else verb + ("es" if verb.endswith(("s", "sh", "ch", "x")) else "s")
    assert base_of(verb) == verb
    assert base_of(third) == verb


@pytest.mark.parametrize("word", ["table", "tables", "s", "", "ies"])
def test_other_words_are_no_verbs(word):
    assert base_of(word) is None


def test_plurals():
    assert all(map(is_plural, ["dogs", "men", "people", "children", "dresses", "sheep"]))
    assert not any(map(is_plural, ["dog", "grass", "dress", "bus", "tennis", "crowd"]))


def test_what_says_something():
    assert all(map(is_content, ["dog", "red", "runs", "two", "outdoors", "café"]))
    assert not any(map(is_content, ["a", "the", "is", "of", "in", "and", "while", ",", "."]))


@pytest.mark.parametrize(
    ("text", "english_"),
    [
        ("a dog runs", True),
        ("two children play in a pool", True),
        ("man on the beach", True),
        ("snowboarder in the air", True),
        ("ein mann in einem blauen hemd steht auf einem gehsteig", False),
        ("zwei hunde spielen im schnee", False),
        ("un chien court dans l'herbe", False),
        ("dva psi běží po sněhu", False),
        ("", False),
    ],
)
def test_english_is_known_by_its_little_words(text, english_):
    assert is_english(text.split()) is english_
