"""CIDEr and CIDEr-D for many hypotheses, against the formulas written out."""

from __future__ import annotations

from collections import Counter
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.cider import CiderD, UnclippedCider, cider

SENTENCE = st.lists(st.sampled_from(["a", "dog", "cat", "runs", "on", "grass"]), max_size=7).map(" ".join)
ITEMS = st.lists(st.lists(SENTENCE, min_size=1, max_size=3), min_size=1, max_size=5)

SCORERS = (UnclippedCider, CiderD)
REFERENCES = [["a dog runs", "the dog runs on grass"], ["a cat sits", "one black cat"], ["two men at sea"]]


def grams(sentence: str) -> Counter[tuple[str, ...]]:
    words = sentence.split()
    return Counter(tuple(words[i : i + n]) for n in range(1, 5) for i in range(len(words) - n + 1))


def written_out(hypothesis: str, references: list[str], corpus: list[list[str]], defended: bool = True) -> float:
    """CIDEr-D of one hypothesis as the paper has it; CIDEr, its first definition, where it is not defended."""
    frequency = Counter(gram for item in corpus for gram in {g for sentence in item for g in grams(sentence)})

    def vector(sentence: str, n: int) -> dict[tuple[str, ...], float]:
        counts = grams(sentence)
        return {g: c * (log(len(corpus)) - log(max(1, frequency[g]))) for g, c in counts.items() if len(g) == n}

    def length(vector: dict[tuple[str, ...], float]) -> float:
        return sqrt(sum(v * v for v in vector.values()))

    total = 0.0
    for reference in references:
        apart = len(hypothesis.split()) - len(reference.split())
        for n in range(1, 5):
            h, r = vector(hypothesis, n), vector(reference, n)
            if length(h) and length(r):
                product = sum((min(v, r[g]) if defended else v) * r[g] for g, v in h.items() if g in r)
                total += (exp(-(apart**2) / 72) if defended else 1) * product / (length(h) * length(r))
    return 10 * total / 4 / len(references)


@settings(deadline=None)
@given(ITEMS, st.lists(SENTENCE, max_size=6), ITEMS, st.data())
def test_is_the_formula_also_with_frequencies_of_another_corpus(references, hypotheses, corpus, data) -> None:
    items = [data.draw(st.integers(0, len(references) - 1)) for _ in hypotheses]
    scores = CiderD(references, corpus=corpus).scores(hypotheses, items)
    expected = [written_out(h, references[i], corpus) for h, i in zip(hypotheses, items, strict=True)]
    assert scores == pytest.approx(np.array(expected), abs=1e-9)


@settings(deadline=None)
@given(ITEMS, st.lists(SENTENCE, max_size=6), st.data())
def test_unclipped_it_is_the_first_definition(references, hypotheses, data) -> None:
    items = [data.draw(st.integers(0, len(references) - 1)) for _ in hypotheses]
    scores = UnclippedCider(references).scores(hypotheses, items)
    expected = [written_out(h, references[i], references, False) for h, i in zip(hypotheses, items, strict=True)]
    assert scores == pytest.approx(np.array(expected), abs=1e-9)
    assert (CiderD(references).scores(hypotheses, items) <= scores + 1e-9).all()


def test_only_the_defended_figure_minds_a_word_said_five_times() -> None:
    plain, defended = (scorer(REFERENCES).scores(["sea", "sea sea sea sea sea"], [2, 2]) for scorer in SCORERS)
    assert plain[1] == pytest.approx(plain[0])
    assert defended[1] < defended[0] / 4


def test_a_hypothesis_scores_the_same_alone_and_among_others() -> None:
    scorer = CiderD(REFERENCES)
    hypotheses = ["a dog on grass", "a cat and a dog", "unheard of words here", "", "two men at sea", "a dog on grass"]
    items = [0, 1, 2, 0, 2, 1]
    together = scorer.scores(hypotheses, items)
    alone = [scorer.scores([h], [i])[0] for h, i in zip(hypotheses, items, strict=True)]
    assert together.tolist() == alone
    assert together[0] > together[5]


def test_its_own_references_are_the_default_corpus() -> None:
    hypotheses = ["a dog runs", "a cat", "two men"]
    assert CiderD(REFERENCES).scores(hypotheses).tolist() == CiderD(REFERENCES, REFERENCES).scores(hypotheses).tolist()
    assert cider(hypotheses, REFERENCES) == CiderD(REFERENCES).scores(hypotheses).mean()


def test_repeating_a_word_earns_nothing() -> None:
    scorer = CiderD(REFERENCES)
    once, often = scorer.scores(["two men at sea", "sea sea sea sea"], [2, 2])
    assert often < once / 4


def test_no_hypotheses_no_scores() -> None:
    assert CiderD(REFERENCES).scores([], []).shape == (0,)


@pytest.mark.parametrize(
    ("hypotheses", "items"), [(["a"], None), (["a"], [0, 1]), (["a"], [3]), (["a"], [-1]), (["a"] * 4, None)]
)
def test_refuses_items_that_do_not_fit(hypotheses: list[str], items: list[int] | None) -> None:
    with pytest.raises(UsageError):
        CiderD(REFERENCES).scores(hypotheses, items)


@pytest.mark.parametrize("corpus", [[], [["a"], []]])
def test_refuses_a_corpus_without_sentences(corpus: list[list[str]]) -> None:
    with pytest.raises(UsageError):
        CiderD(REFERENCES, corpus=corpus)
