"""Distinct n-grams, words and copies: counted by hand, and intervals that hold the truth as often as they should."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.diversity import copied, distinct, running, type_values, vocabulary
from imagist.metrics.ngrams import NGrams
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import interval_of

CAPTIONS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8).map(" ".join), min_size=1, max_size=8)


def grams(captions: list[str], n: int) -> list[tuple[str, ...]]:
    words = [caption.split() for caption in captions]
    return [tuple(w[i : i + n]) for w in words for i in range(len(w) - n + 1)]


@given(CAPTIONS, st.integers(1, 4))
def test_distinct_n_is_what_counting_gives(captions: list[str], n: int) -> None:
    every = grams(captions, n)
    assert distinct(captions, n) == pytest.approx(len(set(every)) / len(every) if every else 0)
    assert vocabulary(captions) == len(set(grams(captions, 1)))
    assert running(NGrams(captions), n).sum() == len(every)


@given(CAPTIONS, st.integers(1, 4))
def test_pseudo_values_are_the_jackknifes(captions: list[str], n: int) -> None:
    def types(some: list[str]) -> int:
        return len(set(grams(some, n)))

    values = type_values(NGrams(captions), n)
    assert values.mean() == pytest.approx(types(captions))
    size = len(captions)
    left_out = np.array([types(captions[:i] + captions[i + 1 :]) for i in range(size)])
    expected = size * types(captions) - (size - 1) * left_out
    # Tukey's pseudo-values are these but for a constant, the jackknife's estimate of bias.
    assert values - values.mean() == pytest.approx(expected - expected.mean())


@pytest.mark.slow
def test_intervals_hold_the_number_of_types_as_often_as_they_should() -> None:
    draw = random.Random(0)
    words = [f"w{n}" for n in range(2000)]
    weights = [1 / (n + 1) for n in range(2000)]

    def one_captioner() -> list[str]:
        return [" ".join(draw.choices(words, weights, k=draw.randint(5, 12))) for _ in range(200)]

    systems = [NGrams(one_captioner()) for _ in range(200)]
    counts = [len(system.orders[0].keys) for system in systems]
    held = 0
    for seed, (system, count) in enumerate(zip(systems, counts, strict=True)):
        drawn = Resamples(200, 400, seed=seed).totals(type_values(system, 1)[:, None])[:, 0] / 200
        held += np.mean(counts) in interval_of(count, drawn)
    assert 0.9 <= held / len(systems) <= 0.995


def test_a_copy_is_a_copy_token_for_token() -> None:
    assert copied(["a dog", "a dog runs", ""], iter(["a dog", "a cat"])).tolist() == [True, False, False]


@pytest.mark.parametrize("n", [0, 5])
def test_refuses_orders_that_are_not_counted(n: int) -> None:
    for figure in (distinct, lambda captions, order: type_values(NGrams(captions), order)):
        with pytest.raises(UsageError, match="1 to 4"):
            figure(["a"], n)
