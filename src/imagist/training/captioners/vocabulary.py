"""Sentences to word ids and back, for a decoder that is trained here from nothing.

Shapes: T words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from imagist.arrays import Ints
from imagist.captioning.decoding import END, START
from imagist.errors import DataError
from imagist.metrics.ptb import tokenize

UNKNOWN = 2
SPECIAL = ("<end>", "<start>", "<unknown>")  # END is also the padding: behind the first nothing counts


class Vocabulary(Protocol):
    """What training and export need to know of the words.

    Attributes:
        lines: The V words, as a bundle's ``vocabulary.txt`` will hold them.
        tokens: ``words`` or ``bpe``: how a bundle turns ids into text.
        end: Ends a sentence, and pads it.
        unknown: Stands for words that are not known; None where there are none such.
        starts: For each language the word that its sentences begin after.
        banned: Words that are never said.
    """

    @property
    def lines(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def tokens(self) -> str: ...  # noqa: D102

    @property
    def end(self) -> int: ...  # noqa: D102

    @property
    def unknown(self) -> int | None: ...  # noqa: D102

    @property
    def starts(self) -> Mapping[str, int]: ...  # noqa: D102

    @property
    def banned(self) -> tuple[int, ...]: ...  # noqa: D102

    def encode(self, text: str, max_length: int, language: str | None = None) -> Ints:
        """A tokenised sentence to int64 ``[max_length + 2]``: start, words, end and padding."""
        ...

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """Ids after the start, up to the first end, to a sentence."""
        ...


class WordVocabulary:
    """Whole words, parted by spaces. See `Vocabulary`.

    Args:
        words: V distinct words, the special ones first, then a start for each further language.
        languages: The main language and the further ones, in the order of their starts.
    """

    tokens = "words"
    end = END
    unknown: int | None = UNKNOWN

    def __init__(self, words: Sequence[str], languages: Sequence[str] = ("en",)) -> None:
        self.lines = tuple(words)
        self._places = {word: place for place, word in enumerate(self.lines)}
        self.starts = {languages[0]: START} | {code: self._places[start_of(code)] for code in languages[1:]}
        self.banned = (*self.starts.values(), UNKNOWN)
        self._first = START

    def encode(self, text: str, max_length: int, language: str | None = None) -> Ints:
        """As the protocol says."""
        ids = np.full(max_length + 2, END, np.int64)
        words = [self._places.get(word, UNKNOWN) for word in text.split()[:max_length]]
        ids[: len(words) + 1] = [self._first if language is None else self.starts[language], *words]
        return ids

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """As the protocol says."""
        return " ".join(self.lines[i] for i in until(ids, END))


def start_of(language: str) -> str:
    """The word that sentences of a further language begin after."""
    return f"<{language}>"


def until(ids: Sequence[int] | Ints, end: int) -> list[int]:
    """The ids before the first end."""
    found = [int(i) for i in ids]
    return found[: found.index(end)] if end in found else found


def learn_words(
    sentences: Iterable[str], languages: Sequence[str], least: int, always: Iterable[str] = ()
) -> WordVocabulary:
    """The words of tokenised sentences that occur ``least`` times or more, most frequent first.

    Args:
        sentences: Of all languages.
        languages: The main one first.
        least: 1 or more.
        always: Sentences whose words are known however rare.

    Raises:
        DataError: Nothing is left.
    """
    count = Counter(word for sentence in sentences for word in sentence.split())
    known = {word for word, number in count.items() if number >= least}
    known |= {word for sentence in always for word in sentence.split()}
    if not known:
        raise DataError(f"no word occurs {least} times", item="vocabulary", remedy="lower data.least_count")
    special = (*SPECIAL, *(start_of(code) for code in languages[1:]))
    return WordVocabulary((*special, *sorted(known, key=lambda word: (-count[word], word))), languages)


def tokenised(sentences: Iterable[str]) -> tuple[str, ...]:
    """Sentences as the metrics see them: lower case, no punctuation, tokens parted by single spaces; no empty ones."""
    return tuple(text for text in (" ".join(tokenize(sentence)) for sentence in sentences) if text)
