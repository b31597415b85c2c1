"""Expected similarity of hypotheses, against n-gram counts by hand."""

from __future__ import annotations

from collections import Counter
from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.reranking.mbr import expected_similarity

SENTENCES = st.lists(st.lists(st.integers(2, 6), max_size=7), min_size=1, max_size=6)


def grams(words, n):
    padded = [*words, "end"]
    return Counter(tuple(padded[i : i + n]) for i in range(len(padded) - n + 1))


def cosine(a, b):
    lengths = sqrt(sum(v * v for v in a.values())) * sqrt(sum(v * v for v in b.values()))
    return sum(a[g] * b[g] for g in a) / lengths if lengths else 0.0


def by_hand(sentences, logprobs, power):
    weights = [p / max(1, len(s)) ** power for s, p in zip(sentences, logprobs, strict=True)]
    weights = [exp(w - max(weights)) for w in weights]
    found = []
    for one in sentences:
        total = 0.0
        for other, weight in zip(sentences, weights, strict=True):
            similar = sum(cosine(grams(one, n), grams(other, n)) for n in range(1, 5)) / 4
            total += weight * similar * exp(-((len(one) - len(other)) ** 2) / 72)
        found.append(total / sum(weights))
    return found


@given(SENTENCES, st.integers(0, 99), st.sampled_from([0.0, 0.7, 1.0]))
def test_it_is_the_weighted_mean_of_cosines(sentences, seed, power):
    logprobs = -10 * np.random.default_rng(seed).random(len(sentences))
    found = expected_similarity([np.array(s, np.int64) for s in sentences], logprobs.tolist(), power)
    assert found.tolist() == pytest.approx(by_hand(sentences, logprobs, power))
    assert (found >= 0).all()
    assert (found <= 1 + 1e-9).all()


def test_the_most_similar_hypothesis_beats_the_most_probable_one():
    sentences = [np.array(s) for s in ([9, 8, 7], [2, 3, 4, 5], [2, 3, 4, 6], [2, 3, 4])]
    assert expected_similarity(sentences, [-2.0, -2.5, -2.5, -2.5]).argmax() != 0
    assert expected_similarity(sentences, [-2.0, -90.0, -90.0, -90.0]).argmax() == 0
