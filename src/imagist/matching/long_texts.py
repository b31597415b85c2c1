"""Texts of more tokens than a matcher reads: embedded in windows or refused, never cut off.

Shapes: M texts; P windows; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from imagist.arrays import Array, unit, unit_sums
from imagist.errors import SettingError, UsageError

LongTexts = Literal["window", "refuse"]
_SHOWN = 60  # characters of a text that a message repeats


def windows(text: str, count: Callable[[str], int], limit: int) -> list[str]:
    """Halves a text until each part is within the limit.

    It is halved at the white space nearest to its middle; where it has none, as in Chinese, in the middle itself. Only
    white space is lost.

    Args:
        text: The text.
        count: The number of tokens of a text, those that every text begins and ends with included.
        limit: Most tokens of a window.

    Returns:
        The parts in order: the text alone where it is within the limit.

    Raises:
        UsageError: A single character is over the limit.
    """
    if count(text) <= limit:
        return [text]
    inner = text.strip()
    if len(inner) < 2:
        raise UsageError(f"a single character has more than {limit} tokens", item=repr(text[:_SHOWN]))
    middle = len(inner) // 2
    blanks = [place for place, letter in enumerate(inner) if letter.isspace()]
    place = min(blanks, key=lambda each: abs(each - middle), default=middle)
    halves = inner[:place].rstrip(), inner[place:].lstrip()
    return [window for half in halves for window in windows(half, count, limit)]


def check_long_texts(choice: str) -> LongTexts:
    """The choice, if it is one.

    Raises:
        SettingError: It is neither ``window`` nor ``refuse``.
    """
    for known in get_args(LongTexts):
        if choice == known:
            return choice  # type: ignore[return-value]
    raise SettingError("no such way to read long texts", item=choice, remedy=f"one of {', '.join(get_args(LongTexts))}")


def embed_texts(
    texts: Sequence[str],
    embed: Callable[[Sequence[str]], Array],
    count: Callable[[str], int],
    limit: int,
    long_texts: LongTexts,
) -> Array:
    """Embeds texts of any length: the mean of a long text's windows, scaled to length 1 again.

    Args:
        texts: M of them, at least one.
        embed: Texts within the limit to their embeddings ``[P, D]``.
        count: The number of tokens of a text.
        limit: Most tokens that ``embed`` reads.
        long_texts: ``window``, or ``refuse`` for an error.

    Returns:
        float32 ``[M, D]``, rows of length 1.

    Raises:
        UsageError: A text is over the limit, and long texts are to be refused.
    """
    if long_texts == "refuse":
        for text in texts:
            if (tokens := count(text)) > limit:
                raise UsageError(
                    f"has {tokens} tokens, and the matcher reads {limit}",
                    item=f"text {text[:_SHOWN]!r}",
                    remedy="shorten it, or read long texts in windows",
                )
    parts = [windows(text, count, limit) for text in texts]
    return unit_sums(unit(embed([window for of in parts for window in of])), parts)
