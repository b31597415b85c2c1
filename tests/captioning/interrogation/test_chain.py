"""The greedy search tries every phrase at every step, and keeps the best text on the way."""

from __future__ import annotations

import numpy as np
import pytest

from counting_matcher import CountingMatcher
from imagist.captioning.interrogation.chain import Search
from imagist.captioning.interrogation.texts import Limit

PHRASES = ["red", "blue", "car", "dog on grass", "bus", "snow", "green", "bike"]


def objective(values):
    """Each text has the sum of its phrases' values."""

    def of(texts):
        return np.array([sum(values.get(part, 0.0) for part in text.split(", ")) for text in texts], np.float32)

    return of


def limit(tokens=1000):
    return Limit(CountingMatcher(tokens))


def plain_search(value, phrases, start, most, least):
    """The same search in the most direct way."""
    here, chosen, left = start, [], list(phrases)
    at = value([here])[0] if start else -np.inf
    best = (at, here)
    for step in range(most):
        texts = [f"{here}, {phrase}" if here else phrase for phrase in left]
        if not texts:
            break
        values = value(texts)
        place = int(np.argmax(values))
        if not (values[place] > at or step < least):
            break
        here, at = texts[place], values[place]
        chosen.append(left.pop(place))
        if at > best[0]:
            best = (at, here)
    return best[1]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("start", ["", "a photo"])
def test_it_finds_what_the_plain_search_finds(start, seed):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3, len(PHRASES)))

    def value(texts):
        rows = np.array([[part in text.split(", ") for part in PHRASES] for text in texts], float)
        return np.tanh(rows @ weights.T).sum(1).astype(np.float32)

    found = Search(value, limit(), most=6, least=3).run(PHRASES, start)
    assert found.text == plain_search(value, PHRASES, start, 6, 3)
    assert found.value == pytest.approx(float(value([found.text])[0]))
    assert found.text == ", ".join([*([start] if start else []), *(PHRASES[i] for i in found.phrases)])


def test_it_stops_where_nothing_brings_it_nearer():
    value = objective({"red": 0.5, "car": 0.2, "bus": -0.1, "blue": -0.2})
    assert Search(value, limit(), most=8).run(["blue", "bus", "car", "red"], "a photo").phrases == (3, 2)


def test_phrases_that_had_to_be_added_are_left_out_at_the_end():
    value = objective({"red": 0.5, "bus": -0.1, "blue": -0.2})
    found = Search(value, limit(), most=8, least=3).run(["blue", "bus", "red"])
    assert (found.text, found.value) == ("red", 0.5)


def test_phrases_that_do_not_fit_are_not_tried():
    value = objective({"dog on grass": 1.0, "red": 0.5, "car": 0.4})
    assert Search(value, limit(6), most=8).run(PHRASES, "a photo").text == "a photo, red"
    assert Search(value, limit(8), most=8).run(PHRASES, "a photo").text == "a photo, dog on grass"


def test_similar_phrases_are_not_added_after_one_another():
    value = objective({"red": 0.5, "green": 0.4, "car": 0.3})
    search = Search(value, limit(), most=8, alike=lambda number: {0: [6]}.get(number, []))
    assert search.run(PHRASES).text == "red, car"


def test_of_equal_phrases_the_first_and_no_phrase_at_all():
    assert Search(objective({"bus": 1.0, "car": 1.0}), limit(), most=1).run(["bus", "car"]).text == "bus"
    found = Search(objective({}), limit(), most=3).run([], "a photo")
    assert (found.text, found.phrases, found.value) == ("a photo", (), 0.0)
