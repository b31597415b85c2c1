"""Files of captions to records: rows of one image joined, splits and lists of names applied, images found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from imagist.captioned.checking import find_faults, find_missing
from imagist.captioned.faults import Faults
from imagist.captioned.formats import entries
from imagist.captioned.joining import joined
from imagist.captioned.lines import lines
from imagist.captioned.record import Entry, Record, Wanted
from imagist.errors import DataError
from imagist.images.fetch import is_url

_REMEDY = "correct what is named; images says in which folder pictures lie"


@dataclass(frozen=True)
class Source:
    """A file of captions and what to take from it.

    Attributes:
        path: The file.
        split: Of a file that names splits, the one to take, or several as ``train+restval``; of one that names none,
            what to call it.
        images: The folder of the images; where it is None they lie beside the file.
        only: A list of names, one a line (``Flickr_8k.trainImages.txt``), with or without folder and suffix: no other
            image is taken.
    """

    path: str | Path
    split: str | None = None
    images: str | Path | None = None
    only: str | Path | None = None


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

    The format is found from the content: token files of Flickr8k and Flickr30k, CSV and TSV with a header, Flickr30k's
    ``results.csv``, COCO captions, Karpathy's JSON, JSONL, and Parquet with the images in it or beside it. Rows of
    one sentence each are joined to one record an image; a row with a list of sentences is a record.

    A record's ``image`` is the path of its file: in ``images`` where that is given, else beside the captions where it
    is there. Otherwise it is the name that the file gives.

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
    records = _collect(Source(path, split, images, only), Wanted(tuple(languages), content), faults)
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
        The records of each split, whose ``split`` is that name.

    Raises:
        DataError: Everything that ``read`` and ``check`` would say of these files, at once.
    """
    faults = Faults()
    wanted = Wanted(tuple(languages))
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
    path = Path(source.path)
    rows = entries(path, wanted, faults)
    if source.only is not None:
        rows = _listed(rows, Path(source.only), faults)
    if source.split is not None:
        rows = _of_split(rows, source.split, str(path), faults)
    records = [_record(entry, source) for entry in joined(rows)]
    if not records and not faults:
        raise DataError("no captioned image in it", item=str(path), remedy="name a file with images and captions")
    return records


def _listed(rows: Iterable[Entry], only: Path, faults: Faults) -> Iterator[Entry]:
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
    for name_listed in (each for each in wanted if each not in used):
        faults.add("listed image without captions", f"{name_listed}, of {only}")


def _of_split(rows: Iterable[Entry], split: str, item: str, faults: Faults) -> Iterator[Entry]:
    """The rows of a split; where no row names one, all of them, labelled."""
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


def _record(entry: Entry, source: Source) -> Record:
    image = entry.image or f"{source.path}#{entry.place.split()[-1]}"
    if not entry.held and not is_url(image):
        image = _located(image, source)
    return Record(image, entry.captions, entry.split, entry.content, entry.translations)


def _located(image: str, source: Source) -> str:
    folder = os.path.dirname(source.path) if source.images is None else source.images  # noqa: PTH120
    path = os.path.join(folder, image)  # noqa: PTH118  (a Path would drop a leading "./")
    return path if source.images is not None or os.path.isfile(path) else image  # noqa: PTH113
