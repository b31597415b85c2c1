"""Tables: CSV, TSV, JSON lines, JSON lists and Parquet with a row an image, or a row a caption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from imagist.datasets.columns import Found, entry, find
from imagist.datasets.entries import Entry
from imagist.datasets.faults import Faults
from imagist.datasets.source import ROW, SourceFile, Wanted, as_data_error, list_of_names
from imagist.errors import DataError, ManifestError
from imagist.images.tables import Table, open_table
from imagist.images.tables.cells import label
from imagist.images.tables.columns import lacking

_SHOWN = 10  # keys of a document that a message lists
_UNDERSTOOD = "COCO's captions or instances, Karpathy's images with sentences, or a list of objects with columns"


class Tables:
    """Any table whose columns are known by their names or named by the source."""

    holds = frozenset({"captions", "translations", "labels"})
    columns = frozenset({"image", "label", "caption", "split", "account", "weight"})

    def recognises(self, file: SourceFile) -> bool:
        """Whether it is a file: what is no other format is read as a table."""
        return bool(file.head)

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The rows, in order; rows that cannot be read, or hold something else than they should, are faults.

        Raises:
            DataError: No table, or one without a column that is needed.
        """
        item = str(file.path)
        if file.document and "image" not in file.document:
            keys = ", ".join(map(repr, [*file.document][:_SHOWN]))
            raise DataError(f"JSON with {keys} is of no known layout", item=item, remedy=f"give {_UNDERSTOOD}")
        try:
            table = open_table(file.path)
        except ManifestError as error:
            raise as_data_error(error) from error
        columns = find(table.columns, wanted, file.source.columns, item, table.encoded)
        columns = replace(columns, label_names=_label_names(table, columns, file.source.names))
        where = file.source.where
        if missing := [f"column {name!r}" for name in where if name not in table.columns]:
            raise DataError(lacking(missing, map(repr, table.columns)), item=item, remedy="see where")
        for row in table.rows([*dict.fromkeys([*columns.all(), *where])], content=wanted.content):
            if row.problem is not None:
                faults.add(ROW, row.problem)
                continue
            if any(not _holds(row.cells.get(name), value) for name, value in where.items()):
                continue
            try:
                yield entry(row.cells, columns, row.place)
            except ValueError as error:
                faults.add(ROW, f"{row.place}: {error}")


def _holds(cell: object, wanted: str) -> bool:
    """Whether a cell is a value, as text or as the label that both are: True is ``true``, 1.0 is ``1``."""
    try:
        return str(cell) == wanted or label(cell, "") == label(wanted, "") != ""
    except ValueError:
        return False


def _label_names(table: Table, columns: Found, given: str | Path | None) -> tuple[str, ...]:
    if columns.label is None:
        return ()
    if given is not None:
        return tuple(list_of_names(Path(given), "give one name of a label a line"))
    return table.label_names.get(columns.label, ())
