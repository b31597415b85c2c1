"""Reads the rows of image files that a recipe names: tables, folders, shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagist.errors import DataError
from imagist.images import rows
from imagist.records import Row


@dataclass(frozen=True)
class ImageSource:
    """A file or folder of images.

    Attributes:
        path: A table, folder or shard, as ``imagist classify`` reads it, relative to the data folder.
        split: Only rows with this value in their ``split`` column; None takes every row.
        without: Rows with any of these values in their columns are left out, such as ``{ source = "caltech101" }`` or
            ``{ label = ["car", "bus"] }``.
    """

    path: str
    split: str | None = None
    without: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)

    def takes(self, row: Row) -> bool:
        """Whether a row of the file is wanted."""
        left_out = any(
            row.columns.get(column) in ((values,) if isinstance(values, str) else values)
            for column, values in self.without.items()
        )
        return not left_out and (self.split is None or row.columns.get("split") == self.split)


def read_rows(sources: Sequence[ImageSource], data: Path) -> list[Row]:
    """Reads the rows of some sources, in order, with all their columns; no image is decoded.

    Args:
        sources: What to read.
        data: Folder of relative paths.

    Raises:
        DataError: A source cannot be read or has no image of its split.
    """
    found: list[Row] = []
    for source in sources:
        path = str(data / source.path)
        own = [row for row in rows([path]) if source.takes(row)]
        for row in own:
            if row.error is not None:
                raise DataError(row.error.message, item=row.error.item, remedy="name the data folder with --data")
        if not own:
            raise DataError(f"no image of the split {source.split!r}", item=path, remedy="see its column split")
        found += own
    return found
