"""A taxonomy maps the labels of any classifier to a user's categories.

Shapes: N items; F labels of the classifier; C categories.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Array
from imagist.errors import UnknownName, UsageError
from imagist.records import LabelSet

_BUILT_IN = resources.files("imagist.classifiers") / "taxonomies"
_WILDCARDS = set("*?[")
MOST_LISTED = 20  # labels named in a message


@dataclass(frozen=True)
class Taxonomy:
    """Categories, each a list of a classifier's labels. A label in no category is ignored.

    Attributes:
        name: Its name.
        labels: The C categories, in order.
        members: The entries of each category. An entry is a label, another name of a label, or a pattern with ``*``,
            ``?`` or ``[]``; upper and lower case are equal. A category may have no entries: its probability is 0.

    Raises:
        UsageError: No category has an entry, entries of an unknown category, or an entry listed twice: all faults.
    """

    name: str
    labels: LabelSet
    members: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        entries = Counter(entry for label in self.labels for entry in self.members.get(label, ()))
        faults = [] if entries else ["no category has members"]
        faults += [f"{label} is not one of the categories" for label in self.members if label not in self.labels.names]
        faults += [f"{entry} is listed {n} times" for entry, n in entries.items() if n > 1]
        _raise_all(faults, self.name)
        object.__setattr__(self, "members", {label: tuple(self.members.get(label, ())) for label in self.labels})

    @property
    def unmapped(self) -> tuple[str, ...]:
        """The categories without members: a classifier can never predict them."""
        return tuple(label for label in self.labels if not self.members[label])

    def target(self, label: str) -> str | None:
        """The category of a label: the one that lists it, else the first whose entries match it, else None."""
        listed = next((c for c in self.labels if label in self.members[c]), None)
        return listed or next((c for c in self.labels if any(_matches(e, label) for e in self.members[c])), None)

    def resolve(self, labels: LabelSet, names: Mapping[str, Sequence[str]] | None = None) -> Taxonomy:
        """Replaces every entry by the labels that it matches.

        Args:
            labels: The F labels of a classifier.
            names: Other names of some labels. A pattern matches every name, any other entry must match one label only.

        Raises:
            UsageError: Entries that match no label or several, or labels in two categories: all faults.
        """
        known = _by_name(labels, names or {})
        faults: list[str] = []
        members: dict[str, tuple[str, ...]] = {}
        for category in self.labels:
            found: set[str] = set()
            for entry in self.members[category]:
                matches, fault = _find(entry, known, names or {})
                found |= matches
                faults += [f"{category}: {fault}"] if fault else []
            members[category] = tuple(label for label in labels if label in found)
        for label in labels:
            homes = [category for category in self.labels if label in members[category]]
            faults += [f"{_described(label, names or {})} is in {' and '.join(homes)}"] if len(homes) > 1 else []
        _raise_all(faults, self.name, _listed(labels))
        return Taxonomy(self.name, self.labels, members)

    def reorder(self, labels: LabelSet) -> Taxonomy:
        """The same taxonomy with its categories in another order.

        Raises:
            UsageError: The labels are not the categories: all differences.
        """
        faults = [f"has no category {label!r}" for label in labels if label not in self.labels.names]
        faults += [f"{label!r} is not among the labels" for label in self.labels if label not in labels.names]
        _raise_all(faults, self.name, "list every category in both; a category may be an empty list")
        return Taxonomy(self.name, labels, self.members)

    def project(self, scores: AnyArray, labels: LabelSet) -> Array:
        """Sums the probabilities of labels into those of categories.

        Args:
            scores: ``[N, F]``, >= 0.
            labels: The F labels of the classifier. Members must be among them as they are spelled; see `resolve`.

        Returns:
            float32 ``[N, C]``: the sum over each category's members, rows scaled to sum to 1. A category without
            members gets 0. A row whose sum is 0 becomes uniform.

        Raises:
            UsageError: Scores of another width, or members that are not labels: all of them.
        """
        if scores.ndim != 2 or scores.shape[1] != len(labels):
            raise UsageError(f"scores {list(scores.shape)} do not fit {len(labels)} labels", item=self.name)
        column = {label: i for i, label in enumerate(labels)}
        belongs = np.zeros((len(labels), len(self.labels)))
        faults = []
        for category, name in enumerate(self.labels):
            faults += [f"{member} is not a label" for member in self.members[name] if member not in column]
            belongs[[column[member] for member in self.members[name] if member in column], category] = 1
        _raise_all(faults, self.name, _listed(labels))
        mass = scores @ belongs
        total = mass.sum(axis=1, keepdims=True)
        uniform = np.full_like(mass, 1 / len(self.labels))
        return np.asarray(np.divide(mass, total, out=uniform, where=total > 0), dtype=np.float32)


def identity(labels: LabelSet, name: str = "identity") -> Taxonomy:
    """Each label is its own category."""
    return Taxonomy(name, labels, {label: (label,) for label in labels})


def open_taxonomy(name: str | os.PathLike[str], folder: Path = Path()) -> Taxonomy:
    """Opens a built-in taxonomy by name, or a user's own by the path of its ``.toml`` file.

    Args:
        name: The name, or the path.
        folder: The folder that a relative path starts from.

    Raises:
        UnknownName: No built-in taxonomy has that name; the message lists those that exist.
        UsageError: The file cannot be read or is not a taxonomy.
    """
    return from_toml(folder / name) if Path(name).suffix == ".toml" else built_in(str(name))


def taxonomy_key(name: str | os.PathLike[str]) -> str:
    """The name under which a model keeps what was fitted for a taxonomy: a built-in's own, or that of its file."""
    return Path(name).stem if Path(name).suffix == ".toml" else str(name)


def from_toml(path: str | Path) -> Taxonomy:
    """Reads a taxonomy from a file.

    Such as::

        name = "pets"          # by default the file's name

        [labels]               # category = [labels of the classifier], in this order
        "companion animals" = ["cat", "*terrier"]
        bird = ["n01503061", "cock"]
        sky = []               # the classifier has no such label

    Raises:
        UsageError: The file does not exist, is not TOML, or is not a taxonomy.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot be read as TOML: {error}", item=str(path)) from error
    return _from_table(table, Path(path).stem)


def built_in(name: str) -> Taxonomy:
    """Opens a taxonomy that comes with the package, such as ``social12`` or ``imagenet/social12``.

    Raises:
        UnknownName: No built-in taxonomy has that name; the message lists those that exist.
    """
    if name not in (known := (*built_in_names(), *built_in_names("imagenet"))):
        raise UnknownName(f"no taxonomy {name!r}", remedy=f"one of {', '.join(known)}, or a path to a .toml")
    return _from_table(tomllib.loads((_BUILT_IN / f"{name}.toml").read_text(encoding="utf-8")), name)


def built_in_names(classifier: str | None = None) -> tuple[str, ...]:
    """The taxonomies that come with the package.

    Args:
        classifier: ``imagenet`` for those over the labels of ImageNet-1k; None for those over the labels of photos15.
    """
    folder = _BUILT_IN / classifier if classifier else _BUILT_IN
    prefix = f"{classifier}/" if classifier else ""
    return tuple(sorted(prefix + Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml")))


def _from_table(table: Mapping[str, Any], stem: str) -> Taxonomy:
    name, labels = table.get("name", stem), table.get("labels")
    if not isinstance(name, str) or not isinstance(labels, dict) or not labels:
        raise UsageError("needs a table [labels] of category = [labels], and name, if any, a string", item=stem)
    _raise_all(
        [f"{label} must be a list of labels" for label, entries in labels.items() if not _is_list_of_names(entries)],
        stem,
    )
    return Taxonomy(name, LabelSet(tuple(labels)), {label: tuple(entries) for label, entries in labels.items()})


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _matches(entry: str, name: str) -> bool:
    wanted, given = entry.casefold(), name.casefold()
    return wanted == given or (bool(_WILDCARDS & {*wanted}) and fnmatchcase(given, wanted))


def _by_name(labels: Iterable[str], names: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """The labels that have each name; names are casefolded."""
    found: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        for name in (label, *names.get(label, ())):
            found[name.casefold()].add(label)
    return dict(found)


def _find(entry: str, known: Mapping[str, set[str]], names: Mapping[str, Sequence[str]]) -> tuple[set[str], str | None]:
    """The labels that an entry matches, and the fault of the entry if any."""
    found = known.get(entry.casefold(), set())
    found = {entry} if entry in found else found
    if len(found) > 1:
        return set(), f"{entry!r} could be {', '.join(sorted(_described(label, names) for label in found))}"
    if not found and _WILDCARDS & {*entry}:
        found = {label for name, of in known.items() if fnmatchcase(name, entry.casefold()) for label in of}
    return found, None if found else f"no label matches {entry!r}"


def _described(label: str, names: Mapping[str, Sequence[str]]) -> str:
    return f"{label} ({names[label][0]})" if names.get(label) else label


def _listed(labels: LabelSet) -> str:
    return f"the labels are {', '.join(labels.names[:MOST_LISTED])}{', ...' if len(labels) > MOST_LISTED else ''}"


def _raise_all(faults: list[str], item: str, remedy: str | None = None) -> None:
    if faults:
        raise UsageError("; ".join(faults), item=f"taxonomy {item}", remedy=remedy)
