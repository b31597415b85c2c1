from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imagist.errors import UsageError
from imagist.profiles import Posts
from imagist.profiles.texts import ENOUGH, can_learn, readable, with_texts

NAMES = ("cat", "food")


def scores(texts):
    """Sure of what the text names."""
    return np.array([[0.9, 0.1] if "cat" in text else [0.1, 0.9] for text in texts], np.float32)


def posts(text_right, count=60):
    """Posts whose images say little, and whose texts are right for a share of them; the last has no text."""
    random = np.random.default_rng(0)
    truth = np.arange(count) % 2
    said = np.where(random.random(count) < text_right, truth, 1 - truth)
    given = np.where(truth[:, None] == [0, 1], 0.55, 0.45)
    return Posts(
        ("ann",) * count,
        given,
        NAMES,
        texts=(*(f"#{NAMES[i]} https://x.y/z @bob" for i in said[:-1]), ""),
        labels=tuple(NAMES[i] for i in truth),
    )


def test_a_text_is_read_without_addresses_and_names_of_people():
    assert readable("My #vegan_food with @ann.b https://a.b/c?d  now") == "My vegan food with now"


def test_the_weight_follows_how_often_texts_are_right():
    good, used = with_texts(posts(0.95), scores)
    assert used.weight > 0.5
    assert used.interval[0] <= used.weight <= used.interval[1]
    assert (used.labelled, used.used) == (59, 59)
    assert good.probabilities[:-1].max(axis=1).mean() > 0.7
    assert good.probabilities[-1].tolist() == posts(0.95).probabilities[-1].tolist()
    assert good.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
    _, useless = with_texts(posts(0.5), scores)
    assert useless.weight < 0.3


def test_a_given_weight_needs_no_labels():
    given = replace(posts(0.9), labels=("",) * 60)
    fused, used = with_texts(given, scores, weight=1.0)
    assert (used.weight, used.interval, used.labelled, used.temperature) == (1.0, None, 0, 1.0)
    assert fused.probabilities[0].tolist() == pytest.approx([0.9, 0.1])


def test_without_enough_labels_no_weight_is_learnt():
    few = posts(0.9, count=ENOUGH)
    assert not can_learn(few)
    with pytest.raises(UsageError, match="label more posts"):
        with_texts(few, scores)
    assert can_learn(posts(0.9))
    assert not can_learn(replace(posts(0.9), labels=("dog",) * 60))
