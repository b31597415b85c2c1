"""Reads tables of posts that are classified already, as `imagist classify --out` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imagist.errors import DataError, ImagistError, UsageError
from imagist.images.stored import any_path, is_stored_file
from imagist.images.tables import is_table, open_table
from imagist.profiles.collecting import Collector
from imagist.profiles.naming import label_of
from imagist.profiles.posts import Posts
from imagist.records.flat import FIELDS

PROBABILITIES = "probabilities"
_READ = frozenset((PROBABILITIES, "source", "caption", "perceptual_hash", "embedding", "error_kind"))  # of our fields
_MANIFEST, _PARTS = "_manifest.json", "part-*.parquet"  # of a folder that a run wrote


def tables_of(sources: Sequence[str]) -> list[str]:
    """The sources, with the parts of each folder that a run wrote in its place, in order."""
    found: list[str] = []
    for source in sources:
        folder = Path(source)
        written = (folder / _MANIFEST).is_file()
        found += sorted(map(str, folder.glob(_PARTS))) if written else [source]
    return found


def is_classified(source: str) -> bool:
    """Whether a source is a table with a column of probabilities."""
    path = any_path(source)
    try:
        there = path.is_file() if isinstance(path, Path) else is_stored_file(source)
        return there and is_table(path) and PROBABILITIES in open_table(path).columns
    except ImagistError:
        return False


def read_classified(
    sources: Sequence[str], *, by: str | None = None, text: str | None = None, label: str | None = None
) -> Posts:
    """The posts of classified tables; the images themselves are not needed.

    Near-duplicates are known by a column ``perceptual_hash``; without it only images of one name count once.

    Args:
        sources: Tables with columns of accounts and of probabilities, an image a row, or folders of their parts.
        by: The column of accounts; found by its name where it is None.
        text: The column of the authors' texts; the same.
        label: The column of the posts' true categories; the same.

    Raises:
        UsageError: A table has no column of accounts or of probabilities, or there are no posts.
        DataError: A row that cannot be read, or is of other categories than those before it.
    """
    collector = Collector(by, None, text, label)
    collect_classified(collector, tables_of(sources))
    return collector.posts()


def read_pool(sources: Sequence[str], *, label: str | None = None) -> Posts:
    """The images of classified tables, a post each, of one account; see `imagist.profiles.simulation`.

    Args:
        sources: Tables with columns of probabilities and of true categories.
        label: The column of true categories; found by its name where it is None.

    Raises:
        UsageError: There is no such column.
        DataError: As of `read_classified`.
    """
    names: tuple[str, ...] = ()
    rows, labels, captions = [], [], []
    for source in sources:
        for row in open_table(any_path(source)).rows():
            if row.problem is not None:
                raise DataError(row.problem, item=source)
            found = _probabilities(row.cells.get(PROBABILITIES), f"{source}, {row.place}")
            if found is None:
                continue
            names = names or tuple(found)
            if {*names} != {*found}:
                raise DataError("has other categories than rows before it", item=f"{source}, {row.place}")
            rows.append([found[name] for name in names])
            labels.append(label_of(_carried(row.cells), label))
            captions.append(str(row.cells.get("caption") or ""))
    pool = (
        Posts(("",) * len(rows), np.array(rows), names, captions=tuple(captions), labels=tuple(labels))
        if rows
        else None
    )
    if pool is None or not {*pool.labels} & {*names}:
        raise UsageError("no image has a label that is one of the categories", remedy="name it with --label-column")
    return pool


def collect_classified(collector: Collector, sources: Sequence[str]) -> None:
    """Adds the rows of classified tables to a collector; arguments and errors as of `read_classified`."""
    for source in sources:
        table = open_table(any_path(source))
        if PROBABILITIES not in table.columns:
            raise UsageError("no column of probabilities", item=source, remedy="write it with imagist classify --out")
        ours = FIELDS if "error_kind" in table.columns else ()
        for row in table.rows([name for name in table.columns if name not in ours or name in _READ]):
            if row.problem is not None:
                raise DataError(row.problem, item=source)
            name = str(row.cells.get("source") or f"{source}#{row.number}")
            found = _probabilities(row.cells.get(PROBABILITIES), f"{source}, {row.place}")
            collector.add(name, _carried(row.cells), {**row.cells, PROBABILITIES: found})


def _carried(cells: Mapping[str, object]) -> dict[str, object]:
    """The cells of the table that was classified, under their names there."""
    ours = FIELDS if "error_kind" in cells else (PROBABILITIES, "source", "caption")
    return {key.removeprefix("input."): value for key, value in cells.items() if key not in ours}


def _probabilities(cell: object, place: str) -> Mapping[str, float] | None:
    """The probabilities that a cell holds, as a mapping, as pairs (as Parquet has them) or as JSON; None if empty."""
    try:
        value: Any = json.loads(cell) if isinstance(cell, str) and cell.strip() else cell
        if value is None or value == "" or value != value:
            return None
        found = {str(name): float(p) for name, p in dict(value).items()}
    except (ValueError, TypeError) as error:
        raise DataError(f"probabilities that cannot be read: {error}", item=place) from error
    return found or None
