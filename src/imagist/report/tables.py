"""Tables for Markdown files and pages: the first column names the rows, the others hold values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagist.errors import UsageError
from imagist.report.formatting import MINUS, plain
from imagist.storage import write_text

_NUMBER = re.compile(rf"[<+{MINUS}-]?\d[\d,.]*%?( \[[^\]]*\])?( \W)?")
_BLANK = {"", "–", "—"}
_SPECIAL = re.compile(r"([\\`*_~$|<>&#\[\]])")
_OPENING = re.compile(r"^(\d*)([-+.)])")  # the beginning of a Markdown list
_WITHIN = re.compile(r"(?<=[^\W_])_(?=[^\W_])")


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        heads: Names of the K columns.
        rows: K cells each.
        caption: What the table shows, in a sentence or two; may be empty.

    Raises:
        UsageError: No columns, or a row with another number of cells.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        uneven = [number for number, row in enumerate(self.rows) if len(row) != len(self.heads)]
        if not self.heads or uneven:
            raise UsageError(f"a table of {len(self.heads)} columns has other rows: {uneven}")

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which of the K columns hold numbers or blanks alone, and are aligned to the right; never the first."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.heads)
        return tuple(
            bool(number)
            and any(cell not in _BLANK for cell in column)
            and all(cell in _BLANK or _NUMBER.fullmatch(cell) is not None for cell in column)
            for number, column in enumerate(columns)
        )

    def markdown(self) -> str:
        """The table in GitHub's Markdown, with its caption below."""
        rule = "|".join("---:" if numeric else "---" for numeric in self.numeric)
        lines = [_line(self.heads), f"|{rule}|", *map(_line, self.rows)]
        if self.caption:
            lines += ["", _OPENING.sub(r"\1\\\2", _escaped(self.caption))]
        return "\n".join(lines) + "\n"


def write_tables(path: Path, title: str, tables: Mapping[str, Table]) -> None:
    """Writes tables under their headings as one Markdown file, whole or not at all.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    parts = [f"# {_escaped(title)}", *(f"## {_escaped(name)}\n\n{table.markdown()}" for name, table in tables.items())]
    write_text(path, "\n\n".join(part.rstrip("\n") for part in parts) + "\n")


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(cell: str) -> str:
    """Escapes text for Markdown; ``[1.0, 2.0]`` and ``a_b`` need no escape and stay legible in the source."""
    parts = _WITHIN.split(plain(cell))
    return "_".join(_bracketed(_SPECIAL.sub(r"\\\1", part)) for part in parts)


def _bracketed(text: str) -> str:
    return re.sub(rf"\\\[([{MINUS}+\d., ]+)\\\](?![(:\[])", r"[\1]", text)
