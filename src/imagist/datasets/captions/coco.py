"""COCO captions: ``images`` with their names, ``annotations`` with one sentence each.

Source: Chen et al. 2015, "Microsoft COCO Captions: data collection and evaluation server".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.jsonlines import members, objects
from imagist.datasets.captions.lines import ROW
from imagist.datasets.captions.record import Entry, one_line
from imagist.datasets.captions.rows import Placed
from imagist.errors import DataError


def is_coco(document: Mapping[str, object]) -> bool:
    """Whether a JSON document is laid out like this."""
    return isinstance(document.get("annotations"), list)


def coco_entries(document: Mapping[str, object], item: str, faults: Faults) -> Iterator[Entry]:
    """The images in the file's order, each with its sentences in the order of the annotations.

    An image is named by its ``file_name``, and by its number where the file has no list of images or no names in it
    (text alone). Annotations of no image of the list, images listed twice and objects without a number are faults.

    Raises:
        DataError: No annotation has a caption: a file of boxes, most likely.
    """
    annotations = listed_objects(document, "annotations", faults)
    if annotations and not any("caption" in each for _, each in annotations):
        raise DataError("no annotation has a caption", item=item, remedy="take captions_*.json, not instances_*.json")
    names: dict[object, str] = {}
    for place, image in listed_objects(document, "images", faults):
        number = read_number(image, "id", place, faults)
        if number in names:
            faults.add(ROW, f"{place} repeats id {number}")
        elif number is not None:
            names[number] = str(image.get("file_name") or number)
    listed = isinstance(document.get("images"), list)
    sentences: dict[object, list[str]] = {number: [] for number in names}
    for place, annotation in annotations:
        number = read_number(annotation, "image_id", place, faults)
        caption = annotation.get("caption")
        if number is None:
            continue
        if listed and number not in names:
            faults.add(ROW, f"{place} speaks of image_id {number}, which is not among the images")
        elif caption is not None and not isinstance(caption, str):
            faults.add(ROW, f"{place} has {type(caption).__name__} for a caption, not text")
        else:
            sentences.setdefault(number, []).append(one_line(caption or ""))
    for key, found in sentences.items():
        yield Entry(f"image {key}", names.get(key, str(key)), tuple(found))


def listed_objects(document: Mapping[str, object], key: str, faults: Faults) -> list[Placed]:
    """The objects of a list of the document, such as ``images``, each with its place; what is no object is a fault."""
    values = document.get(key)
    return objects(members(values if isinstance(values, list) else (), key), faults)


def read_number(value: Mapping[str, object], key: str, place: str, faults: Faults) -> int | str | None:
    """The number, or name in its stead, that an object has or refers to; having none is a fault."""
    number = value.get(key)
    if isinstance(number, int | str):
        return number
    faults.add(ROW, f"{place} has no {key}")
    return None
