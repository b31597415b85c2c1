"""Encodes tokenised captions as word ids, and decodes them.

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
SPECIAL = ("<end>", "<start>", "<unknown>")  # END is also the padding


class Vocabulary(Protocol):
    """The words of a captioner, as training and export use them.

    Attributes:
        lines: The V words, as a bundle's ``vocabulary.txt`` holds them.
        tokens: ``words`` or ``bpe``: how a bundle decodes ids to text.
        end: Id of the end of a caption, which also pads it.
        unknown: Id of the unknown word; None if the vocabulary has none.
        starts: For each language, the id of the word that its captions start with.
        suppressed_tokens: Ids that are never generated.
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
    def suppressed_tokens(self) -> tuple[int, ...]: ...  # noqa: D102

    def encode(self, text: str, max_length: int, language: str | None = None) -> Ints:
        """Encodes a tokenised caption as int64 ``[max_length + 2]``: start, words, end and padding."""
        ...

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """Decodes the ids after the start, up to the first end."""
        ...


class WordVocabulary:
    """A `Vocabulary` of whole words, separated by spaces.

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
        self.suppressed_tokens = (*self.starts.values(), UNKNOWN)
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
    """The word that captions of a further language start with."""
    return f"<{language}>"


def until(ids: Sequence[int] | Ints, end: int) -> list[int]:
    """The ids before the first end."""
    found = [int(i) for i in ids]
    return found[: found.index(end)] if end in found else found


def build_vocabulary(
    sentences: Iterable[str],
    languages: Sequence[str],
    min_count: int,
    always: Iterable[str] = (),
    further: Iterable[str] = (),
    further_min_count: int = 1,
) -> WordVocabulary:
    """The words of tokenised sentences that occur ``min_count`` times or more, most frequent first.

    Args:
        sentences: Sentences of all languages.
        languages: ISO 639-1 codes, the main language first.
        min_count: 1 or more.
        always: Sentences of which every word is in the vocabulary.
        further: Sentences of another kind of text, whose words are counted apart.
        further_min_count: Words that occur this often in them are in the vocabulary as well; 1 or more.

    Raises:
        DataError: No word occurs often enough.
    """
    count = Counter(word for sentence in sentences for word in sentence.split())
    known = {word for word, number in count.items() if number >= min_count}
    more = Counter(word for sentence in further for word in sentence.split())
    known |= {word for word, number in more.items() if number >= further_min_count}
    known |= {word for sentence in always for word in sentence.split()}
    count.update(more)
    if not known:
        raise DataError(f"no word occurs {min_count} times", item="vocabulary", remedy="lower data.min_count")
    special = (*SPECIAL, *(start_of(code) for code in languages[1:]))
    return WordVocabulary((*special, *sorted(known, key=lambda word: (-count[word], word))), languages)


def tokenised(sentences: Iterable[str]) -> tuple[str, ...]:
    """Tokenises sentences as the metrics do: lower case, no punctuation, single spaces; drops empty ones."""
    return tuple(text for text in (" ".join(tokenize(sentence)) for sentence in sentences) if text)
