"""Files of captions to records: rows of one image joined, splits and lists of names applied, images found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagist.datasets.captions.checking import find_faults, find_missing
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.formats import entries
from imagist.datasets.captions.joining import joined
from imagist.datasets.captions.locating import image_of
from imagist.datasets.captions.record import Entry, Record, Wanted
from imagist.datasets.captions.selecting import listed, of_split
from imagist.errors import DataError

_REMEDY = "correct what is named; images says in which folder images lie"


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
        rows = listed(rows, Path(source.only), faults)
    if source.split is not None:
        rows = of_split(rows, source.split, str(path), faults)
    records = [_record(entry, source) for entry in joined(rows)]
    if not records and not faults:
        raise DataError("no captioned image in it", item=str(path), remedy="name a file with images and captions")
    return records


def _record(entry: Entry, source: Source) -> Record:
    image = image_of(entry, source.path, source.images)
    return Record(image, entry.captions, entry.split, entry.content, entry.translations)
