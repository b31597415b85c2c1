"""Captions that a captioner wrote, brought together with what people wrote of the same images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from imagist.datasets.entries import Record
from imagist.datasets.faults import Faults
from imagist.errors import DataError
from imagist.metrics.predictions import PredictedCaption

_REMEDY = "give one caption of each image that has references, or measure those that have both with --subset"


class Paired(NamedTuple):
    """Captions and references of the same images, in the references' order.

    Attributes:
        images: Names, as the references have them.
        hypotheses: One caption each.
        references: One or more sentences each.
    """

    images: list[str]
    hypotheses: list[str]
    references: list[tuple[str, ...]]


def pair(
    predictions: Sequence[PredictedCaption], records: Sequence[Record], *, item: str, subset: bool = False
) -> Paired:
    """Brings captions and references of the same images together.

    Images are the same where their paths are; failing that their file names; these without suffix; or, where one side
    has numbers alone as COCO does, the number at the end of the name. Of these rules the first counts that leaves
    nothing over, or else the one that leaves least. Where neither side has names (references are then called
    ``file#3``), rows belong together in their order.

    Args:
        predictions: One caption an image.
        records: With references.
        item: The file of predictions, for errors.
        subset: Whether to leave out images without a caption and captions of images without references.

    Raises:
        DataError: Images without a caption, with two, or without references; captions of other images; all at once. Or
            no image with both.
    """
    faults = Faults()
    for record in records:
        if not record.captions and not subset:
            faults.add("image without references", record.image)
    if not any(predicted.image for predicted in predictions):
        _check_order(predictions, records, faults, item)
        faults.raise_any(item=item, remedy=_REMEDY)
        return _paired([predicted.caption for predicted in predictions], records)
    for row, predicted in enumerate(predictions):
        if not predicted.image:
            faults.add("prediction without the name of its image", f"row {row}: {predicted.caption!r}")
    named = [predicted for predicted in predictions if predicted.image]
    theirs, ours = _alike([record.image for record in records], [predicted.image for predicted in named])
    captions = {key: predicted.caption for key, predicted in zip(ours, named, strict=True)}
    _note(faults, "image twice among the references", records, theirs, _repeated(theirs))
    _note(faults, "image predicted twice", named, ours, _repeated(ours))
    if not subset:
        _note(faults, "image without a prediction", records, theirs, set(theirs) - set(ours))
        _note(faults, "prediction of an image without references", named, ours, set(ours) - set(theirs))
    faults.raise_any(item=item, remedy=_REMEDY)
    both = [(key, record) for key, record in zip(theirs, records, strict=True) if key in captions and record.captions]
    if not both:
        raise DataError("no image has a caption and references", item=item, remedy="name the files of the same images")
    return _paired([captions[key] for key, _ in both], [record for _, record in both])


def _paired(captions: list[str], records: Sequence[Record]) -> Paired:
    return Paired([record.image for record in records], captions, [record.captions for record in records])


def _check_order(predictions: Sequence[PredictedCaption], records: Sequence[Record], faults: Faults, item: str) -> None:
    if not all(re.search(r"#\d+$", record.image) for record in records):
        raise DataError(
            f"names no images, and the references do ({records[0].image}, ...)",
            item=item,
            remedy="add a column source with the names of the images",
        )
    if len(predictions) != len(records):
        faults.add("number of rows", f"{len(predictions):,} predictions of {len(records):,} images")


def _alike(theirs: Sequence[str], ours: Sequence[str]) -> tuple[list[str], list[str]]:
    """What both sides' names come to under the rule that brings most together."""
    rules: list[Callable[[str], str]] = [str, _file, _stem]
    if all(map(str.isdecimal, theirs)) or all(map(str.isdecimal, ours)):
        rules.append(_number)
    best: tuple[int, list[str], list[str]] | None = None
    for rule in rules:
        keys = list(map(rule, theirs)), list(map(rule, ours))
        if best and len(set(keys[0])) < len(set(theirs)):
            continue  # it takes two images for one
        together = len(set(keys[0]) & set(keys[1]))
        if best is None or together > best[0]:
            best = together, *keys
    return best[1:] if best else ([], [])


def _file(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _stem(name: str) -> str:
    return PurePosixPath(_file(name)).stem


def _number(name: str) -> str:
    digits = re.search(r"\d+$", _stem(name))
    return str(int(digits[0])) if digits else name


def _repeated(keys: Iterable[str]) -> set[str]:
    return {key for key, times in Counter(keys).items() if times > 1}


def _note(
    faults: Faults, kind: str, what: Sequence[Record | PredictedCaption], keys: Sequence[str], wrong: set[str]
) -> None:
    for name in dict.fromkeys(each.image for each, key in zip(what, keys, strict=True) if key in wrong):
        faults.add(kind, name)
