"""The specification of a run: what to read, where to write, and how much at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from imagist.engine.journal import journal_of
from imagist.engine.parts import check_folder_of_parts
from imagist.engine.sampling import drawn
from imagist.engine.stores import store_of
from imagist.engine.writer import FULL, PLAIN, Style, check_output
from imagist.errors import OutputError, UsageError
from imagist.images import Archive, DecodeLimits, archive_rows, count, rows
from imagist.images.decode import DEFAULT_LIMITS
from imagist.records import Row

RAY = "ray"
"""The executor on a Ray cluster."""


@dataclass(frozen=True)
class Cluster:
    """What of a Ray cluster a run uses.

    Attributes:
        address: Of the cluster, such as ``auto`` or ``ray://head:10001``; None begins one of this machine's cores.
        actors: How many there are, each with a model of its own; None makes as many as the cluster has room for.
        cores: Processor cores of an actor.
        gpus: Of an actor; a fraction lets several share one.
    """

    address: str | None = None
    actors: int | None = None
    cores: int = 1
    gpus: float = 0.0


ONE_MACHINE = Cluster()


@dataclass(frozen=True)
class RunSpec:
    """One run over any number of images.

    Attributes:
        sources: What to read, as `imagist.images.rows` takes it: files, folders, globs, addresses, tables, shards.
        column: The column of images in tables; None finds it by its name.
        images: The folder of relative paths in tables and lists; None takes their own folder.
        limits: Bounds on the bytes and the pixels of one image.
        out: The table to write, in the format of its suffix; None writes no table.
        parts: The folder to write Parquet parts into, in place of a table; or an address such as ``s3://bucket/folder``.
        part_rows: Rows of a part, at most, >= 1.
        overwrite: Whether to replace a finished table that is already there.
        update: Whether to keep the rows of a finished table that have a result, and do only those that failed and those
            that are new. The settings should be those of its run: they are not in the table.
        style: How the table is laid out.
        resume: Whether to continue from the journal of a run that was stopped.
        batch_size: Images in a batch, >= 1.
        workers: Threads that read and decode, >= 1.
        executor: The name of the executor, one of `imagist.engine.EXECUTORS`; or ``ray``, into a folder of parts.
        cluster: What of a Ray cluster is used.
        limit: Rows that are read, at most, from the first; None reads all.
        sample: Rows that are drawn at random from all that are read, in their order; None takes all.
        seed: Of the sample.
        also_written: Files that the caller writes when the run has ended; none of them may be read, either.
    """

    sources: tuple[str, ...]
    column: str | None = None
    images: Path | None = None
    limits: DecodeLimits = DEFAULT_LIMITS
    out: Path | None = None
    parts: str | None = None
    part_rows: int = 1000
    overwrite: bool = False
    update: bool = False
    style: Style = PLAIN
    resume: bool = False
    batch_size: int = 32
    workers: int = 2
    executor: str = "local"
    cluster: Cluster = ONE_MACHINE
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    also_written: tuple[Path, ...] = ()

    def check(self) -> None:
        """Makes sure that the results can be written, before anything is read.

        Raises:
            UsageError: ``resume`` or ``update`` without ``out``; ``update`` with ``overwrite``, or of a table that
                lacks fields.
            OutputError: The output cannot be written, is one of the inputs, or is there already.
        """
        for name, value in (("part_rows", self.part_rows), ("limit", self.limit), ("sample", self.sample)):
            if value is not None and value < 1:
                raise UsageError(f"must be at least 1, not {value}", item=name)
        if self.executor == RAY and self.parts is None:
            raise UsageError("Ray writes a folder of parts", item=RAY, remedy="name one: --out results/")
        if self.out is None and self.parts is None:
            if self.resume or self.update:
                what = "resume" if self.resume else "update"
                raise UsageError(f"there is no file to {what}", item=what, remedy="name it with --out")
            return
        if self.update and self.overwrite:
            raise UsageError("a table is either updated or replaced", item="update", remedy="leave out overwrite")
        if self.parts is not None:
            self._check_parts(self.parts)
        elif self.out is not None:
            self._check_table(self.out)

    def _check_parts(self, parts: str) -> None:
        if self.out is not None:
            raise UsageError("a run writes a table or a folder", item=parts, remedy="leave out one of them")
        if self.style != PLAIN:
            raise UsageError("parts have all columns", item=parts, remedy="leave out --columns and --bom")
        check_folder_of_parts(store_of(parts), resume=self.resume, update=self.update, overwrite=self.overwrite)

    def _check_table(self, out: Path) -> None:
        check_output(out, self.style)
        if self.update and (self.style.layout != FULL or out.suffix.lower() == ".xlsx"):
            raise UsageError(
                "a table for people lacks what an update needs",
                item="update",
                remedy="update a full .csv, .jsonl or .parquet",
            )
        if any(out.resolve() == Path(source).resolve() for source in self.sources):
            raise OutputError("is an input, too", item=str(out), remedy="write to another file")
        resumed = self.resume and journal_of(out).exists()  # which began with leave to replace the table
        if out.exists() and not (self.overwrite or self.update or resumed):
            raise OutputError(
                "exists already",
                item=str(out),
                remedy="name another file, replace it with overwrite (--overwrite), or add rows with update (--update)",
            )

    @property
    def target(self) -> str | None:
        """The name of the table or of the folder that is written; None where none is."""
        return self.parts if self.out is None else str(self.out)

    def rows(self) -> Iterator[Row]:
        """The rows of the sources, in order, in constant memory; reads until the first row that can be used.

        Raises:
            UsageError: There is none, or no folder ``images``.
            ManifestError: A table or shard cannot be read.
            OutputError: A table among the sources is the output; raised as soon as it is met, also by the iterator.
        """
        whole = self.parts is not None and self.limit is None and self.sample is None
        found = rows(
            self.sources,
            column=self.column,
            images=self.images,
            limits=self.limits,
            outputs=(*filter(None, (self.out,)), *self.also_written),
            whole_archives=whole,
        )
        missing: list[Row] = []
        for row in found:
            if row.error is None or row.source not in self.sources:
                return self._chosen(chain(missing, [row], found))
            missing.append(row)
        reasons = "; ".join(str(row.error) for row in missing) or f"no rows in {', '.join(self.sources)}"
        raise UsageError(f"nothing to do: {reasons}")

    def count(self) -> int | None:
        """How many rows there will be, for a progress bar; None where only reading them would tell."""
        found = count(self.sources)
        return None if found is None else min(each for each in (found, self.limit, self.sample) if each is not None)

    def archive_rows(self, archive: Archive) -> Iterator[Row]:
        """The rows of the images in a file that `rows` gave whole."""
        return archive_rows(archive, column=self.column, images=self.images, limits=self.limits)

    def _chosen(self, found: Iterator[Row]) -> Iterator[Row]:
        """The rows up to the limit, of these the sample."""
        found = found if self.limit is None else islice(found, self.limit)
        return found if self.sample is None else iter(drawn(found, self.sample, self.seed)[0])

    @property
    def reading(self) -> dict[str, object]:
        """The settings that decide which rows there are and which can be decoded, for the journal."""
        more: dict[str, object] = {"update": True} if self.update else {}
        more |= {"part_rows": self.part_rows} if self.parts else {}
        more |= {"limit": self.limit} if self.limit else {}
        more |= {"sample": self.sample, "seed": self.seed} if self.sample else {}
        return {
            "sources": self.sources,
            "column": self.column,
            "images": None if self.images is None else str(self.images),
            "max_bytes": self.limits.max_bytes,
            "max_megapixels": self.limits.max_megapixels,
            **more,
        }
