"""Texts stay within the tokens of the matcher, by its own count."""

from __future__ import annotations

from counting_matcher import CountingMatcher
from imagist.captioning.interrogation.texts import Limit, joined


def test_separators_count():
    limit = Limit(CountingMatcher(6))  # two of these begin and end a text
    assert limit.fits("a cat, dog")
    assert not limit.fits("a cat, red dog")
    assert limit.cut("a", [", b", ", c"]) == 1
    assert limit.cut("a b c d e", [", b"]) == 0
    assert limit.cut("a", []) == 0


def test_a_smaller_limit_of_ones_own():
    assert Limit(CountingMatcher(100), 5).cut("a", [", b", ", c", ", d"]) == 1
    assert Limit(CountingMatcher(5), 100).cut("a", [", b", ", c", ", d"]) == 1


def test_phrases_that_fit_behind_a_text():
    limit = Limit(CountingMatcher(7))
    assert limit.fitting("a cat", ["dog", "red dog", "very red dog"]) == [0, 1]
    assert Limit(CountingMatcher(1000)).fitting("a cat", ["dog", "red dog"]) == [0, 1]
    assert limit.fitting("a cat", []) == []


def test_a_matcher_that_does_not_count_has_no_limit():
    class Other:
        pass

    assert Limit(Other()).cut("a", [", b"] * 50) == 50
    assert Limit(Other()).fitting("a", ["b"]) == [0]


def test_joined():
    assert (joined("", "a"), joined("a", "b")) == ("a", "a, b")
