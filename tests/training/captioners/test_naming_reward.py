"""What captions without references are rewarded for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from test_class_names import NAMES

from imagist.training.captioners.naming_reward import NamingScorer, Seen
from imagist.training.captioners.recipe import NamingReward

pytestmark = pytest.mark.torch

CONFIG = NamingReward()


def seen(somebody=0.05, parts=None, **classes):
    whole = np.zeros((1, 1000), np.float32)
    for name, probability in classes.items():
        whole[0, int(name[1:])] = probability
    visible = whole.copy()
    for number in parts or ():
        visible[0, number] = 0.5
    return Seen(whole, visible, np.array([somebody], np.float32))


TOWERS = {"c442": 0.25, "c483": 0.2, "c698": 0.2, "c663": 0.2}
SURE = {"c967": 0.9, "c968": 0.05}


def score(text, there, config=CONFIG, end=" <end>"):
    return float(NamingScorer(NAMES, there, config).scores([text + end], np.array([0]))[0])


@pytest.mark.parametrize(
    ("better", "worse", "there"),
    [
        ("a building", "a bell cote", seen(**TOWERS)),  # general where the class is not sure
        ("an espresso", "a cup", seen(**SURE)),  # and exact where it is
        ("a motorcycle", "a man is riding a motorcycle", seen(c665=0.5, c670=0.4)),  # nobody is there
        ("a man in a helmet", "a helmet", seen(0.95, c560=0.1, c518=0.1)),  # somebody is
        ("a motorcycle", "a motorcycle in front of a zebra", seen(c665=0.5, c670=0.4)),
        ("a building", "a building that", seen(**TOWERS)),
        ("a view of a building", "a view of a", seen(**TOWERS)),
    ],
)
def test_the_better_caption_is_worth_more(better, worse, there):
    assert score(better, there) > score(worse, there)


def test_what_only_a_part_shows_costs_nothing():
    alone = score("a dog", seen(c151=0.9))
    assert score("a dog on a couch", seen(c151=0.9, parts=[831])) == pytest.approx(alone)
    assert score("a dog on a couch", seen(c151=0.9)) == pytest.approx(alone - CONFIG.unseen)


def test_a_caption_that_never_ends_loses():
    there = seen(**SURE)
    assert score("an espresso", there, end="") == pytest.approx(score("an espresso", there) - CONFIG.unfinished)


def test_a_sentence_without_names_is_worth_nothing():
    assert score("something green", seen(**SURE)) == 0


def test_losses_are_those_of_the_recipe():
    there = seen(0.2, **SURE)
    mild = replace(CONFIG, invented=0.0)
    assert score("a man with an espresso", there, mild) == pytest.approx(score("an espresso", there))
    assert score("a man with an espresso", there) == pytest.approx(score("an espresso", there) - 0.8 * CONFIG.invented)


@given(st.lists(st.sampled_from("a man dog cup building zebra of the espresso water".split()), max_size=8))  # noqa: SIM905
def test_rewards_are_bounded(words):
    value = score(" ".join(words), seen(0.5, **TOWERS))
    assert -CONFIG.wrong - CONFIG.unfinished - CONFIG.invented - 8 * CONFIG.unseen <= value <= 1
