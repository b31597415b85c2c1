"""Texts over a limit are read in windows, or refused; nothing of them is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import SettingError, UsageError
from imagist.matching.long_texts import check_long_texts, embed_texts, windows

TEXTS = st.text(st.sampled_from("ab \t\n東😀.e\u0301"), max_size=60)


def count(text):
    """One token for each letter, two more for each text."""
    return len(text.replace(" ", "")) + 2


def embed(texts):
    """Counts letters."""
    return np.array([[text.count("a") + 0.1, text.count("b") + 0.1] for text in texts], np.float32)


@given(TEXTS, st.integers(5, 20))
def test_windows_are_within_the_limit_and_hold_everything_in_order(text, limit):
    found = windows(text, count, limit)
    assert all(count(window) <= limit for window in found)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert (found == [text]) is (count(text) <= limit)


def test_a_text_is_halved_at_the_blank_nearest_to_its_middle():
    assert windows("one two three four", lambda text: len(text.split()), 2) == ["one two", "three four"]
    assert windows("東京は大きい", len, 3) == ["東京は", "大きい"]
    assert windows("a bbbbbbbbb", len, 9) == ["a", "bbbbbbbbb"]


def test_a_single_character_over_the_limit_is_refused():
    with pytest.raises(UsageError, match="single character"):
        windows("x", lambda text: 9, 3)


def test_a_long_text_is_the_mean_of_its_windows_and_others_are_as_alone():
    found = embed_texts(["aaa", "aaaa bbbb", "b"], embed, count, 6, "window")
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[1], [2**-0.5, 2**-0.5], atol=1e-6)
    np.testing.assert_allclose(found[0], embed_texts(["aaa"], embed, count, 6, "refuse")[0], atol=1e-6)


def test_refusal_names_the_text_and_the_limit():
    with pytest.raises(UsageError, match=r"text 'aaaa bbbb': has 10 tokens, and the matcher reads 6"):
        embed_texts(["a", "aaaa bbbb"], embed, count, 6, "refuse")


def test_there_are_two_ways_to_read_long_texts():
    assert [check_long_texts(each) for each in ("window", "refuse")] == ["window", "refuse"]
    with pytest.raises(SettingError):
        check_long_texts("cut")
