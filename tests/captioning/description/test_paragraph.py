from __future__ import annotations

import pytest
from talking import look

from imagist.captioning.description.looks import PARTS
from imagist.captioning.description.paragraph import LONGEST, paragraph
from imagist.captioning.description.sentence import enriched

LEFT, RIGHT, TOP, BOTTOM, MIDDLE, TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = PARTS


def told(whole, *parts):
    """The sentences of a paragraph, from the caption of the whole and of parts: ``(box, texts...)``."""
    wholes = [look(*([whole] if isinstance(whole, str) else whole))]
    looks = [look(*texts, box=box) for box, *texts in parts]
    best = wholes[0][0]
    said = paragraph(best, enriched(best, wholes, wholes + looks), looks, wholes + looks)
    assert said[0].box == best.box
    return [sentence.text for sentence in said]


def everywhere(*texts, boxes=(RIGHT, TOP_RIGHT, BOTTOM_RIGHT)):
    """The same said of several parts."""
    return [(box, *texts) for box in boxes]


def test_somebody_new_gets_a_sentence_and_a_place():
    assert told(
        "a man is standing in a field",
        (LEFT, "a dog is running"),
        (TOP_LEFT, "a man stands"),
        (BOTTOM_LEFT, "a dog is running"),
        (RIGHT, "a man is standing in a field"),
    ) == ["A man is standing in a field.", "At the bottom left, a dog is running."]


def test_what_somebody_does_is_told_as_far_as_it_is_backed():
    parts = everywhere("a man is riding a bike near a tree")
    assert told("a dog runs", *parts) == ["A dog runs.", "On the right, a man is riding a bike near a tree."]
    parts = [(RIGHT, "a man is riding a bike near a tree"), *everywhere("a man is riding a bike", boxes=PARTS[6:9])]
    assert told("a dog runs", *parts) == ["A dog runs.", "On the right, a man is riding a bike."]


def test_what_was_said_is_not_said_again():
    parts = everywhere("a man is standing in a field of grass")
    assert told("a dog runs through the grass", *parts)[1:] == ["On the right, a man is standing."]
    parts = everywhere("a man is holding a dog")
    assert told("a dog runs", *parts)[1:] == ["There is a man on the right."]


def test_a_thing_beside_somebody_known_is_told_alone():
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
def test_some_nouns_are_no_things_to_point_at(caption):
    assert told("a dog runs", *everywhere(caption)) == ["A dog runs."]


def test_what_is_seen_on_all_sides_has_no_place_and_is_left_out():
    assert told("a dog runs", *everywhere("a dog runs with a ball", boxes=PARTS)) == ["A dog runs."]


def test_another_person_is_the_same_under_another_name():
    assert told("a man is running", *everywhere("a woman is jumping over a fence"))[1:] == [
        "There is a fence on the right."
    ]


@pytest.mark.parametrize("several", ["two men are running", "a group of people are running", "people run"])
def test_one_of_several_is_told_if_something_is_news(several):
    assert told(several, *everywhere("a man is riding a bike"))[1:] == ["On the right, a man is riding a bike."]


def test_the_same_of_one_of_them_is_no_news():
    assert told("two men are running", *everywhere("a man is running")) == ["Two men are running."]


def test_nobody_is_beside_himself():
    assert told("a group of people run", *everywhere("a man is sitting on a bench with a man"))[1:] == [
        "On the right, a man is sitting on a bench."
    ]


def test_clothes_alone_are_no_news_without_a_place():
    assert told("people run", *everywhere("a man in a red shirt is standing", boxes=PARTS)) == ["People run."]


def test_one_look_is_not_enough():
    assert told("a dog runs", (RIGHT, "a cat sits", "a bird sits"), (LEFT, "a dog runs")) == ["A dog runs."]


def test_parts_that_show_the_same_are_not_told_twice():
    parts = [*everywhere("a man is sitting"), ((0.42, 0.0, 1.0, 1.0), "a horse is standing")]
    assert told("a dog runs", *parts)[1:] == ["On the right, a man is sitting."]


def test_two_sides_are_told_one_after_the_other():
    left = everywhere("a cat is sleeping", boxes=(LEFT, TOP_LEFT, BOTTOM_LEFT))
    assert told("a dog runs", *everywhere("a man is sitting"), *left) == [
        "A dog runs.",
        "On the left, a cat is sleeping.",
        "On the right, a man is sitting.",
    ]


def test_it_ends_in_time():
    things = ["ball", "bench", "fence", "rock", "flag", "box", "sign", "bridge"]
    parts = [(box, *(f"a dog runs near a {thing}",)) for thing in things for box in (RIGHT, TOP_RIGHT, BOTTOM_RIGHT)]
    said = told("a dog runs", *parts)
    assert len(said) == LONGEST
    assert len(set(said)) == LONGEST


def test_other_languages_are_told_caption_by_caption():
    said = told(
        "ein mann steht auf einem feld",
        (LEFT, "ein hund läuft durch das gras"),
        (RIGHT, "ein mann steht auf einem feld"),
        (BOTTOM_LEFT, "ein hund läuft"),
    )
    assert said == ["Ein mann steht auf einem feld.", "Ein hund läuft durch das gras."]
