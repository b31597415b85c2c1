"""`labelmap`: an ImageNet-1k classifier untouched, its 1,000 labels summed into a user's categories.

Shapes: N items; C categories; E width of the network's hidden states.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imagist.errors import MissingExtra, UsageError
from imagist.records import Array, LabelSet, Photo

IMAGENET_CLASSES = 1000
_TABLES = resources.files("imagist.classifiers") / "taxonomies" / "imagenet"
_GLOB = set("*?[")


@dataclass(frozen=True)
class LabelTable:
    """Which of ImageNet's labels make up which category; labels of no category do not count.

    Attributes:
        name: What it is called.
        labels: The C categories, in order.
        members: For each category the classes that it is made of, 0 to 999; none where ImageNet has no such label.
    """

    name: str
    labels: LabelSet
    members: tuple[tuple[int, ...], ...]

    @property
    def unmapped(self) -> tuple[str, ...]:
        """The categories without any label: they can never be found."""
        return tuple(label for label, classes in zip(self.labels, self.members, strict=True) if not classes)

    def over(self, labels: LabelSet) -> LabelTable:
        """The same with the categories in another order.

        Raises:
            UsageError: They are not the table's categories: all differences.
        """
        faults = [f"has no category {label!r}" for label in labels if label not in self.labels.names]
        faults += [f"{label!r} is not among the labels" for label in self.labels if label not in labels.names]
        _raise_all(faults, self.name, "every category in both; one without a label of ImageNet is an empty list")
        return LabelTable(self.name, labels, tuple(self.members[self.labels.index(label)] for label in labels))

    def project(self, scores: NDArray[Any]) -> Array:
        """Probabilities of the categories from those of the 1,000 labels.

        Args:
            scores: ``[N, 1000]``, >= 0.

        Returns:
            float32 ``[N, C]``: members summed, rows scaled to sum to 1. A category without a label gets 0; a row
            without any mass on a category is uniform.

        Raises:
            UsageError: Scores of another width.
        """
        if scores.ndim != 2 or scores.shape[1] != IMAGENET_CLASSES:
            raise UsageError(f"scores {list(scores.shape)} are not of {IMAGENET_CLASSES} labels", item=self.name)
        columns = [scores[:, list(classes)].sum(axis=1, dtype=np.float64) for classes in self.members]
        mass = np.stack(columns, axis=1)
        total = mass.sum(axis=1, keepdims=True)
        uniform = np.full_like(mass, 1 / len(self.labels))
        return np.asarray(np.divide(mass, total, out=uniform, where=total > 0), dtype=np.float32)


class Network(Protocol):
    """What is mapped: a classifier with ImageNet's 1,000 classes, in ImageNet's order."""

    @property
    def labels(self) -> LabelSet:
        """The 1,000."""
        ...

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, E]``."""
        ...

    def scores_of(self, features: Array) -> Array:
        """float32 ``[N, 1000]`` of hidden states ``[N, E]``."""
        ...


class LabelMapClassifier:
    """Implements `imagist.protocols.ImageClassifier` over an ImageNet classifier and a table.

    Args:
        network: The classifier.
        table: Of the categories.

    Raises:
        UsageError: The network has another number of classes than ImageNet-1k.
    """

    def __init__(self, network: Network, table: LabelTable) -> None:
        if len(network.labels) != IMAGENET_CLASSES:
            raise UsageError(
                f"the network has {len(network.labels)} classes, not ImageNet-1k's {IMAGENET_CLASSES:,}",
                item=table.name,
                remedy="a network trained on ImageNet-1k, with its own last layer",
            )
        self.network, self.table, self.labels = network, table, table.labels

    @property
    def unmapped(self) -> tuple[str, ...]:
        """The categories without any label, whose probability is always 0."""
        return self.table.unmapped

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.hidden(photos))

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, E]``, what the network's own last layer sees."""
        return self.network.hidden(photos)

    def scores_of(self, features: Array) -> Array:
        """float32 ``[N, C]`` of hidden states ``[N, E]``."""
        return self.table.project(self.network.scores_of(features))


def built_in_maps() -> tuple[str, ...]:
    """The tables that come with the package."""
    return tuple(sorted(Path(table.name).stem for table in _TABLES.iterdir() if table.name.endswith(".toml")))


def read_label_map(path: str | Path) -> LabelTable:
    """Reads a table that comes with the package, by name, or one from a file.

    Such as::

        name = "outdoors"          # by default the file's name

        [labels]                   # in this order
        bird = ["cock", "hen", "n02012849", "*grouse"]
        sky = []                   # ImageNet has no such label

    A label of ImageNet is given as its wnid, one of its names, all of its names (``"tench, Tinca tinca"``), or a
    pattern over single names with ``*``, ``?`` and ``[]``. Large and small letters are the same. A name that two labels
    have, such as crane, must be told by the wnid.

    Raises:
        UsageError: No such file or built-in, not TOML, not such a table; or labels that are unknown, could be several,
            or stand in two categories: all of them.
        MissingExtra: timm, which knows the names, is not installed.
    """
    source = _TABLES / f"{path}.toml" if str(path) in built_in_maps() else Path(path)
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        remedy = f"one of {', '.join(built_in_maps())}, or a path to a .toml"
        raise UsageError(f"cannot be read as TOML: {error}", item=f"label map {path}", remedy=remedy) from error
    name, labels = table.get("name", Path(path).stem), table.get("labels")
    if not isinstance(name, str) or not isinstance(labels, dict) or not labels:
        raise UsageError(
            "needs a table [labels] of category = [labels of ImageNet], and name, if any, a string",
            item=f"label map {path}",
        )
    return LabelTable(name, LabelSet(tuple(labels)), _members(labels, name))


def _members(labels: Mapping[str, Any], name: str) -> tuple[tuple[int, ...], ...]:
    faults: list[str] = []
    members: dict[str, tuple[int, ...]] = {}
    homes: dict[int, list[str]] = defaultdict(list)
    for category, entries in labels.items():
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            faults.append(f"{category} must be a list of labels")
            continue
        found: set[int] = set()
        for entry in entries:
            classes, fault = _classes(entry)
            found |= classes
            faults += [f"{category}: {fault}"] if fault else []
        members[category] = tuple(sorted(found))
        for each in found:
            homes[each].append(category)
    known = imagenet_labels()
    twice = {each: inside for each, inside in sorted(homes.items()) if len(inside) > 1}
    faults += [f"{' ('.join(known[each])}) is in {' and '.join(inside)}" for each, inside in twice.items()]
    _raise_all(faults, name, "a wnid such as n02012849, or a name as ImageNet spells it")
    return tuple(members.values())


def _classes(entry: str) -> tuple[set[int], str | None]:
    """The classes that an entry of a table means, and what is wrong with it."""
    wanted = entry.strip().casefold()
    if _GLOB & set(wanted):
        found = {each for name, classes in _named().items() if fnmatchcase(name, wanted) for each in classes}
        return found, None if found else f"no label of ImageNet is like {entry!r}"
    found = _named().get(wanted, set())
    if len(found) > 1:
        several = ", ".join(f"{wnid} ({names})" for wnid, names in (imagenet_labels()[each] for each in sorted(found)))
        return set(), f"{entry!r} could be {several}"
    return found, None if found else f"{entry!r} is no label of ImageNet"


@cache
def imagenet_labels() -> tuple[tuple[str, str], ...]:
    """The wnid and the names, joined by commas, of each of ImageNet-1k's classes, in the order of their numbers.

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
    places = range(info.num_classes())
    return tuple((info.index_to_label_name(place), info.index_to_description(place)) for place in places)


@cache
def _named() -> dict[str, set[int]]:
    """The classes of each wnid, each single name and each row of names, in small letters."""
    found: dict[str, set[int]] = defaultdict(set)
    for number, (wnid, names) in enumerate(imagenet_labels()):
        for name in {wnid, names, *names.split(",")}:
            found[name.strip().casefold()].add(number)
    return dict(found)


def _raise_all(faults: list[str], item: str, remedy: str) -> None:
    if faults:
        raise UsageError("; ".join(faults), item=f"label map {item}", remedy=remedy)
