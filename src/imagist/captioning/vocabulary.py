"""Token ids to text, for the two kinds of tokens that captioners use: whole words, and byte-level BPE tokens.

A vocabulary is a list of lines; a token's id is the number of its line, from 0. BPE tokens (as of GPT-2) are written in
the tokenizer's own symbols, one for each byte of UTF-8: ``Ġ`` is a space.

Source: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2, and its ``encoder.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from imagist.arrays import Ints
from imagist.errors import BundleError

_SPECIAL = re.compile(r"<\|.*\|>")  # such as <|endoftext|>: has an id and no text


class Vocabulary(Protocol):
    """Turns token ids into text."""

    def __len__(self) -> int:
        """V, the number of tokens."""
        ...

    def text(self, ids: Sequence[int] | Ints) -> str:
        """The text of ids ``[T]``: words separated by single spaces."""
        ...

    def tokens(self, ids: Sequence[int] | Ints) -> tuple[str, ...]:
        """The words of that text."""
        ...


class Words:
    """Tokens that are whole words.

    Args:
        lines: V words.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = tuple(lines)

    def __len__(self) -> int:
        return len(self._lines)

    def text(self, ids: Sequence[int] | Ints) -> str:
        """The words of ids ``[T]``, separated by single spaces."""
        return " ".join(self.tokens(ids))

    def tokens(self, ids: Sequence[int] | Ints) -> tuple[str, ...]:
        """The T words of ids ``[T]``."""
        return tuple(self._lines[i] for i in ids)


class BpeTokens:
    """Tokens of a byte-level BPE; lines such as ``<|endoftext|>`` have no text.

    Args:
        lines: V tokens in the tokenizer's symbols.

    Raises:
        BundleError: A line has a character that is not such a symbol.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._bytes = tuple(b"" if _SPECIAL.fullmatch(line) else _as_bytes(line) for line in lines)

    def __len__(self) -> int:
        return len(self._bytes)

    def text(self, ids: Sequence[int] | Ints) -> str:
        """The bytes of ids ``[T]`` decoded as UTF-8, words separated by single spaces.

        Bytes that do not form a whole character, such as at the end of a cut-off sentence, are dropped.
        """
        return " ".join(self.tokens(ids))

    def tokens(self, ids: Sequence[int] | Ints) -> tuple[str, ...]:
        """The words of that text; their number may differ from T."""
        return tuple(b"".join(self._bytes[i] for i in ids).decode("utf-8", "ignore").split())


def symbols() -> dict[int, str]:
    """The symbol of each byte: itself where Latin-1 prints it, otherwise a character from U+0100 on."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


_BYTES = {symbol: byte for byte, symbol in symbols().items()}


def _as_bytes(line: str) -> bytes:
    try:
        return bytes(_BYTES[symbol] for symbol in line)
    except KeyError as error:
        raise BundleError(
            f"{error} is not the symbol of a byte, so this is not a byte-level BPE token",
            item=repr(line),
            remedy="write the tokenizer's own symbols, one token a line",
        ) from None


def special(name: str) -> str:
    """The line of a token without text."""
    return f"<|{name}|>"


def vocabulary_of(lines: Iterable[str], kind: str) -> Vocabulary:
    """The vocabulary of a bundle.

    Args:
        lines: Of ``vocabulary.txt``.
        kind: ``words`` or ``bpe``, as the card says under ``tokens``.

    Raises:
        BundleError: An unknown kind, or a line that is not a token of its kind.
    """
    kinds: dict[str, type[Words] | type[BpeTokens]] = {"words": Words, "bpe": BpeTokens}
    if kind not in kinds:
        raise BundleError("unknown kind of tokens", item=kind, remedy=f"one of {', '.join(kinds)}")
    return kinds[kind](tuple(lines))
