from __future__ import annotations

import pytest
from fake_captioners import crop_of

from imagist.captioning.description.crops import PARTS
from imagist.captioning.description.paragraph import MAX_SENTENCES, paragraph
from imagist.captioning.description.sentence import enriched

LEFT, RIGHT, TOP, BOTTOM, MIDDLE, TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = PARTS


def told(whole, *parts):
    """The sentences of a paragraph, from the caption of the whole and of parts: ``(box, texts...)``."""
    wholes = [crop_of(*([whole] if isinstance(whole, str) else whole))]
    looks = [crop_of(*texts, box=box) for box, *texts in parts]
    best = wholes[0][0]
    said = paragraph(best, enriched(best, wholes, wholes + looks), looks, wholes + looks)
    assert said[0].box == best.box
    return [sentence.text for sentence in said]


def everywhere(*texts, boxes=(RIGHT, TOP_RIGHT, BOTTOM_RIGHT)):
    """The same said of several parts."""
    return [(box, *texts) for box in boxes]


def test_a_new_person_gets_a_sentence_and_a_place():
    assert told(
        "a man is standing in a field",
        (LEFT, "a dog is running"),
        (TOP_LEFT, "a man stands"),
        (BOTTOM_LEFT, "a dog is running"),
        (RIGHT, "a man is standing in a field"),
    ) == ["A man is standing in a field.", "At the bottom left, a dog is running."]


def test_an_action_needs_support():
    parts = everywhere("a man is riding a bike near a tree")
    assert told("a dog runs", *parts) == ["A dog runs.", "On the right, a man is riding a bike near a tree."]
    parts = [(RIGHT, "a man is riding a bike near a tree"), *everywhere("a man is riding a bike", boxes=PARTS[6:9])]
    assert told("a dog runs", *parts) == ["A dog runs.", "On the right, a man is riding a bike."]


def test_no_fact_is_repeated():
    parts = everywhere("a man is standing in a field of grass")
    assert told("a dog runs through the grass", *parts)[1:] == ["On the right, a man is standing."]
    parts = everywhere("a man is holding a dog")
    assert told("a dog runs", *parts)[1:] == ["There is a man on the right."]


def test_a_new_thing_next_to_a_known_person_gets_a_sentence():
    assert told("a man is sitting", *everywhere("a man is sitting on a wooden bench")) == [
        "A man is sitting.",
        "There is a wooden bench on the right.",
    ]


@pytest.mark.parametrize(
    ("caption", "there"),
    [
        ("a dog runs with the ball", "There is a ball on the right."),
        ("a dog runs past the flowers", "There are flowers on the right."),
        ("a dog runs near the water", "There is water on the right."),
        ("a dog runs near some rocks", "There are some rocks on the right."),
    ],
)
def test_things_get_the_article_that_they_need(caption, there):
    assert told("a dog runs", *everywhere(caption))[1:] == [there]


@pytest.mark.parametrize(
    "caption",
    [
        "a dog runs in a blue shirt",
        "a dog runs through the air",
        "a dog runs with its mouth",
        "a dog runs with a group of friends",
        "a dog runs on a hill",
    ],
)
def test_some_nouns_cannot_be_pointed_at(caption):
    assert told("a dog runs", *everywhere(caption)) == ["A dog runs."]


def test_a_thing_on_all_sides_has_no_place_and_is_left_out():
    assert told("a dog runs", *everywhere("a dog runs with a ball", boxes=PARTS)) == ["A dog runs."]


def test_another_person_is_the_same_under_another_name():
    assert told("a man is running", *everywhere("a woman is jumping over a fence"))[1:] == [
        "There is a fence on the right."
    ]


@pytest.mark.parametrize("several", ["two men are running", "a group of people are running", "people run"])
def test_one_of_several_is_named_with_a_new_fact(several):
    assert told(several, *everywhere("a man is riding a bike"))[1:] == ["On the right, a man is riding a bike."]


def test_the_same_fact_about_one_of_several_is_not_new():
    assert told("two men are running", *everywhere("a man is running")) == ["Two men are running."]


def test_a_person_is_not_next_to_itself():
    assert told("a group of people run", *everywhere("a man is sitting on a bench with a man"))[1:] == [
        "On the right, a man is sitting on a bench."
    ]


def test_clothes_alone_are_not_new_without_a_place():
    assert told("people run", *everywhere("a man in a red shirt is standing", boxes=PARTS)) == ["People run."]


def test_one_crop_is_not_enough():
    assert told("a dog runs", (RIGHT, "a cat sits", "a bird sits"), (LEFT, "a dog runs")) == ["A dog runs."]


def test_parts_that_show_the_same_are_described_once():
    parts = [*everywhere("a man is sitting"), ((0.42, 0.0, 1.0, 1.0), "a horse is standing")]
    assert told("a dog runs", *parts)[1:] == ["On the right, a man is sitting."]


def test_two_sides_get_a_sentence_each():
    left = everywhere("a cat is sleeping", boxes=(LEFT, TOP_LEFT, BOTTOM_LEFT))
    assert told("a dog runs", *everywhere("a man is sitting"), *left) == [
        "A dog runs.",
        "On the left, a cat is sleeping.",
        "On the right, a man is sitting.",
    ]


def test_it_has_few_sentences():
    things = ["ball", "bench", "fence", "rock", "flag", "box", "sign", "bridge"]
    parts = [(box, *(f"a dog runs near a {thing}",)) for thing in things for box in (RIGHT, TOP_RIGHT, BOTTOM_RIGHT)]
    said = told("a dog runs", *parts)
    assert len(said) == MAX_SENTENCES
    assert len(set(said)) == MAX_SENTENCES


def test_other_languages_are_captions_in_a_row():
    said = told(
        "ein mann steht auf einem feld",
        (LEFT, "ein hund läuft durch das gras"),
        (RIGHT, "ein mann steht auf einem feld"),
        (BOTTOM_LEFT, "ein hund läuft"),
    )
    assert said == ["Ein mann steht auf einem feld.", "Ein hund läuft durch das gras."]
