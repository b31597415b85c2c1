"""COCO: captions, and instances, of which each image gets the category that covers most of it.

Source: Lin et al. 2014, "Microsoft COCO: common objects in context"; Chen et al. 2015, "Microsoft COCO Captions: data
collection and evaluation server".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from imagist.datasets.entries import Entry, one_line
from imagist.datasets.faults import Faults
from imagist.datasets.source import ROW, SourceFile, Wanted
from imagist.errors import DataError

_Placed = tuple[str, Mapping[str, object]]  # the place of an object in the document, such as "images[7]", and itself
_Number = int | str | None


class Coco:
    """A JSON object of ``images``, ``annotations`` and, with instances, ``categories``."""

    holds = frozenset({"captions", "labels"})
    columns = frozenset[str]()

    def recognises(self, file: SourceFile) -> bool:
        """Whether it is a JSON object with a list of ``annotations``."""
        return isinstance(file.document.get("annotations"), list)

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The images in the file's order, with their captions, or labelled.

        Raises:
            DataError: The annotations are not what is wanted.
        """
        read = _captioned if wanted.what == "captions" else _labelled
        return read(file.document, str(file.path), faults)


def _captioned(document: Mapping[str, object], item: str, faults: Faults) -> Iterator[Entry]:
    """The images, each with its sentences in the order of the annotations.

    An image is named by its ``file_name``, and by its number where the file has no list of images or no names in it
    (text alone). Annotations of no image of the list, images listed twice and objects without a number are faults.
    """
    annotations = _listed(document, "annotations", faults)
    if annotations and not any("caption" in each for _, each in annotations):
        raise DataError("no annotation has a caption", item=item, remedy="take captions_*.json, not instances_*.json")
    names: dict[object, str] = {}
    for place, image in _listed(document, "images", faults):
        number = _number(image, "id", place, faults)
        if number in names:
            faults.add(ROW, f"{place} repeats id {number}")
        elif number is not None:
            names[number] = str(image.get("file_name") or number)
    listed = isinstance(document.get("images"), list)
    sentences: dict[object, list[str]] = {number: [] for number in names}
    for place, annotation in annotations:
        number = _number(annotation, "image_id", place, faults)
        caption = annotation.get("caption")
        if number is None:
            continue
        if listed and number not in names:
            faults.add(ROW, f"{place} has image_id {number}, which is not among the images")
        elif caption is not None and not isinstance(caption, str):
            faults.add(ROW, f"{place} has {type(caption).__name__} for a caption, not text")
        else:
            sentences.setdefault(number, []).append(one_line(caption or ""))
    for key, found in sentences.items():
        yield Entry(f"image {key}", names.get(key, str(key)), tuple(found))


def _labelled(document: Mapping[str, object], item: str, faults: Faults) -> Iterator[Entry]:
    """The images, each labelled with the category of the largest annotated area in sum.

    Crowds count like single objects; of two areas alike the category listed first wins. Images without any annotation
    (1% of COCO) have no label and are left out. Annotations of no image or category of the lists, or without an area,
    are faults.
    """
    if not document.get("categories"):
        raise DataError("no annotations with categories in it", item=item, remedy="take instances_*.json")
    categories = {
        _number(each, "id", place, faults): each.get("name") for place, each in _listed(document, "categories", faults)
    }
    areas = _areas(document, {*categories}, faults)
    for place, image in _listed(document, "images", faults):
        number, name = _number(image, "id", place, faults), image.get("file_name")
        if not isinstance(name, str) or not name.strip():
            faults.add(ROW, f"{place} has no file_name")
        elif of_image := areas.pop(number, None):
            label = categories[max(categories, key=lambda category: of_image.get(category, -1))]
            yield Entry(place, name, label=str(label or ""))
    for number in areas:
        faults.add(ROW, f"annotations have image_id {number}, which is not among the images")


def _areas(
    document: Mapping[str, object], categories: set[_Number], faults: Faults
) -> dict[_Number, dict[_Number, float]]:
    """The annotated area of each image, by category, in square pixels."""
    found: defaultdict[_Number, dict[_Number, float]] = defaultdict(dict)
    for place, annotation in _listed(document, "annotations", faults):
        image, category = (_number(annotation, key, place, faults) for key in ("image_id", "category_id"))
        area = annotation.get("area")
        if image is None or category is None:
            continue
        if category not in categories:
            faults.add(ROW, f"{place} has category_id {category}, which is not among the categories")
        elif not isinstance(area, int | float) or not area >= 0:
            faults.add(ROW, f"{place} has no area")
        else:
            found[image][category] = found[image].get(category, 0.0) + area
    return dict(found)


def _listed(document: Mapping[str, object], key: str, faults: Faults) -> list[_Placed]:
    """The objects of a list of the document, such as ``images``, each with its place; what is no object is a fault."""
    values, found = document.get(key), []
    for i, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, Mapping):
            found.append((f"{key}[{i}]", value))
        else:
            faults.add(ROW, f"{key}[{i}] is {type(value).__name__}, not a JSON object")
    return found


def _number(value: Mapping[str, object], key: str, place: str, faults: Faults) -> _Number:
    """The number, or name in its stead, that an object has or refers to; having none is a fault."""
    number = value.get(key)
    if isinstance(number, int | str):
        return number
    faults.add(ROW, f"{place} has no {key}")
    return None
