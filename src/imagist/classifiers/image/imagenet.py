"""The labels of ImageNet-1k and their names, those of WordNet."""

from __future__ import annotations

from functools import cache
from importlib import resources

from imagist.records import LabelSet

_LABELS = resources.files("imagist.classifiers") / "taxonomies" / "imagenet" / "labels.tsv"


@cache
def imagenet_names() -> dict[str, tuple[str, ...]]:
    """The names of each of ImageNet-1k's 1,000 classes by wnid, in the order of the classes.

    The first name is the whole description, such as ``tench, Tinca tinca``; the others are its parts.
    """
    names = {}
    for line in _LABELS.read_text("utf-8").splitlines():
        label, description = line.split("\t")
        names[label] = (description, *(part.strip() for part in description.split(",")))
    return names


@cache
def imagenet_labels() -> LabelSet:
    """The wnids of ImageNet-1k's 1,000 classes, in the order of the classes."""
    return LabelSet(tuple(imagenet_names()))
