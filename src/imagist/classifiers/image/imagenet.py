"""The labels of ImageNet-1k and their names, as timm lists them."""

from __future__ import annotations

from functools import cache
from typing import Any

from imagist.errors import MissingExtra
from imagist.records import LabelSet


@cache
def imagenet_names() -> dict[str, tuple[str, ...]]:
    """The names of each of ImageNet-1k's 1,000 classes by wnid, in the order of the classes.

    The first name is the whole description, such as ``tench, Tinca tinca``; the others are its parts.

    Raises:
        MissingExtra: timm is not installed.
    """
    try:
        from timm.data.imagenet_info import ImageNetInfo
    except ImportError as error:
        raise MissingExtra(
            "the labels of ImageNet are read from timm", remedy="pip install 'imagist[torch]'"
        ) from error
    info: Any = ImageNetInfo("imagenet-1k")
    names = {}
    for index in range(info.num_classes()):
        description = info.index_to_description(index)
        names[info.index_to_label_name(index)] = (description, *(part.strip() for part in description.split(",")))
    return names


def imagenet_labels() -> LabelSet:
    """The wnids of ImageNet-1k's 1,000 classes, in the order of the classes.

    Raises:
        MissingExtra: timm is not installed.
    """
    return LabelSet(tuple(imagenet_names()))
