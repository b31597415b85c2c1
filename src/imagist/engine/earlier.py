"""The rows of a finished table that a new run keeps, so that it does only those that failed and those that are new."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagist.engine.journal import Record
from imagist.engine.values import cell, decode, encode, storable
from imagist.errors import ManifestError, OutputError
from imagist.images.tables import open_table
from imagist.records import Row
from imagist.records.flat import Kind

_NUMBERED = re.compile(r"#\d+(?:\.\d+)?\Z")  # the end of the name of a row that has no other name
_OTHERWISE = "name another file, or replace it with overwrite (--overwrite)"


@dataclass(frozen=True, eq=False)
class KeptRow(Row):
    """A row with a result in the earlier table, or one of that table that is no input any more.

    Attributes:
        place: Of its record in the earlier table.
    """

    place: int = 0


class Earlier:
    """A finished table, on disk by the sources of its rows.

    Args:
        path: The table.
        columns: The columns of the task's records, with their kinds.

    Raises:
        OutputError: It cannot be read, or is no table of this task.
    """

    def __init__(self, path: Path, columns: Mapping[str, Kind]) -> None:
        self._path, self._columns = path, columns
        self._rows = sqlite3.connect("")  # a file that is deleted when it is closed
        self._rows.execute("CREATE TABLE rows (source TEXT, failed INT, taken INT, own TEXT, carried TEXT)")
        self._labels: frozenset[str] | None = None
        try:
            self._fill()
        except BaseException:
            self.close()
            raise

    def plan(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, each of those that have a result as a `KeptRow`; then the rows of the table that are not inputs.

        Rows are the same where their sources are; of equal sources the first is the first. A row that is named by its
        number alone must carry the same values, too, in the columns that both have.
        """
        for row in rows:
            place = self._take(row)
            yield row if place is None else KeptRow(row.source, columns=row.columns, place=place)
        rest = self._rows.execute("SELECT rowid, source, carried FROM rows WHERE NOT taken ORDER BY rowid")
        for place, source, carried in rest:
            yield KeptRow(source, columns=decode(json.loads(carried)), place=place)

    def record(self, row: KeptRow) -> Record:
        """The record of a kept row, with the columns that it carries now."""
        (own,) = self._rows.execute("SELECT own FROM rows WHERE rowid = ?", (row.place,)).fetchone()
        return decode(json.loads(own)), dict(row.columns)

    def check(self, own: Mapping[str, Any]) -> None:
        """Raises OutputError for a new record over other categories than the table's."""
        labels = own.get("probabilities")
        if labels and self._labels and self._labels != frozenset(labels):
            message = f"has the categories {', '.join(sorted(self._labels))}, not {', '.join(sorted(labels))}"
            remedy = f"update it with the settings of its run; or {_OTHERWISE}"
            raise OutputError(message, item=str(self._path), remedy=remedy)

    def close(self) -> None:
        """Deletes what was read."""
        self._rows.close()

    def _fill(self) -> None:
        try:
            table = open_table(self._path)
        except ManifestError as error:
            raise OutputError(error.message, item=error.item, remedy=_OTHERWISE) from error
        if missing := [name for name in self._columns if name not in table.columns]:
            message = f"is no table of this command: it has no {', '.join(missing)}"
            raise OutputError(message, item=str(self._path), remedy=_OTHERWISE)
        names = _names_in_input([name for name in table.columns if name not in self._columns], self._columns)
        for row in table.rows():
            if row.problem is not None:
                raise OutputError(row.problem, item=str(self._path), remedy=_OTHERWISE)
            own = {name: _value(row.cells.get(name), kind) for name, kind in self._columns.items()}
            carried = {name: row.cells[column] for column, name in names.items() if column in row.cells}
            self._labels = self._labels or frozenset(own.get("probabilities") or ()) or None
            failed = own["error_kind"] is not None
            values = (own["source"] or "", failed, json.dumps(encode(own)), json.dumps(encode(carried)))
            self._rows.execute("INSERT INTO rows VALUES (?, ?, 0, ?, ?)", values)
        self._rows.execute("CREATE INDEX sources ON rows (source) WHERE NOT taken")

    def _take(self, row: Row) -> int | None:
        """Marks the row's record as taken; its place where it has a result and can be kept."""
        query = "SELECT rowid, failed, carried FROM rows WHERE NOT taken AND source = ? ORDER BY rowid LIMIT 1"
        found = self._rows.execute(query, (storable(row.source),)).fetchone()
        if found is None:
            return None
        place, failed, carried = found
        self._rows.execute("UPDATE rows SET taken = 1 WHERE rowid = ?", (place,))
        if failed or (is_numbered(row.source) and not agree(decode(json.loads(carried)), row.columns)):
            return None
        return int(place)


def is_numbered(source: str) -> bool:
    """Whether a row is named by its number in a table alone."""
    return _NUMBERED.search(source) is not None


def agree(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two rows carry equal values, as a table writes them, in the columns that both have; there must be one."""
    both = one.keys() & other.keys()
    return bool(both) and all(_text(one[name]) == _text(other[name]) for name in both)


def _text(value: object) -> str:
    return cell(decode(encode(value))) or ""


def _names_in_input(carried: list[str], own: Iterable[str]) -> dict[str, str]:
    """What each carried column of a table was called in the input; undoes `imagist.engine.columns.carried_names`."""
    names = {name: name for name in carried}
    for base in own:
        renamed = [name for name in carried if re.fullmatch(r"(input\.)+" + re.escape(base), name)]
        if renamed:
            names[max(renamed, key=len)] = base
    return names


def _value(value: Any, kind: Kind) -> Any:
    """A cell of the table as the value of a record."""
    if value is None or value == "":
        return None
    if kind == "text":
        return str(value)
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value) if kind == "number" else json.loads(value)
    return dict(value) if kind == "probabilities" and isinstance(value, list) else value
