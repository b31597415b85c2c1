"""Texts to BERT's word pieces: lower case, no accents, punctuation apart, then the longest known piece first.

The result is that of `transformers.BertTokenizer` without ``[CLS]`` and ``[SEP]`` (Devlin et al. 2019).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from imagist.errors import BundleError

PAD, UNKNOWN = 0, 1
_CONTINUES = "##"
_LONGEST_WORD = 100  # letters; a longer word is unknown
_REPLACEMENT = "\ufffd"
_CONTROLS = {"Cc", "Cf", "Co", "Cs"}
_BLANKS = "\t\n\r"
_ASCII_CONTROLS = {code: None for code in (*range(32), 127) if chr(code) not in _BLANKS}
_ASCII_WORD = re.compile(f"[a-z0-9]+|[{re.escape(string.punctuation)}]")
_KNOWN_WORDS = 1 << 15  # whose pieces are remembered
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPieces:
    """A vocabulary of word pieces.

    Args:
        pieces: In the order of their ids, the first two ``[PAD]`` and ``[UNK]``; one that continues a word begins
            with ``##``.

    Raises:
        BundleError: The first two are others, or a piece is there twice.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        if tuple(pieces[:2]) != ("[PAD]", "[UNK]") or len(self._ids) != len(pieces):
            raise BundleError("a vocabulary of distinct word pieces begins with [PAD] and [UNK]", item="vocabulary")
        self._longest = max(len(piece.removeprefix(_CONTINUES)) for piece in pieces)
        self._spelled = lru_cache(_KNOWN_WORDS)(self._spell)

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, text: str) -> list[int]:
        """The ids of a text's pieces; a word that the pieces cannot spell is `UNKNOWN`."""
        return [number for word in words(text) for number in self._spelled(word)]

    def _spell(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [UNKNOWN]
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = _CONTINUES if start else ""
            ends = range(min(len(word), start + self._longest), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self._ids), None)
            if end is None:
                return [UNKNOWN]
            found.append(self._ids[prefix + word[start:end]])
            start = end
        return found


def words(text: str) -> Sequence[str]:
    """The words of a text, lower case and without accents; each mark of punctuation and ideograph is a word."""
    if text.isascii():
        return _ASCII_WORD.findall(text.translate(_ASCII_CONTROLS).lower())
    return [*_words_of_any_script(text)]


def _words_of_any_script(text: str) -> Iterator[str]:
    spaced = "".join(f" {letter} " if _is_ideograph(letter) else letter for letter in _cleaned(text))
    plain = (letter for letter in unicodedata.normalize("NFD", spaced) if unicodedata.category(letter) != "Mn")
    lower = "".join(letter.lower() for letter in plain)  # letter by letter: the sigma that ends a word is as any other
    for token in lower.split():
        start = 0
        for place, letter in enumerate(token):
            if _is_punctuation(letter):
                if start < place:
                    yield token[start:place]
                yield letter
                start = place + 1
        if start < len(token):
            yield token[start:]


def _cleaned(text: str) -> Iterator[str]:
    """The letters without control characters, white space of every kind as blanks."""
    for letter in text:
        if letter in _BLANKS or (letter.isspace() and unicodedata.category(letter)[0] == "Z"):
            yield " "
        elif letter != _REPLACEMENT and unicodedata.category(letter) not in _CONTROLS:
            yield letter


def _is_ideograph(letter: str) -> bool:
    return letter >= "\u3400" and any(first <= ord(letter) <= last for first, last in _IDEOGRAPHS)


def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter)[0] == "P"
