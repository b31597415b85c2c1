"""Counts the n-grams of many sentences at once, as sorted integers.

The number of an n-gram is its rank in the corpus by (number of its first n-1 words, number of its last word); it is
exact, not a hash.

Shapes: S sentences; N items; R references of all items; K distinct n-grams of one order; E entries of one order,
one for each distinct n-gram of each sentence; U runs of entries, one for each distinct n-gram of each item.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from imagist.arrays import Ints
from imagist.errors import UsageError

ORDERS = 4  # n-grams of 1 to 4 words


@dataclass(frozen=True, eq=False)
class Order:
    """The n-grams of one order in a corpus.

    Attributes:
        keys: int64 ``[K]``, number of the first n-1 words * vocabulary + number of the last word, ascending.
        gram: int64 ``[E]``, number 0..K-1 of an entry's n-gram, ascending.
        sentence: int64 ``[E]``, the sentence that has it, ascending within an n-gram.
        count: int64 ``[E]``, how often, >= 1.
    """

    keys: Ints
    gram: Ints
    sentence: Ints
    count: Ints


class NGrams:
    """The n-grams of S sentences of tokens separated by white space.

    Attributes:
        lengths: int64 ``[S]``, words of each sentence.
        orders: `Order` of n = 1, 2, 3, 4.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        split = [sentence.split() for sentence in sentences]
        self.lengths: Ints = np.fromiter(map(len, split), np.int64, len(split))
        words: defaultdict[str, int] = defaultdict()
        words.default_factory = words.__len__  # a new word gets the next number, without Python code for each word
        running = map(words.__getitem__, chain.from_iterable(split))
        numbers = np.fromiter(running, np.int64, int(self.lengths.sum()))
        self._words = dict(words)
        self.orders = tuple(self._count(numbers))

    def _count(self, words: Ints) -> Iterator[Order]:
        sentences = max(1, len(self.lengths))
        sentence_of = np.repeat(np.arange(len(self.lengths)), self.lengths)
        to_come = np.repeat(np.cumsum(self.lengths), self.lengths) - np.arange(len(words))
        number = np.zeros(len(words), dtype=np.int64)  # of the n-gram that starts at each word
        for n in range(1, ORDERS + 1):
            start = np.flatnonzero(to_come >= n)
            said = (number[start] * len(self._words) + words[start + n - 1]) * sentences + sentence_of[start]
            ascending = np.argsort(said)
            said = said[ascending]
            first = np.flatnonzero(np.diff(said, prepend=-1))
            key, sentence = np.divmod(said[first], sentences)
            new = np.diff(key, prepend=-1) != 0
            gram = np.cumsum(new) - 1
            count = np.diff(first, append=len(said))
            number[start[ascending]] = np.repeat(gram, count)
            yield Order(key[new], gram, sentence, count)

    def numbers_of(self, other: NGrams) -> Iterator[Ints]:
        """For each order, the numbers in this corpus of another corpus's n-grams; -1 for unknown ones."""
        words = np.fromiter((self._words.get(word, -1) for word in other._words), np.int64, len(other._words))
        numbers = np.zeros(1, dtype=np.int64)
        for mine, theirs in zip(self.orders, other.orders, strict=True):
            before, last = np.divmod(theirs.keys, max(1, len(other._words)))
            before, last = numbers[before], words[last]
            numbers = np.where((before < 0) | (last < 0), -1, find(mine.keys, before * len(self._words) + last))
            yield numbers


def find(table: Ints, keys: Ints) -> Ints:
    """The position of each key in an ascending table; -1 for unknown ones."""
    if not len(table):
        return np.full(len(keys), -1)
    position = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[position] == keys, position, -1)


class References:
    """The reference sentences of N items, with their n-grams in runs that belong to one item.

    Args:
        references: One or more sentences of tokens separated by white space for each item.

    Attributes:
        owner: int64 ``[R]``, the item of each reference, ascending.
        of_item: int64 ``[N]``, how many references each item has.
        ngrams: The n-grams of the R references.
        runs: For each order, int64 ``[U]``: where in its entries each run begins.

    Raises:
        UsageError: No items, an item without a reference, or a sentence where a list of them should be.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        check_references(references)
        self.of_item: Ints = np.fromiter(map(len, references), np.int64, len(references))
        self.owner: Ints = np.repeat(np.arange(len(references)), self.of_item)
        self.ngrams = NGrams([sentence for item in references for sentence in item])
        keys = [order.gram * len(self) + self.owner[order.sentence] for order in self.ngrams.orders]
        self.runs = [np.flatnonzero(np.diff(key, prepend=-1)) for key in keys]
        self._keys = [key[run] for key, run in zip(keys, self.runs, strict=True)]

    def __len__(self) -> int:
        return len(self.of_item)

    def matches(self, hypotheses: NGrams, item: Ints) -> Iterator[Ints]:
        """For each order, ``[E]`` of the hypotheses: each entry's run; -1 where no reference of its item has it.

        Args:
            hypotheses: The n-grams of M sentences.
            item: int64 ``[M]``, the item of each.
        """
        numbers = self.ngrams.numbers_of(hypotheses)
        for order, keys, number in zip(hypotheses.orders, self._keys, numbers, strict=True):
            gram = number[order.gram]
            yield np.where(gram < 0, -1, find(keys, gram * len(self) + item[order.sentence]))


def check_references(references: Sequence[Sequence[str]]) -> None:
    """Makes sure that there are items, each with a list of sentences.

    Raises:
        UsageError: There are none, or one has no sentence, or one sentence instead of a list.
    """
    if not references:
        raise UsageError("there are no references to compare with", remedy="give one list of sentences an item")
    for index, item in enumerate(references):
        if isinstance(item, str) or not item:
            raise UsageError("needs a list of one or more reference sentences", item=f"item {index}")
