"""What is wrong with captioned data as a whole: all of it, named, in one error."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from imagist.datasets.entries import Record
from imagist.datasets.faults import Faults
from imagist.images.addresses import is_url

_REMEDY = "correct or leave out what is named; set images to the folder of the images"


def check(records_by_split: Mapping[str, Sequence[Record]], *, check_images: bool = True) -> None:
    """Raises one DataError for everything that is wrong.

    At fault are: an image that is neither held nor on disk, an empty caption, an image without captions, an image twice
    in a split, and an image in two splits, by its name or by its bytes (sha256; only files of equal size are read).
    Equal bytes under two names within a split are let pass: they tell nothing away.

    Args:
        records_by_split: The records of each split.
        check_images: Whether images on disk are looked at; False for text alone.

    Raises:
        DataError: The first 20 faults, named, and the count of the rest.
    """
    faults = Faults()
    find_faults(records_by_split, faults, check_images=check_images)
    faults.raise_any(remedy=_REMEDY)


def find_faults(records_by_split: Mapping[str, Sequence[Record]], faults: Faults, *, check_images: bool = True) -> None:
    """As ``check``, but gathers."""
    for split, records in records_by_split.items():
        if check_images:
            find_missing(records, faults, split)
        _find_empty(records, faults, split)
        for image, times in Counter(record.image for record in records).items():
            if times > 1:
                faults.add("image twice in a split", f"{split}: {image}, {times} times")
    splits: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for split, records in records_by_split.items():
        for record in records:
            splits[record.image][split] = None
    for image, within in splits.items():
        if len(within) > 1:
            faults.add("image in two splits", f"{image}, in {' and '.join(within)}")
    _find_same_bytes(records_by_split, faults, check_images=check_images)


def find_missing(records: Iterable[Record], faults: Faults, split: str = "") -> None:
    """Gathers images that are neither held nor on disk; addresses are left to whoever fetches them."""
    label = f"{split}: " if split else ""
    for record in records:
        if record.content is None and not is_url(record.image) and (problem := _unusable(record.image)):
            faults.add("missing image", f"{label}{record.image}: {problem}")


def _unusable(image: str) -> str | None:
    try:
        status = Path(image).stat()
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return getattr(error, "strerror", None) or str(error)
    if not os.path.isfile(image):  # noqa: PTH113
        return "not a file"
    if not os.access(image, os.R_OK):
        return "permission denied"
    return None if status.st_size else "an empty file"


def _find_empty(records: Iterable[Record], faults: Faults, split: str) -> None:
    for record in records:
        name = f"{split}: {record.image}"
        if not record.captions:
            faults.add("image without captions", name)
        sets = {"": record.captions, **{f"{code} ": each for code, each in record.translations.items()}}
        for language, sentences in sets.items():
            for number, sentence in enumerate(sentences, start=1):
                if not sentence.strip():
                    faults.add("empty caption", f"{name}: {language}caption {number} of {len(sentences)}")


def _find_same_bytes(records: Mapping[str, Sequence[Record]], faults: Faults, *, check_images: bool) -> None:
    by_size: defaultdict[int, list[tuple[str, Record]]] = defaultdict(list)
    for split, of_split in records.items():
        for record in of_split:
            size = _size(record, check_images=check_images)
            if size:
                by_size[size].append((split, record))
    for group in by_size.values():
        if len({split for split, _ in group}) > 1:
            _find_same_digest(group, faults)


def _find_same_digest(group: Iterable[tuple[str, Record]], faults: Faults) -> None:
    by_digest: defaultdict[bytes, dict[str, str]] = defaultdict(
        dict
    )  # names to splits; find_faults reports a name twice
    for split, record in group:
        if digest := _digest(record):
            by_digest[digest].setdefault(record.image, split)
    for images in by_digest.values():
        if len(set(images.values())) > 1:
            names = " and ".join(f"{image} ({split})" for image, split in images.items())
            faults.add("image in two splits", f"{names} hold the same bytes")


def _size(record: Record, *, check_images: bool) -> int:
    """In bytes; 0 where there is nothing to compare."""
    if record.content is not None:
        return len(record.content)
    try:
        return Path(record.image).stat().st_size if check_images and os.path.isfile(record.image) else 0  # noqa: PTH113
    except (OSError, ValueError):
        return 0


def _digest(record: Record) -> bytes | None:
    if record.content is not None:
        return hashlib.sha256(record.content).digest()
    try:
        with Path(record.image).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:  # find_missing reports it
        return None
