"""Sources of captioned images to records: rows of one image joined, images found, all faults raised at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imagist.datasets.checking import find_faults, find_missing
from imagist.datasets.entries import Entry, Record
from imagist.datasets.faults import Faults
from imagist.datasets.opening import entries
from imagist.datasets.source import Source, Wanted
from imagist.errors import DataError

__all__ = ["Record", "Source", "read", "read_all"]

_REMEDY = "correct what is named; set images to the folder of the images"


def read(
    path: str | Path,
    *,
    split: str | None = None,
    images: str | Path | None = None,
    check_images: bool = True,
    languages: Sequence[str] = (),
    only: str | Path | None = None,
    content: bool = True,
) -> list[Record]:
    """Reads a file of captioned images, in the file's order.

    The format is detected from the content: token files of Flickr8k and Flickr30k, Flickr30k's ``results.csv``, COCO
    captions, Karpathy's JSON, and tables (CSV and TSV with a header, JSON lines, JSON lists, and Parquet with or
    without the images in it). Rows of one sentence each are joined to one record an image; a row with a list of
    sentences is a record.

    A record's ``image`` is the path of its file: in ``images`` where that is given, else next to the captions where it
    exists. Otherwise it is the name that the file gives.

    Args:
        path: The file.
        split: As ``Source``.
        images: As ``Source``.
        check_images: Whether an image that is neither in the file nor on disk is an error. Set it to False for text
            alone, or where ``check`` is called afterwards, which reports these together with all else.
        languages: ISO 639-1 codes of columns to read as translations.
        only: As ``Source``.
        content: Whether to read images that are in the file; without them none is looked for on disk either.

    Raises:
        DataError: The file cannot be read, or has no such split or column; or rows, images and names of the list that
            are at fault, all of them at once.
    """
    faults = Faults()
    wanted = Wanted("captions", tuple(languages), content)
    records = _collect(Source(path, split=split, images=images, only=only), wanted, faults)
    if check_images and content:
        find_missing(records, faults)
    faults.raise_any(item=str(path), remedy=_REMEDY)
    return records


def read_all(
    sources: Mapping[str, Sequence[Source]], *, check_images: bool = True, languages: Sequence[str] = ()
) -> dict[str, list[Record]]:
    """Reads the files of several splits and checks them together: ``read`` and ``check`` with one error for all.

    Args:
        sources: The files of each split.
        check_images: Whether an image that is neither in its file nor on disk is an error.
        languages: ISO 639-1 codes of columns to read as translations.

    Returns:
        The records of each split, with that name as their ``split``.

    Raises:
        DataError: Everything that ``read`` and ``check`` would report about these files, at once.
    """
    faults = Faults()
    wanted = Wanted("captions", tuple(languages))
    records: dict[str, list[Record]] = {}
    for split, files in sources.items():
        records[split] = []
        for source in files:
            of_file = Faults()
            try:
                records[split] += [replace(each, split=split) for each in _collect(source, wanted, of_file)]
            except DataError as error:
                faults.add("unreadable file", str(error))
            faults.extend(of_file, str(source.path))
    find_faults(records, faults, check_images=check_images)
    faults.raise_any(remedy=_REMEDY)
    return records


def _collect(source: Source, wanted: Wanted, faults: Faults) -> list[Record]:
    records = [_record(entry, source) for entry in joined(entries(source, wanted, faults))]
    if not records and not faults:
        raise DataError(
            "no captioned image in it", item=str(source.path), remedy="name a file with images and captions"
        )
    return records


def _record(entry: Entry, source: Source) -> Record:
    image = entry.located(source.path, source.images)
    return Record(image, entry.captions, entry.split, entry.content, entry.translations)


def joined(rows: Iterable[Entry]) -> list[Entry]:
    """One entry an image: rows of one sentence joined by name, split and bytes, in the order of the first of each."""
    groups: list[list[Entry]] = []
    begun: dict[tuple[object, ...], list[Entry]] = {}
    for entry in rows:
        digest = hashlib.sha256(entry.content).digest() if entry.content and not entry.whole else None
        key = entry.image, entry.split, digest
        if not entry.whole and key in begun:
            begun[key].append(replace(entry, content=None))
            continue
        groups.append([entry])
        if not entry.whole:
            begun[key] = groups[-1]
    return [_merged(group) if len(group) > 1 else group[0] for group in groups]


def _merged(group: Sequence[Entry]) -> Entry:
    codes = dict.fromkeys(code for entry in group for code in entry.translations)
    translations = {code: tuple(s for entry in group for s in entry.translations.get(code, ())) for code in codes}
    captions = tuple(sentence for entry in group for sentence in entry.captions)
    return replace(group[0], captions=captions, translations=translations)
