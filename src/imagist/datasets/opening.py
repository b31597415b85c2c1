"""Sources to entries: the format detected or named, splits and lists of images applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from imagist import registry
from imagist.datasets.entries import Entry
from imagist.datasets.faults import Faults
from imagist.datasets.source import Format, Source, SourceFile, Wanted, list_of_names
from imagist.errors import DataError

_KIND = "datasets"
_LAST = "table"  # recognises any file


def entries(source: Source, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The entries of a source that are asked for, in the order of its file.

    Raises:
        DataError: Nothing there, empty, without what is wanted, or asked for columns that its format has not.
        UnknownName: No format is called that.
    """
    file = SourceFile(source)
    name = format_of(file) if source.format == "auto" else source.format
    found: Format = registry.find(_KIND, name)()
    _check(found, name, file, wanted)
    rows = found.read(file, wanted, faults)
    if source.only is not None:
        rows = listed(rows, Path(source.only), faults)
    if source.split is not None:
        rows = of_split(rows, source.split, str(source.path), faults)
    return rows


def format_of(file: SourceFile) -> str:
    """The name of the format of a file or folder; plugins are asked first, tables last.

    Raises:
        DataError: There is nothing, or it is empty or cannot be read.
    """
    built_in = registry.BUILT_IN[_KIND]
    plugins = [name for name in registry.names(_KIND) if name not in built_in]
    tried = [*plugins, *(name for name in built_in if name != _LAST)]
    return next((name for name in tried if registry.find(_KIND, name)().recognises(file)), _LAST)


def _check(found: Format, name: str, file: SourceFile, wanted: Wanted) -> None:
    item, asked = str(file.path), file.source.columns.given()
    if wanted.what not in found.holds:
        held = " and ".join(sorted(found.holds))
        raise DataError(f"is of format {name}, which has {held}, no {wanted.what}", item=item)
    if wanted.languages and "translations" not in found.holds:
        raise DataError(
            f"is of format {name}, which has no translations; {', '.join(wanted.languages)} asked for",
            item=item,
            remedy="give Parquet, CSV or JSONL with a column for each language",
        )
    if file.source.where and name != _LAST:
        raise DataError(f"is of format {name}; rows are chosen by where in tables alone", item=item)
    if unknown := [column for what, column in asked.items() if what not in found.columns]:
        raise DataError(f"is of format {name}, which has no column {', '.join(map(repr, unknown))}", item=item)


def listed(rows: Iterable[Entry], only: Path, faults: Faults) -> Iterator[Entry]:
    """The entries of images on a list of names, with or without folder and suffix; names without an entry are faults.

    Raises:
        DataError: The list cannot be read.
    """
    wanted = dict.fromkeys(list_of_names(only, "name a list of images"))
    used = set()
    for entry in rows:
        name = PurePosixPath(entry.image)
        found = next((each for each in (entry.image, name.name, name.stem) if each in wanted), None)
        if found is not None:
            used.add(found)
            yield entry
    for unused in (each for each in wanted if each not in used):
        faults.add("listed image without an entry", f"{unused}, of {only}")


def of_split(rows: Iterable[Entry], split: str, item: str, faults: Faults) -> Iterator[Entry]:
    """The entries of a split, or of several as ``train+restval``; where no entry names one, all of them get its name.

    Entries without a split among others that have one are faults.

    Raises:
        DataError: No such split; the message lists those there are.
    """
    wanted = set(split.split("+"))
    seen, kept = set(), []
    for entry in rows:
        seen.add(entry.split)
        if entry.split is None or entry.split in wanted:
            kept.append(entry)
    named = sorted(each for each in seen if each is not None)
    if not named:
        yield from (replace(entry, split=split) for entry in kept)
        return
    if missing := sorted(wanted - seen):
        raise DataError(f"no split {', '.join(map(repr, missing))}", item=item, remedy=f"one of {', '.join(named)}")
    for entry in kept:
        if entry.split is None:
            faults.add("image without a split", f"{entry.place}: {entry.image}")
        else:
            yield entry
