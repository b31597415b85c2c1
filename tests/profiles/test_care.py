"""Profiles describe posts, not people."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from imagist.errors import UsageError
from imagist.profiles import Posts, Settings, account_record, post_records, profile, score_brief
from imagist.profiles.care import impersonal, personal_words
from imagist.profiles.records import ACCOUNT_FIELDS, BRIEF_FIELDS, POST_FIELDS, SIMILARITY

GUESSES = ("a young woman in a church", "an elderly man with a beard", "two girls at a mosque")
POSTS = Posts(("x",) * 3 + ("y",) * 3, np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3), ("cat", "food"))


class Letters:
    """Embeds a text by its letters, so that any change of the text changes it."""

    id, concurrent, scale = "letters", True, 5.0

    def texts(self, texts):
        rows = np.array([[text.lower().count(chr(97 + i)) + 0.01 for i in range(26)] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_no_column_says_who_somebody_is():
    """There is no column of a person's attributes, and none may be added."""
    personal = r"age|gender|sex|ethnic|race|health|belief|religio|politic|identi|nationalit|orientation|person|income"
    names = {**ACCOUNT_FIELDS, **POST_FIELDS, **BRIEF_FIELDS, SIMILARITY: "number"}
    words = [word for name in names for word in name.split("_")]
    assert [word for word in words if re.fullmatch(f"({personal}).*", word)] == []


@pytest.mark.parametrize(
    "names", [("men", "women"), ("Asian food", "cat"), ("christian", "muslim"), ("age 20-30", "x")]
)
def test_categories_of_who_people_are_are_refused(names):
    with pytest.raises(UsageError, match="not about who people are"):
        profile(replace(POSTS, categories=names))


def test_what_captions_guess_at_people_changes_no_column():
    plain, told = (
        profile(replace(POSTS, captions=captions), Settings(draws=100)) for captions in ((), GUESSES + GUESSES)
    )
    assert [account_record(each) for each in plain] == [account_record(each) for each in told]
    assert [*post_records(plain, POSTS)] == [*post_records(told, POSTS)]


def test_a_brief_is_not_about_who_people_are_and_does_not_see_gender():
    posts = replace(POSTS, captions=("a man rides", "a woman rides", "a person rides") * 2)
    scores = score_brief(posts, "a person rides", Letters()).of_posts
    assert scores == pytest.approx(1)
    with pytest.raises(UsageError, match="women"):
        score_brief(posts, "women on bikes", Letters())


def test_words():
    assert personal_words("Gay or straight women; a middle-aged man's beard") == ["gay", "women", "middle-aged", "man"]
    assert personal_words("vegan recipes, old temples, black coffee, manchester, her") == []
    assert impersonal("A woman and her dog meet two boys") == "A person and their dog meet two people"
