"""Faults of data, gathered while it is read and raised together."""

from __future__ import annotations

from itertools import islice, zip_longest

from imagist.errors import DataError

MOST_NAMED = 20


class Faults:
    """What is wrong so far, by kind."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._found.values()))

    def add(self, kind: str, text: str) -> None:
        """Notes one fault.

        Args:
            kind: In the singular, such as ``missing image``.
            text: What it is about and what is wrong with that.
        """
        self._found.setdefault(kind, []).append(text)

    def extend(self, other: Faults, item: str) -> None:
        """Takes over the faults of one file, naming it."""
        for kind, texts in other._found.items():
            self._found.setdefault(kind, []).extend(f"{item}: {text}" for text in texts)

    def raise_any(self, *, item: str | None = None, remedy: str | None = None) -> None:
        """Raises one DataError for all faults; nothing where there are none.

        The first 20 are named, the kinds taking turns so that none hides another; the rest is counted.
        """
        if not self._found:
            return
        counts = ", ".join(f"{kind}: {len(texts):,}" for kind, texts in self._found.items())
        turns = zip_longest(*([(kind, text) for text in texts] for kind, texts in self._found.items()))
        named = list(islice((fault for turn in turns for fault in turn if fault), MOST_NAMED))
        lines = [f"  {kind}: {text}" for each in self._found for kind, text in named if kind == each]
        rest = len(self) - len(named)
        total = f"{len(self):,} fault{'s' if len(self) > 1 else ''} ({counts})"
        raise DataError(
            "\n".join([total, *lines, *([f"  and {rest:,} more"] if rest else [])]), item=item, remedy=remedy
        )
