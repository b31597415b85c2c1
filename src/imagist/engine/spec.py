"""The specification of a run: what to read, where to write, and how much at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from imagist.engine.journal import journal_of
from imagist.engine.writer import FULL, PLAIN, Style, check_output
from imagist.errors import OutputError, UsageError
from imagist.images import DecodeLimits, rows
from imagist.images.decode import DEFAULT_LIMITS
from imagist.records import Row


@dataclass(frozen=True)
class RunSpec:
    """One run over any number of images.

    Attributes:
        sources: What to read, as `imagist.images.rows` takes it: files, folders, globs, addresses, tables, shards.
        column: The column of images in tables; None finds it by its name.
        images: The folder of relative paths in tables and lists; None takes their own folder.
        limits: Bounds on the bytes and the pixels of one image.
        out: The table to write, in the format of its suffix; None writes no file.
        overwrite: Whether to replace a finished table that is already there.
        update: Whether to keep the rows of a finished table that have a result, and do only those that failed and those
            that are new. The settings should be those of its run: they are not in the table.
        style: How the table is laid out.
        resume: Whether to continue from the journal of a run that was stopped.
        batch_size: Images in a batch, >= 1.
        workers: Threads that read and decode, >= 1.
        executor: The name of the executor, one of `imagist.engine.EXECUTORS`.
    """

    sources: tuple[str, ...]
    column: str | None = None
    images: Path | None = None
    limits: DecodeLimits = DEFAULT_LIMITS
    out: Path | None = None
    overwrite: bool = False
    update: bool = False
    style: Style = PLAIN
    resume: bool = False
    batch_size: int = 32
    workers: int = 2
    executor: str = "local"

    def check(self) -> None:
        """Makes sure that the results can be written, before anything is read.

        Raises:
            UsageError: ``resume`` or ``update`` without ``out``; ``update`` with ``overwrite``, or of a table that
                lacks fields.
            OutputError: The output cannot be written, is one of the inputs, or is there already.
        """
        if self.out is None:
            if self.resume or self.update:
                what = "resume" if self.resume else "update"
                raise UsageError(f"there is no file to {what}", item=what, remedy="name it with --out")
            return
        if self.update and self.overwrite:
            raise UsageError("a table is either updated or replaced", item="update", remedy="leave out overwrite")
        check_output(self.out, self.style)
        if self.update and (self.style.layout != FULL or self.out.suffix.lower() == ".xlsx"):
            raise UsageError(
                "a table for people lacks what an update needs",
                item="update",
                remedy="update a full .csv, .jsonl or .parquet",
            )
        if any(self.out.resolve() == Path(source).resolve() for source in self.sources):
            raise OutputError("is an input, too", item=str(self.out), remedy="write to another file")
        resumed = self.resume and journal_of(self.out).exists()  # which began with leave to replace the table
        if self.out.exists() and not (self.overwrite or self.update or resumed):
            raise OutputError(
                "exists already",
                item=str(self.out),
                remedy="name another file, replace it with overwrite (--overwrite), or add rows with update (--update)",
            )

    def rows(self) -> Iterator[Row]:
        """The rows of the sources, in order, in constant memory; reads until the first row that can be used.

        Raises:
            UsageError: There is none, or no folder ``images``.
            ManifestError: A table or shard cannot be read.
            OutputError: A table among the sources is the output; raised as soon as it is met, also by the iterator.
        """
        found = rows(self.sources, column=self.column, images=self.images, limits=self.limits, output=self.out)
        missing: list[Row] = []
        for row in found:
            if row.error is None or row.source not in self.sources:
                return chain(missing, [row], found)
            missing.append(row)
        reasons = "; ".join(str(row.error) for row in missing) or f"no rows in {', '.join(self.sources)}"
        raise UsageError(f"nothing to do: {reasons}")

    @property
    def reading(self) -> dict[str, object]:
        """The settings that decide which rows there are and which can be decoded, for the journal."""
        update = {"update": True} if self.update else {}
        return {
            "sources": self.sources,
            "column": self.column,
            "images": None if self.images is None else str(self.images),
            "max_bytes": self.limits.max_bytes,
            "max_megapixels": self.limits.max_megapixels,
            **update,
        }
