"""An opened table and its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from imagist.images.stored import AnyPath

RAW = "unreadable row"
"""The column of rows that cannot be split into cells."""

_NO_CELLS: Mapping[str, object] = MappingProxyType({})


class TableRow(NamedTuple):
    """One row of a table, or the reason that it cannot be read.

    Attributes:
        place: ``line 7`` in text formats, as editors count (a header is line 1); ``row 7``, counted from 0, in Parquet
            and in lists of JSON.
        cells: By column; a column that the row lacks is absent. Where there is a problem, what can be read of them,
            with U+FFFD for bytes that are not UTF-8, or the whole row as `RAW` where it cannot be split into cells.
        problem: Why the row cannot be used, naming its place; None where it can.
    """

    place: str
    cells: Mapping[str, object] = _NO_CELLS
    problem: str | None = None

    @property
    def number(self) -> str:
        """The number of the place."""
        return self.place.rpartition(" ")[2]


class RowReader(Protocol):
    """Reads the rows of a table from its start, in order, in constant memory."""

    def __call__(self, columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        """Reads the rows.

        Args:
            columns: The columns that are needed; None reads all. Text formats always give all.
            content: Whether encoded images are read; without them Parquet skips their bytes on disk.
        """
        ...


@dataclass(frozen=True)
class Table:
    """An opened table.

    Attributes:
        path: Its file.
        columns: Their names, in order, each once: a repeated name becomes ``name.1``.
        rows: Reads the rows.
        images: The columns whose type can name or hold images.
        encoded: The columns whose type can hold encoded images.
        label_names: The names of columns of label numbers, in the order of the numbers, where the table has them.
        length: How many rows there are; None where only reading them would tell.
        between: Reads the rows from one number to before another, from 0; None where that takes as long as all of them.
    """

    path: AnyPath
    columns: list[str]
    rows: RowReader
    images: list[str] = field(default_factory=list)
    encoded: list[str] = field(default_factory=list)
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    length: int | None = None
    between: Callable[[int, int], Iterator[TableRow]] | None = None


def distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, each once: ``x, x`` becomes ``x, x.1``, as pandas does."""
    taken = {*names}
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        number, unique = seen[name], name
        while number and (unique := f"{name}.{number}") in taken:
            number += 1
        seen[name] = number + 1
        taken.add(unique)
        found.append(unique)
    return found


def plain(name: str) -> str:
    """The name of a column in lower case without spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name).lower()
