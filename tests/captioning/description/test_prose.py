from __future__ import annotations

import pytest
from fake_captioners import RandomCaptioner, noise
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.description.chunker import parse
from imagist.captioning.description.prose import be, finite, to_prose, without_repeats


@pytest.mark.parametrize(
    ("caption", "sentence"),
    [
        ("a dog runs", "A dog runs."),
        ("a dog running on a beach", "A dog is running on a beach."),
        ("two dogs running", "Two dogs are running."),
        ("a man and a woman sitting on a bench", "A man and a woman are sitting on a bench."),
        ("a group of people walking", "A group of people are walking."),
        ("a girl in a pool", "A girl is in a pool."),
        ("a girl in a blue shirt in a pool", "A girl in a blue shirt is in a pool."),
        ("a girl in a blue shirt", "A girl in a blue shirt."),
        ("a man wearing a helmet rides a bike", "A man wearing a helmet rides a bike."),
        ("a man dressed in white", "A man dressed in white."),
        ("a brown and white dog jumps over a hurdle", "A brown and white dog jumps over a hurdle."),
        ("a gull snarfs at a fish", "A gull snarfs at a fish."),
        ("a photo of a dog with a ball", "A photo of a dog with a ball."),
        ("there is a dog on a couch", "There is a dog on a couch."),
        ("people runs near a fence", "People runs near a fence."),
        ("A dog .", "A dog."),
        ("ß", "ß."),
    ],
)
def test_captions_become_sentences(caption, sentence):
    assert to_prose(finite(parse(caption))) == sentence


@given(st.integers(0, 2000))
def test_only_a_form_of_be_is_put_in(seed):
    (caption,) = RandomCaptioner(seed).caption([noise(0)])
    clause = parse(caption.text)
    words = list(finite(clause))
    if words != list(clause.words):
        put_in = next(n for n, word in enumerate(words) if clause.words[n : n + 1] != (word,))
        assert words.pop(put_in) == be(clause.subject)
        assert words == list(clause.words)


@pytest.mark.parametrize(
    ("caption", "shorter"),
    [
        ("a man in a white shirt and a white shirt is running", "a man in a white shirt is running"),
        ("a man in a white shirt and a black shirt", "a man in a white shirt and a black shirt"),
        ("a man wearing a hat and a hat and a coat", "a man wearing a hat and a coat"),
        ("a dog and a dog play", "a dog and a dog play"),
        ("a man stands on the beach at the beach", "a man stands on the beach"),
        ("a dog plays with a dog", "a dog plays with a dog"),
        ("a man in a black shirt and a woman in a black shirt", "a man in a black shirt and a woman in a black shirt"),
    ],
)
def test_what_is_listed_twice_is_said_once(caption, shorter):
    assert " ".join(without_repeats(parse(caption)).words) == shorter
