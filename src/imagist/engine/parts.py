"""A folder of results: Parquet parts, each written once and whole, and a manifest.

``_manifest.json`` holds the settings of the run and, once it is complete, its parts and columns. A part is named
``part-UPDATE-PARTITION-NUMBER.parquet``, so that the names in order give the order of the inputs; its metadata says
which run and which inputs it is of. All that a run needs to go on is in the parts that are there.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist import __version__
from imagist.engine.journal import Record, changes
from imagist.engine.stores import Store, store_of
from imagist.engine.types import Kinds
from imagist.engine.writer import arrow_schema, arrow_table, carried_columns
from imagist.errors import OutputError, UsageError
from imagist.images.addresses import is_stored
from imagist.images.stored import is_stored_file
from imagist.images.tables.arrow_values import python_values
from imagist.records.flat import Kind

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "_manifest.json"  # what begins with "_" is no data for Arrow, Spark and others
LISTED = 10  # failures that a part keeps
_NAME = re.compile(r"part-\d{2,}-\d{8,}-\d{4,}\.parquet")
_META = b"imagist"
_READERS = 16  # parts whose metadata is read at the same time
_READ_AHEAD = 1000
_FORMAT = 1


@dataclass(frozen=True)
class Part:
    """A part and what it holds.

    Attributes:
        run: The run that wrote it, as its manifest names it.
        update: The number of the update; 0 is the first run.
        partition: The number of its partition.
        number: Its place among the parts of the partition, from 0.
        digest: Of the partition.
        rows: How many.
        failed: How many of these have an error.
        failures: Source and message of the first `LISTED`.
        last: Whether it is the last of its partition.
        archive: The file that its images are from; None where they are files of their own.
    """

    run: str
    update: int
    partition: int
    number: int
    digest: str
    rows: int
    failed: int
    failures: tuple[tuple[str, str], ...]
    last: bool
    archive: str | None = None

    @property
    def name(self) -> str:
        """Of its file."""
        return f"part-{self.update:02d}-{self.partition:08d}-{self.number:04d}.parquet"


class PartFolder:
    """The folder of one run.

    Args:
        address: A folder, or an address in an object store.
        columns: The columns of the records, with their kinds.
        run: Of the run, as another `PartFolder` that began it has it.
    """

    def __init__(self, address: str, columns: Mapping[str, Kind], run: str = "") -> None:
        self.run, self.update = run, 0
        self._store, self._columns = store_of(address), dict(columns)

    @property
    def address(self) -> str:
        """As the user named it."""
        return self._store.address

    def begin(
        self,
        task: Mapping[str, object],
        reading: Mapping[str, object],
        *,
        resume: bool = False,
        update: bool = False,
        overwrite: bool = False,
    ) -> list[Part]:
        """Begins a run, or goes on with one; returns the parts that are there.

        Args:
            task: All settings that decide the results, JSON values by name.
            reading: All settings that decide the rows.
            resume: Whether to go on with an unfinished run.
            update: Whether to add to a complete one.
            overwrite: Whether to replace a complete one.

        Raises:
            UsageError: There is an unfinished run and ``resume`` is false; or the run that is resumed or updated had
                other settings.
            OutputError: The folder cannot be written, or holds a complete run or other files.
        """
        check_folder_of_parts(self._store, resume=resume, update=update, overwrite=overwrite)
        settings = json.loads(json.dumps({**task, **reading}))
        was = read_manifest(self._store)
        if was and overwrite and not (resume and not was["complete"]):
            was = None
        if was and not was["complete"]:
            self._check_settings(was["settings"], settings)
            self.run, self.update = was["run"], was["update"]
        elif was and update:
            self._check_settings({name: was["settings"].get(name) for name in task}, {n: settings[n] for n in task})
            self.run, self.update = was["run"], was["update"] + 1
        else:
            self.run = secrets.token_hex(8)
        self._write_manifest(settings)
        there = self.parts()
        for part in there:
            if part.run != self.run:
                self._store.delete(part.name)
        return [part for part in there if part.run == self.run]

    def _check_settings(self, was: Mapping[str, object], now: Mapping[str, object]) -> None:
        if changed := changes(was, now):
            raise UsageError(
                f"the run there had other settings: {changed}",
                item=self.address,
                remedy="go on with the settings of that run, or replace it with overwrite (--overwrite)",
            )

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other runs out of the folder, where it is on a disk.

        Raises:
            OutputError: Another run is writing it.
        """
        return self._store.lock()

    def parts(self) -> list[Part]:
        """The parts that are there, in order.

        Raises:
            OutputError: One cannot be read.
        """
        return [part for part, _ in self._read_all()]

    def write(self, part: Part, rows: list[Record]) -> None:
        """Writes a part.

        Raises:
            OutputError: It cannot be written.
        """
        names = carried_columns([rows], self._columns)
        kinds = Kinds()
        kinds.add([carried for _, carried in rows], names)
        schema = arrow_schema(self._columns, names, kinds.types())
        self._put(part, arrow_table(rows, schema, self._columns, names), kinds.places, names)

    def read(self, part: Part, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a part, as `imagist.images.tables` gives them.

        Args:
            part: Which.
            columns: Those that are needed; None reads all.
        """
        import pyarrow.parquet as pq

        with self._store.opened(part.name) as file, pq.ParquetFile(file) as table:
            for batch in table.iter_batches(columns=columns):
                yield from _python(batch)

    def finish(self, settings: Mapping[str, object]) -> list[Part]:
        """Gives all parts the same columns, then writes the manifest of the complete run; returns the parts.

        A part is written again only where a carried column has another type in other parts.

        Raises:
            OutputError: A part is of another run, or cannot be read or written.
        """
        kinds, names = Kinds(), dict[str, str]()
        parts: list[tuple[Part, pa.Schema]] = []
        forms: dict[str, pa.Schema] = {}  # the few different schemas, each once in memory
        for part, schema in self._read_all():
            if part.run != self.run:  # of a worker that outlived its run
                other_run = self._store.within(part.name)
                raise OutputError("another run has written it meanwhile", item=other_run, remedy="go on with --resume")
            meta = _meta(schema)
            names |= meta["carried"]
            kinds.merge(meta["kinds"], {name: schema.field(new).type for name, new in meta["carried"].items()})
            plain = schema.remove_metadata()
            parts.append((part, forms.setdefault(str(plain), plain)))
        target = arrow_schema(self._columns, names, kinds.types())
        other = {name for name, schema in forms.items() if not schema.equals(target)}
        for part, schema in parts:
            if other and str(schema) in other:
                meta = _meta(self._read_meta(part.name)[1])
                table = arrow_table(self.records(part, meta["carried"]), target, self._columns, names)
                self._put(part, table, meta["kinds"], names)
        found, columns = [part for part, _ in parts], {field.name: str(field.type) for field in target}
        self._write_manifest(settings, parts=found, columns=columns)
        return found

    def records(self, part: Part, carried: Mapping[str, str] | None = None) -> list[Record]:
        """The rows of a part as they were written.

        Args:
            part: Which.
            carried: Its carried columns, with their names in the part, where they are known.
        """
        names = carried if carried is not None else _meta(self._read_meta(part.name)[1])["carried"]
        return [
            ({name: row.get(name) for name in self._columns}, {name: row.get(new) for name, new in names.items()})
            for row in self.read(part)
        ]

    def _put(self, part: Part, table: pa.Table, kinds: Mapping[str, object], names: Mapping[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        meta = {**asdict(part), "kinds": kinds, "carried": names}
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({_META: json.dumps(meta)}), sink)
        self._store.write(part.name, sink.getvalue())

    def _read_all(self) -> Iterator[tuple[Part, pa.Schema]]:
        """All parts, in order, and the schemas of their files, read a few ahead."""
        names = [name for name in self._store.names() if _NAME.fullmatch(name)]
        with ThreadPoolExecutor(_READERS) as pool:
            for begin in range(0, len(names), _READ_AHEAD):
                yield from pool.map(self._read_meta, names[begin : begin + _READ_AHEAD])

    def _read_meta(self, name: str) -> tuple[Part, pa.Schema]:
        """A part and the schema of its file, which has the metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self._store.opened(name) as file:
                schema = pq.read_schema(file)
            meta = _meta(schema)
            fields = {each: meta[each] for each in Part.__dataclass_fields__}
            fields["failures"] = tuple((source, message) for source, message in fields["failures"])
            return Part(**fields), schema
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"is no part of a run: {error}", item=self._store.within(name), remedy="delete it, and resume"
            ) from error

    def _write_manifest(
        self,
        settings: Mapping[str, object],
        *,
        parts: Sequence[Part] | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """Writes the manifest: of a complete run where the parts are given."""
        manifest: dict[str, object] = {
            "imagist parts": _FORMAT,
            "imagist": __version__,
            "complete": parts is not None,
            "run": self.run,
            "update": self.update,
            "settings": settings,
        }
        if parts is not None:
            manifest |= {
                "rows": sum(part.rows for part in parts),
                "failed": sum(part.failed for part in parts),
                "columns": columns,
                "parts": [{"file": part.name, "rows": part.rows, "failed": part.failed} for part in parts],
            }
        self._store.write(MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())


def read_manifest(store: Store) -> dict[str, Any] | None:
    """The manifest of a folder; None where it has none.

    Raises:
        OutputError: It is not that of a run, or of another version of imagist.
    """
    try:
        with store.opened(MANIFEST) as file:
            found = json.loads(file.read())
        if found["imagist parts"] != _FORMAT:
            raise ValueError("written by another version of imagist")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"is no manifest of a run: {error}", item=store.within(MANIFEST), remedy="name another folder"
        ) from error
    return dict(found)


def part_files(source: str) -> list[str]:
    """The files of the parts in a folder, in order; the source as it is where it is no such folder.

    Raises:
        UsageError: The run that writes them is not complete.
    """
    folder = source.rstrip("/") if is_stored(source) else str(Path(source))
    there = is_stored_file if is_stored(source) else os.path.isfile
    if not there(f"{folder}/{MANIFEST}"):
        return [source]
    manifest = read_manifest(store_of(source))
    if manifest is None or not manifest["complete"]:
        raise UsageError("the run that writes its parts is not complete", item=source, remedy="go on with --resume")
    return [f"{folder}/{part['file']}" for part in manifest["parts"]]


def is_complete(address: str) -> bool:
    """Whether a folder holds a complete run.

    Raises:
        OutputError: It cannot be read, or its manifest is not that of a run.
    """
    manifest = read_manifest(store_of(address))
    return manifest is not None and bool(manifest["complete"])


def check_folder_of_parts(store: Store, *, resume: bool, update: bool, overwrite: bool) -> None:
    """Makes sure that a run may write its parts into a folder; arguments and errors as of `PartFolder.begin`."""
    store.check()
    manifest = read_manifest(store)
    if manifest is None:
        if names := store.names():
            message = f"holds other files, such as {names[0]}"
            raise OutputError(message, item=store.address, remedy="name a new folder")
    elif not manifest["complete"]:
        if not (resume or overwrite):
            raise UsageError(
                "there is an unfinished run",
                item=store.address,
                remedy="add --resume to continue it, or replace it with overwrite (--overwrite)",
            )
    elif not (update or overwrite):
        raise OutputError(
            "holds a finished run",
            item=store.address,
            remedy="name another folder, replace it with overwrite (--overwrite), or add rows with update (--update)",
        )


def _meta(schema: pa.Schema) -> dict[str, Any]:
    return dict(json.loads((schema.metadata or {})[_META]))


def _python(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch, by column."""
    columns = [python_values(column) for column in batch.columns]
    return [dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True)]
