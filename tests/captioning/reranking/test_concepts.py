"""The expected CIDEr-D of hypotheses, against CIDEr-D and by hand."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.reranking.concepts import Concepts, from_lines, ngrams, to_lines
from imagist.errors import BundleError
from imagist.metrics.cider import CiderD

COUNTS = {"a": 9, "dog": 4, "a dog": 3, "runs": 2, "dog runs": 2, "a dog runs": 1, "a dog runs fast": 1}
CARD = {"photos": 10, "lengths": [2.0, 3.0, 4.0, 5.0], "weight": 2.0, "power": 0.5}
WORDS = st.lists(st.sampled_from(["a", "dog", "runs", "fast", "cat"]), max_size=6)


def concepts(counts=COUNTS, **changes):
    return from_lines([f"{phrase}\t{count}" for phrase, count in counts.items()], CARD | changes)


def by_hand(words, shares, known):
    total = 0.0
    for n in range(1, 5):
        said = {" ".join(words[i : i + n]) for i in range(len(words) - n + 1)}
        weights = {phrase: log(known.photos / known.counts.get(phrase, 3)) for phrase in said}
        length = sqrt(sum(w * w for w in weights.values()))
        found = sum(w * w * shares.get(phrase, 0) for phrase, w in weights.items())
        usual = known.lengths[n - 1]
        total += found / usual**2 * (usual / length) ** known.power if length else 0.0
    return known.weight * 10 * total / 4


@given(WORDS, st.integers(0, 99), st.sampled_from([0.0, 0.5, 1.0]))
def test_it_sums_the_expected_shares_of_phrases(words, seed, power):
    known = concepts(power=power)
    shares = np.random.default_rng(seed).random(len(COUNTS)).astype(np.float32)
    found = known.reranker_score([" ".join(words)], shares)
    assert found.tolist() == pytest.approx([by_hand(words, dict(zip(COUNTS, shares, strict=True)), known)])
    assert known.reranker_score([], shares).shape == (0,)


def test_certain_shares_give_the_mean_cider_d():
    """Where references are as long as the sentence, no phrase comes twice, and all vectors have one length."""
    corpus = [["red dog barks loud"], ["green cat sleeps long"], ["blue bird sings high"], ["grey fish swims deep"]]
    counts = {phrase: 1 for (text,) in corpus for order in ngrams(text.split()) for phrase in order}
    lengths = [sqrt(5 - n) * log(4) for n in range(1, 5)]
    known = concepts(counts, photos=4, lengths=lengths, weight=1.0, power=1.0)
    references = ["red dog barks loud", "red dog sleeps long"]
    shares = np.array([
        np.mean([phrase in [p for order in ngrams(text.split()) for p in order] for text in references])
        for phrase in counts
    ])  # fmt: skip
    said = ["red dog barks loud", "grey fish swims deep", "red dog barks long", "red bird sleeps long"]
    expected = CiderD([references] * 4, corpus=corpus).scores(said)
    # log(4 / 1) of a concept and log(4 / 3) of what is none differ; CIDEr-D takes log(4) for both
    assert known.reranker_score(said[:2], shares).tolist() == pytest.approx(expected[:2].tolist())
    assert known.reranker_score(said, shares).argsort().tolist() == expected.argsort().tolist()


def test_expected_phrases_score_higher_and_weight_is_a_factor():
    shares = np.array([0.9, 0.8, 0.7, 0.1, 0.1, 0.0, 0.0])
    dog, cat = concepts().reranker_score(["a dog", "a cat"], shares)
    assert dog > cat > 0
    assert concepts(weight=6.0).reranker_score(["a dog"], shares).tolist() == pytest.approx([3 * dog])
    assert concepts().reranker_score([""], shares).tolist() == [0]


def test_ngrams_are_distinct():
    assert ngrams(["a", "dog", "a", "dog"]) == [
        ["a", "dog"],
        ["a dog", "dog a"],
        ["a dog a", "dog a dog"],
        ["a dog a dog"],
    ]
    assert ngrams([]) == [[], [], [], []]


def test_lines_are_read_back():
    known = concepts()
    again = from_lines(to_lines(known).splitlines(), CARD)
    assert (again.counts, again.photos, again.lengths) == (known.counts, known.photos, known.lengths)
    assert [*again.counts] == [*COUNTS]
    assert isinstance(known, Concepts)


@pytest.mark.parametrize(
    ("lines", "card"),
    [
        (["a dog"], CARD),
        (["a dog\tmany"], CARD),
        (["a dog\t0"], CARD),
        (["a dog\t3"], CARD | {"lengths": [1.0, 2.0]}),
        (["a dog\t3"], CARD | {"lengths": [0.0, 1.0, 1.0, 1.0]}),
        (["a dog\t3"], CARD | {"weight": "heavy"}),
    ],
    ids=["no count", "no number", "no photo", "two lengths", "no length", "no weight"],
)
def test_invalid_concepts_are_refused(lines, card):
    with pytest.raises(BundleError, match="concepts cannot be understood"):
        from_lines(lines, card)
