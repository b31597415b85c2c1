"""One table, as Markdown and as HTML: the first column names, the others count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from imagist.errors import UsageError
from imagist.report.formatting import MINUS, plain
from imagist.storage import write_text

_NUMBER = re.compile(rf"[<+{MINUS}-]?\d[\d,.]*%?( \[[^\]]*\])?( \W)?")
_BLANK = {"", "–", "—"}
_SPECIAL = re.compile(r"([\\`*_~$|<>&#\[\]])")
_OPENING = re.compile(r"^(\d*)([-+.)])")  # what would make a list of a line
_WITHIN = re.compile(r"(?<=[^\W_])_(?=[^\W_])")


@dataclass(frozen=True)
class Table:
    """What is told in rows and columns.

    Attributes:
        heads: Names of the K columns.
        rows: K cells each.
        caption: What the table shows, in a sentence or two; may be empty.

    Raises:
        UsageError: No columns, or a row that has not a cell for each.
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
        """Which columns hold numbers and nothing else, but for blanks: they are set to the right; never the first."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.heads)
        return tuple(
            bool(number)
            and any(cell not in _BLANK for cell in column)
            and all(cell in _BLANK or _NUMBER.fullmatch(cell) is not None for cell in column)
            for number, column in enumerate(columns)
        )

    def markdown(self) -> str:
        """As GitHub's Markdown: the caption under the table, and a line end after each."""
        rule = "|".join("---:" if numeric else "---" for numeric in self.numeric)
        lines = [_line(self.heads), f"|{rule}|", *map(_line, self.rows)]
        if self.caption:
            lines += ["", _OPENING.sub(r"\1\\\2", _escaped(self.caption))]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """As HTML, in a frame that scrolls where the table is wider than the page."""
        sides = [' class="number"' if numeric else "" for numeric in self.numeric]
        heads = "".join(
            f'<th scope="col"{side}>{_html(name)}</th>' for name, side in zip(self.heads, sides, strict=True)
        )
        body = ""
        for first, *others in self.rows:
            cells = "".join(f"<td{side}>{_html(cell)}</td>" for cell, side in zip(others, sides[1:], strict=True))
            body += f'<tr><th scope="row">{_html(first)}</th>{cells}</tr>\n'
        caption = f"<figcaption>{_html(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure class="told"><div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead>\n'
            f"<tbody>{body}</tbody></table></div>{caption}</figure>\n"
        )


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
    """Text that Markdown shows as it is; ``[1.0, 2.0]`` and ``a_b``, which it does anyway, stay readable."""
    parts = _WITHIN.split(plain(cell))
    return "_".join(_bracketed(_SPECIAL.sub(r"\\\1", part)) for part in parts)


def _bracketed(text: str) -> str:
    return re.sub(rf"\\\[([{MINUS}+\d., ]+)\\\](?![(:\[])", r"[\1]", text)


def _html(text: str) -> str:
    return escape(plain(text))
