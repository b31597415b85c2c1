"""Texts of a caption and phrases, within the tokens that a matcher reads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from imagist.protocols import Matcher

SEPARATOR = ", "
_MARGIN = 4  # tokens by which two texts together may have more than each alone


@runtime_checkable
class CountsTokens(Protocol):
    """A matcher that tells how many tokens it reads."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of a text."""
        ...

    def token_count(self, text: str) -> int:
        """The number of tokens of a text."""
        ...


@dataclass(frozen=True)
class Limit:
    """The most tokens of a text, by a matcher's count, separators included.

    Attributes:
        matcher: Counts, if it can; else there is no limit.
        tokens: Most tokens; None is what the matcher reads.
    """

    matcher: Matcher
    tokens: int | None = None

    def fits(self, text: str) -> bool:
        """Whether a text is within the limit."""
        counts = self._counts
        return counts is None or counts.token_count(text) <= self._most(counts)

    def fitting(self, text: str, phrases: Sequence[str]) -> list[int]:
        """The numbers of the phrases that fit behind a text, each alone."""
        counts = self._counts
        if counts is None or not phrases:
            return [*range(len(phrases))]
        longest = max(len(phrase.encode()) for phrase in phrases)
        if self._most(counts) - counts.token_count(text) - _MARGIN >= longest:  # no token is shorter than a byte
            return [*range(len(phrases))]
        return [number for number, phrase in enumerate(phrases) if self.fits(joined(text, phrase))]

    def cut(self, text: str, endings: Sequence[str]) -> int:
        """How many of the endings fit behind a text, one after the other."""
        return bisect_right(range(1, len(endings) + 1), False, key=lambda n: not self.fits(text + "".join(endings[:n])))

    @property
    def _counts(self) -> CountsTokens | None:
        return self.matcher if isinstance(self.matcher, CountsTokens) else None

    def _most(self, counts: CountsTokens) -> int:
        return counts.max_tokens if self.tokens is None else min(self.tokens, counts.max_tokens)


def joined(text: str, phrase: str) -> str:
    """A phrase behind a text; the phrase alone where there is no text."""
    return f"{text}{SEPARATOR}{phrase}" if text else phrase
