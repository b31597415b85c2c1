"""COCO instances: of each image the category that covers most of it.

Source: Lin et al. 2014, "Microsoft COCO: common objects in context".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagist.datasets.captions.coco import is_coco, listed_objects, read_number
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.jsonlines import json_document
from imagist.datasets.captions.lines import ROW
from imagist.datasets.labels.example import Labelled
from imagist.datasets.labels.source import Source
from imagist.errors import DataError

_REMEDY = "take instances_*.json, with images, annotations and categories"


def coco_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The images in the file's order, each labelled with the category of the largest annotated area in sum.

    Crowds count like single objects; of two areas alike the category listed first wins. Images without any annotation
    (1% of COCO) have no label and are left out. Annotations of no image or category of the lists, or without an area,
    are faults.

    Raises:
        DataError: Not JSON, or not of this layout.
    """
    item = str(source.path)
    document = json_document(Path(source.path), _REMEDY)
    if not isinstance(document, Mapping) or not is_coco(document) or not document.get("categories"):
        raise DataError("no annotations with categories in it", item=item, remedy=_REMEDY)
    listed = listed_objects(document, "categories", faults)
    categories = {read_number(each, "id", at, faults): each.get("name") for at, each in listed}
    areas = _areas(document, {*categories}, faults)
    for place, image in listed_objects(document, "images", faults):
        number, name = read_number(image, "id", place, faults), image.get("file_name")
        if not isinstance(name, str) or not name.strip():
            faults.add(ROW, f"{place} has no file_name")
        elif of_image := areas.pop(number, None):
            label = categories[max(categories, key=lambda category: of_image.get(category, -1))]
            yield Labelled(place, name, (), label=str(label or ""))
    for number in areas:
        faults.add(ROW, f"annotations speak of image_id {number}, which is not among the images")


def _areas(
    document: Mapping[str, object], categories: set[int | str | None], faults: Faults
) -> dict[int | str | None, dict[int | str | None, float]]:
    """Of each image, by category, in square pixels."""
    found: defaultdict[int | str | None, dict[int | str | None, float]] = defaultdict(dict)
    for place, annotation in listed_objects(document, "annotations", faults):
        image, category = (read_number(annotation, key, place, faults) for key in ("image_id", "category_id"))
        area = annotation.get("area")
        if image is None or category is None:
            continue
        if category not in categories:
            faults.add(ROW, f"{place} speaks of category_id {category}, which is not among the categories")
        elif not isinstance(area, int | float) or not area >= 0:
            faults.add(ROW, f"{place} has no area")
        else:
            found[image][category] = found[image].get(category, 0.0) + area
    return dict(found)
