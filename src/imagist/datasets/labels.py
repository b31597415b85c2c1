"""Sources of labelled images to examples: images found, all faults raised at once."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagist.datasets.checking import find_faults, find_missing
from imagist.datasets.entries import Entry, Example, Record
from imagist.datasets.faults import Faults
from imagist.datasets.opening import entries
from imagist.datasets.source import Columns, Source, Wanted
from imagist.errors import DataError
from imagist.images.addresses import is_url
from imagist.images.tables.cells import spelling

__all__ = ["Columns", "Example", "Source", "read", "read_all"]

_REMEDY = "correct or leave out what is named; set images to their folder, and columns where they have other names"


def read(source: Source, *, content: bool = True, check_images: bool = True) -> list[Example]:
    """Reads one source, in its order.

    Args:
        source: What to read.
        content: Whether to read images that the file holds.
        check_images: Whether an image that is neither in the file nor on disk is an error.

    Raises:
        DataError: As ``read_all``.
    """
    return read_all([source], content=content, check_images=check_images)


def read_all(sources: Sequence[Source], *, content: bool = True, check_images: bool = True) -> list[Example]:
    """Reads several sources, such as the official train, dev and test files of a task, in their order.

    An example's ``image`` is the path of its file, in ``images`` where that is given, else next to the table where it
    exists; otherwise the name that the source gives. Images that a file holds go by file and row where they have no
    name of their own. Equal images under two names are left to ``leaks``.

    Args:
        sources: What to read.
        content: Whether to read images that files hold.
        check_images: Whether an image that is neither in its file nor on disk is an error; addresses are
            never looked up.

    Raises:
        DataError: Sources that cannot be read, unknown columns and splits, rows that cannot be understood, missing
            images, empty labels, labels or splits that differ by case or blanks alone, images twice in a split or in
            two splits: all of them at once.
    """
    faults = Faults()
    found: list[_Read] = []
    for source in sources:
        of_source = Faults()
        try:
            found += _collect(source, content, of_source)
        except DataError as error:
            faults.add("unreadable source", str(error))
        faults.extend(of_source, str(source.path))
    named = Counter(each.example.image for each in found if each.held)
    examples = [_renamed(each) if named[each.example.image] > 1 else each.example for each in found]
    _check(examples, [each.held for each in found], faults, check_images=check_images)
    faults.raise_any(remedy=_REMEDY)
    return examples


@dataclass(frozen=True)
class _Read:
    example: Example
    held: bool
    address: str


def _renamed(found: _Read) -> Example:
    return replace(found.example, image=found.address) if found.held else found.example


def _collect(source: Source, content: bool, faults: Faults) -> list[_Read]:
    path = Path(source.path)
    images = path if path.is_dir() else source.images
    found = [_found(row, path, images) for row in entries(source, Wanted("labels", content=content), faults)]
    if not found and not faults:
        raise DataError("no labelled image in it", item=str(path), remedy="name a source with images and labels")
    return found


def _found(entry: Entry, path: Path, images: str | Path | None) -> _Read:
    image = entry.located(path, images)
    if images is not None and not entry.held:
        image = _rebased(image, Path(images))
    caption = entry.captions[0] if entry.captions and entry.captions[0] else None
    example = Example(image, entry.label, entry.content, entry.split, caption, entry.account, entry.weight)
    return _Read(example, entry.held, entry.address(path))


def _rebased(image: str, folder: Path) -> str:
    """The path of another machine (as in CrisisNLP's task files) by as much of its end as exists in the folder."""
    if is_url(image) or not os.path.isabs(image) or os.path.isfile(image):  # noqa: PTH113, PTH117
        return image
    parts = Path(image).parts[1:]
    tails = (folder.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((str(tail) for tail in tails if tail.is_file()), image)


def _find_variants(what: str, names: Iterable[str], faults: Faults) -> None:
    """Labels, or splits, of one `spelling` are mistakes of one."""
    counts = Counter(names)
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in counts:
        alike[spelling(name)].append(name)
    for variants in alike.values():
        if len(variants) > 1:
            spelled = ", ".join(f"{name!r} ({counts[name]:,})" for name in sorted(variants))
            faults.add(f"{what} spelled in several ways", spelled)


def _check(examples: Sequence[Example], held: Sequence[bool], faults: Faults, *, check_images: bool) -> None:
    by_split: defaultdict[str, list[Record]] = defaultdict(list)
    outside: defaultdict[str, list[Record]] = defaultdict(list)
    for example, is_held in zip(examples, held, strict=True):
        split = example.split or "no split"
        record = Record(example.image, (example.image,))  # has no captions to be checked, and must not lack one
        by_split[split].append(record)
        if not is_held:
            outside[split].append(record)
        if not example.label.strip():
            faults.add("empty label", f"{split}: {example.image}")
    _find_variants("label", (example.label for example in examples), faults)
    _find_variants("split", (example.split for example in examples if example.split), faults)
    if check_images:
        for split, records in outside.items():
            find_missing(records, faults, split)
    find_faults(by_split, faults, check_images=False)
