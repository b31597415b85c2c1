"""What an update of a folder of parts does: the rows that are new, and those that failed."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from imagist.engine.earlier import agree, is_numbered
from imagist.engine.partitions import Partition
from imagist.engine.parts import LISTED, Part, PartFolder
from imagist.engine.values import decode, encode, storable
from imagist.images import Archive
from imagist.records import Row


class Results:
    """The sources of the rows in the parts of earlier runs, on disk.

    Rows are the same where their sources are, and, of those that are named by their number alone, where the columns
    that both carry are equal, as in `imagist.engine.earlier`. Images in an archive go by their names in it.

    Args:
        folder: Of the parts.
        parts: Those of earlier runs.

    Raises:
        OutputError: One cannot be read.
    """

    def __init__(self, folder: PartFolder, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._rows = sqlite3.connect("", check_same_thread=False)  # a file that is deleted when it is closed
        self._rows.execute("CREATE TABLE rows (archive TEXT, source TEXT, failed INT, taken INT, carried TEXT)")
        failed = {part.archive for part in parts if part.failed}
        self._whole = {part.digest for part in parts if part.archive and part.last and part.archive not in failed}
        for part in parts:
            values = ((part.archive or "", *each) for each in _sources(folder, part))
            self._rows.executemany("INSERT INTO rows VALUES (?, ?, ?, 0, ?)", values)
        self._rows.execute("CREATE INDEX sources ON rows (archive, source)")

    def to_do(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows without a result, and the archives."""
        return (row for row in rows if isinstance(row, Archive) or not self._take(row))

    def less(self, found: Iterable[Partition], begun: Iterable[int]) -> Iterator[Partition]:
        """The partitions, those of archives without the images that have a result; not those where all have one.

        Args:
            found: The partitions.
            begun: The numbers of those of which the update has parts already.
        """
        begun = {*begun}
        for partition in found:
            if partition.digest in self._whole and partition.number not in begun:
                continue
            if partition.archive is None:
                yield partition
                continue
            query = "SELECT source, failed FROM rows WHERE archive = ?"
            sources = self._rows.execute(query, (partition.archive.source,)).fetchall()
            failed = {source for source, is_failed in sources if is_failed}
            yield replace(partition, kept=frozenset(source for source, _ in sources) - failed)

    def drop_replaced(self, folder: PartFolder) -> None:
        """Takes out of earlier parts the failures of rows that have been done again, once all parts are written."""
        again: Counter[str] = Counter()
        for part in folder.parts():
            if part.update == folder.update:
                again.update(str(row["source"]) for row in folder.read(part, ["source"]))
        for part in self._parts:
            if not part.failed:
                continue
            rows = []
            for own, carried in folder.records(part):
                if own["error_kind"] is not None and again[own["source"]]:
                    again[own["source"]] -= 1
                else:
                    rows.append((own, carried))
            failures = [(own["source"], own["error_message"]) for own, _ in rows if own["error_kind"] is not None]
            if len(rows) < part.rows:
                changed = replace(part, rows=len(rows), failed=len(failures), failures=tuple(failures[:LISTED]))
                folder.write(changed, rows)

    def close(self) -> None:
        """Deletes what was read."""
        self._rows.close()

    def _take(self, row: Row) -> bool:
        """Marks the row's result as taken; whether it has one that can be kept."""
        query = "SELECT rowid, failed, carried FROM rows WHERE archive = '' AND source = ? AND NOT taken ORDER BY rowid"
        found = self._rows.execute(f"{query} LIMIT 1", (storable(row.source),)).fetchone()
        if found is None:
            return False
        place, failed, carried = found
        self._rows.execute("UPDATE rows SET taken = 1 WHERE rowid = ?", (place,))
        return not failed and (not is_numbered(row.source) or agree(decode(json.loads(carried)), row.columns))


def _sources(folder: PartFolder, part: Part) -> Iterator[tuple[str, bool, str]]:
    """Of each row its source, whether it failed, and its carried columns where it is named by its number."""
    found = [
        (row["source"] or "", row["error_kind"] is not None) for row in folder.read(part, ["source", "error_kind"])
    ]
    if not any(is_numbered(source) for source, _ in found):
        yield from ((source, failed, "") for source, failed in found)
        return
    for (source, failed), (_, carried) in zip(found, folder.records(part), strict=True):
        yield source, failed, json.dumps(encode(carried))
