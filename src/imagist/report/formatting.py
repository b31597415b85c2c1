"""Formats numbers and names for charts and tables: x 100 with one decimal, intervals in brackets."""

from __future__ import annotations

from textwrap import wrap

from imagist.errors import UsageError
from imagist.metrics.significance import Interval

MINUS = "\N{MINUS SIGN}"


def plain(text: str) -> str:
    """The text as one line for XML, HTML and terminals: no control characters, lone surrogates or runs of spaces."""
    valid = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return " ".join("".join(c for c in valid if c.isprintable() or c.isspace()).split())


def shortened(text: str, most: int) -> str:
    """The text in at most ``most`` characters, with an ellipsis in the middle, because names differ at their ends.

    Args:
        text: Made `plain` first.
        most: >= 3.
    """
    line = plain(text)
    if len(line) <= most:
        return line
    tail = (most - 1) // 2
    return f"{line[: most - 1 - tail].rstrip()}…{line[-tail:].lstrip()}"


def folded(text: str, width: int, lines: int = 2) -> str:
    """The text in at most ``lines`` lines of ``width`` characters; the last is shortened if necessary."""
    wrapped = wrap(plain(text), width)
    kept = wrapped[: lines - 1]
    rest = " ".join(wrapped[lines - 1 :])
    return "\n".join([*kept, shortened(rest, width)] if rest else kept)


def points(share: float, *, sign: bool = False) -> str:
    """A share 0..1 times 100 with one decimal; with a sign for differences."""
    value = round(100 * share, 1) + 0.0
    return f"{value:{'+' if sign else ''}.1f}".replace("-", MINUS)


def with_interval(interval: Interval, *, sign: bool = False) -> str:
    """``x.x [lo, hi]``, times 100."""
    value, low, high = (points(v, sign=sign) for v in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def text_weight(weight: float | None) -> str:
    """The weight of the text classifier, 0..1, as a sentence; None is of a fusion that is not a weighted mean."""
    if weight is None:
        return "The fusion is no weighted mean."
    if weight == 0:
        return "The text classifier has weight 0: the image classifier alone decides."
    if weight == 1:
        return "The text classifier has weight 1: it alone decides."
    return f"The text classifier has weight {weight:.0%}, the image classifier {1 - weight:.0%}."


def p_value(p: float) -> str:
    """Three decimals, two from 0.1 on; rounded to neither 0 nor 1.

    Raises:
        UsageError: Not a probability.
    """
    if not 0 <= p <= 1:
        raise UsageError(f"a p-value lies between 0 and 1, got {p}")
    if p < 0.001:
        return "<0.001"
    if p < 1:
        return f"{p:.3f}" if p < 0.1 else f"{min(p, 0.99):.2f}"
    return "1"
