"""Word ids to text, for the two kinds of vocabulary that captioners have: whole words, and pieces of words.

A vocabulary is a list of lines, a model's ids being their numbers from 0. Pieces are those of a byte-level BPE (GPT-2),
written in the tokenizer's own symbols, one for each byte of UTF-8: ``Ġ`` is a space.

Source: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2, and its ``encoder.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from imagist.arrays import Ints
from imagist.errors import BundleError

_SPECIAL = re.compile(r"<\|.*\|>")  # such as <|endoftext|>: has an id, and says nothing


class Vocabulary(Protocol):
    """From ids to text."""

    def __len__(self) -> int:
        """V, how many ids there are."""
        ...

    def text(self, ids: Sequence[int] | Ints) -> str:
        """What ids ``[T]`` say: words parted by single spaces."""
        ...

    def tokens(self, ids: Sequence[int] | Ints) -> tuple[str, ...]:
        """The words of that text."""
        ...


class Words:
    """Whole words: one an id.

    Args:
        lines: V words.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = tuple(lines)

    def __len__(self) -> int:
        return len(self._lines)

    def text(self, ids: Sequence[int] | Ints) -> str:
        """The words of ids ``[T]``, parted by single spaces."""
        return " ".join(self.tokens(ids))

    def tokens(self, ids: Sequence[int] | Ints) -> tuple[str, ...]:
        """The T words of ids ``[T]``."""
        return tuple(self._lines[i] for i in ids)


class Pieces:
    """Pieces of a byte-level BPE; lines such as ``<|endoftext|>`` say nothing.

    Args:
        lines: V pieces in the tokenizer's symbols.

    Raises:
        BundleError: A line has a letter that is no such symbol.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._bytes = tuple(b"" if _SPECIAL.fullmatch(line) else _as_bytes(line) for line in lines)

    def __len__(self) -> int:
        return len(self._bytes)

    def text(self, ids: Sequence[int] | Ints) -> str:
        """What the bytes of ids ``[T]`` say as UTF-8, every run of white space as one space and none around it.

        Bytes that make no whole character, as where a sentence is cut off within one, say nothing.
        """
        return " ".join(self.tokens(ids))

    def tokens(self, ids: Sequence[int] | Ints) -> tuple[str, ...]:
        """The words of that text: as many as it has, not one an id."""
        return tuple(b"".join(self._bytes[i] for i in ids).decode("utf-8", "ignore").split())


def symbols() -> dict[int, str]:
    """The symbol of each byte: those that print in Latin-1 stand for themselves, the others for U+0100 and on."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


_BYTES = {symbol: byte for byte, symbol in symbols().items()}


def _as_bytes(line: str) -> bytes:
    try:
        return bytes(_BYTES[symbol] for symbol in line)
    except KeyError as error:
        raise BundleError(
            f"{error} stands for no byte, so that this is no piece of a byte-level vocabulary",
            item=repr(line),
            remedy="write the tokenizer's own symbols, one piece a line",
        ) from None


def special(name: str) -> str:
    """The line of an id that says nothing."""
    return f"<|{name}|>"


def vocabulary_of(lines: Iterable[str], kind: str) -> Vocabulary:
    """A vocabulary of the ``words`` or the ``pieces`` of a bundle's list.

    Raises:
        BundleError: Lists are of no other kind, or a line is none of its kind.
    """
    kinds: dict[str, type[Words] | type[Pieces]] = {"words": Words, "pieces": Pieces}
    if kind not in kinds:
        raise BundleError("no kind of vocabulary", item=kind, remedy=f"one of {', '.join(kinds)}")
    return kinds[kind](tuple(lines))
