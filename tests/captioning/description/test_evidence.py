from __future__ import annotations

import pytest
from fake_captioners import crop_of

from imagist.captioning.description.chunker import parse
from imagist.captioning.description.english import stem
from imagist.captioning.description.evidence import attributes, boxes, kind_of, names, votes


def noun(text):
    return parse(text).nouns[0]


def test_each_crop_has_one_vote_spread_over_its_hypotheses():
    looks = [crop_of("a dog runs", "a cat runs"), crop_of("a dog sits"), crop_of("a bird flies"), []]
    assert votes(looks, names("dog")) == pytest.approx(1 + looks[0][0].share)
    assert votes(looks, names("horse")) == 0


def test_plurals_and_synonyms_are_one_noun():
    assert votes([crop_of("two bicycles"), crop_of("a bike")], names(stem("bike"))) == 2


def test_boxes_are_of_best_hypotheses():
    left, right = (0, 0, 0.6, 1), (0.4, 0, 1, 1)
    looks = [crop_of("a dog runs", box=left), crop_of("a cat", "a dog", box=right), []]
    assert boxes(looks, "dog") == [left]


def test_kinds_of_adjectives():
    assert kind_of(["red"]) == kind_of(["brown", "and", "white"])
    assert not kind_of(["red"]) & kind_of(["young"])
    assert kind_of(["big", "red"]) == kind_of(["big"]) | kind_of(["red"])


def test_the_majority_decides_on_a_colour():
    looks = [
        crop_of("a brown dog runs"),
        crop_of("a brown dog sits"),
        crop_of("a white dog runs"),
        crop_of("a dog runs"),
    ]
    assert attributes(looks, noun("a dog")) == ("brown",)


def test_a_disputed_colour_is_left_out():
    looks = [crop_of("a brown dog runs"), crop_of("a white dog sits"), crop_of("a dog runs")]
    assert attributes(looks, noun("a dog")) == ()


def test_another_kind_of_adjective_is_no_dispute():
    looks = [crop_of("a brown dog runs"), crop_of("a brown dog runs"), crop_of("a small dog sits")]
    assert attributes(looks, noun("a dog")) == ("brown",)


def test_one_small_share_is_not_enough():
    looks = [crop_of("a dog runs", "a dog sits", "a brown dog runs"), crop_of("a dog plays")]
    assert attributes(looks, noun("a dog")) == ()


def test_singular_and_plural_differ():
    looks = [crop_of("two brown dogs"), crop_of("two brown dogs")]
    assert attributes(looks, noun("a dog")) == ()
    assert attributes(looks, noun("two dogs")) == ("brown",)
