"""Which rows of a file are taken: those on a list of names, those of a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import lines
from imagist.datasets.captions.record import Entry
from imagist.errors import DataError

_Row = TypeVar("_Row", bound=Entry)


def listed(rows: Iterable[Entry], only: Path, faults: Faults) -> Iterator[Entry]:
    """The rows of images of a list of names, one a line, with or without folder and suffix; unused names are faults.

    Raises:
        DataError: The list cannot be read.
    """
    try:
        wanted = dict.fromkeys(line.strip() for _, line in lines(only, faults) if line.strip())
    except OSError as error:
        raise DataError(f"cannot be read: {error}", item=str(only), remedy="name a list of images") from error
    used = set()
    for entry in rows:
        name = PurePosixPath(entry.image)
        found = next((each for each in (entry.image, name.name, name.stem) if each in wanted), None)
        if found is not None:
            used.add(found)
            yield entry
    for namelisted in (each for each in wanted if each not in used):
        faults.add("listed image without captions", f"{namelisted}, of {only}")


def of_split(rows: Iterable[_Row], split: str, item: str, faults: Faults) -> Iterator[_Row]:
    """The rows of a split, or of several as ``train+restval``; where no row names one, all of them, labelled.

    Rows without a split among others that have one are faults.

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
