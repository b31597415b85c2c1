"""The n-gram counts, against counting with a dictionary."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.ngrams import NGrams, References, find

SENTENCES = st.lists(st.text("abc ", max_size=12), max_size=6)


def counted(sentence: str, n: int) -> Counter[tuple[str, ...]]:
    words = sentence.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


@settings(deadline=None)
@given(SENTENCES)
def test_counts_are_those_of_a_dictionary(sentences: list[str]) -> None:
    ngrams = NGrams(sentences)
    assert ngrams.lengths.tolist() == [len(s.split()) for s in sentences]
    for n, order in enumerate(ngrams.orders, start=1):
        for number, sentence in enumerate(sentences):
            assert sorted(order.count[order.sentence == number]) == sorted(counted(sentence, n).values())
        assert len(order.keys) == len({gram for s in sentences for gram in counted(s, n)})


@settings(deadline=None)
@given(SENTENCES)
def test_entries_ascend_by_n_gram_then_sentence(sentences: list[str]) -> None:
    for order in NGrams(sentences).orders:
        entries = list(zip(order.gram.tolist(), order.sentence.tolist(), strict=True))
        assert entries == sorted(set(entries))
        assert (np.diff(order.keys) > 0).all()


@settings(deadline=None)
@given(SENTENCES, SENTENCES)
def test_numbers_of_another_corpus_find_the_shared_n_grams_and_only_those(here: list[str], there: list[str]) -> None:
    mine, theirs = NGrams(here), NGrams(there)
    for n, (order, numbers) in enumerate(zip(theirs.orders, mine.numbers_of(theirs), strict=True), start=1):
        shared = {g for s in here for g in counted(s, n)} & {g for s in there for g in counted(s, n)}
        assert (numbers >= 0).sum() == len(shared)
        assert len(numbers) == len(order.keys)
        assert len(set(numbers[numbers >= 0].tolist())) == len(shared)


def test_numbers_of_itself_are_its_own() -> None:
    ngrams = NGrams(["a dog and a dog", "a cat", ""])
    for order, numbers in zip(ngrams.orders, ngrams.numbers_of(ngrams), strict=True):
        assert numbers.tolist() == list(range(len(order.keys)))


@pytest.mark.parametrize(
    ("table", "keys", "places"),
    [([], [1, 2], [-1, -1]), ([1, 5, 9], [5, 0, 9, 10, 1], [1, -1, 2, -1, 0]), ([3], [], [])],
)
def test_find(table: list[int], keys: list[int], places: list[int]) -> None:
    assert find(np.array(table, dtype=np.int64), np.array(keys, dtype=np.int64)).tolist() == places


def test_references_match_within_their_own_item_only() -> None:
    references = References([["a dog", "one dog"], ["a cat"]])
    hypotheses = NGrams(["dog cat", "dog cat"])
    run = next(references.matches(hypotheses, np.array([0, 1])))
    # entries: dog of 0, dog of 1, cat of 0, cat of 1; all four words are known, but each belongs to one item
    assert (run >= 0).tolist() == [True, False, False, True]


@pytest.mark.parametrize("references", [[], [["a"], []], ["a dog"], [["a"], "a dog"]])
def test_refuses_references_that_are_not_lists_of_sentences(references: list[list[str]]) -> None:
    with pytest.raises(UsageError, match="reference"):
        References(references)
