"""Categories of a user's own, made of the fine labels that a classifier knows.

Shapes: N items; F fine labels; C categories.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagist.errors import UnknownName, UsageError
from imagist.records import Array, LabelSet

_TABLES = resources.files("imagist.classifiers") / "taxonomies"


@dataclass(frozen=True)
class Taxonomy:
    """From fine labels to categories. A fine label belongs to one category, or to none and then does not count.

    Attributes:
        name: What it is called.
        labels: The C categories, in order.
        members: The fine labels of each category, one or more.

    Raises:
        UsageError: A category without members, members of no category, or a fine label claimed twice: all of them.
    """

    name: str
    labels: LabelSet
    members: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        claims = Counter(fine for label in self.labels for fine in self.members.get(label, ()))
        faults = [f"{label} has no members" for label in self.labels if not self.members.get(label)]
        faults += [f"{label} is not one of the labels" for label in self.members if label not in self.labels.names]
        faults += [f"{fine} is claimed {n} times" for fine, n in claims.items() if n > 1]
        _raise_all(faults, self.name)

    def target(self, fine_label: str) -> str | None:
        """The category that a fine label belongs to; None where it belongs to none."""
        return next((label for label in self.labels if fine_label in self.members[label]), None)

    def project(self, scores: NDArray[Any], fine: LabelSet) -> Array:
        """Probabilities of the categories from those of the fine labels.

        Args:
            scores: ``[N, F]``, >= 0.
            fine: The F fine labels.

        Returns:
            float32 ``[N, C]``: each category's members summed, rows scaled to sum to 1; uniform where none has any.

        Raises:
            UsageError: Scores of another width, or members that are not among the fine labels: all of them.
        """
        if scores.ndim != 2 or scores.shape[1] != len(fine):
            raise UsageError(f"scores {list(scores.shape)} do not fit {len(fine)} fine labels", item=self.name)
        unknown = [m for label in self.labels for m in self.members[label] if m not in fine.names]
        _raise_all([f"{m} is not a fine label" for m in unknown], self.name, f"those are {', '.join(fine)}")
        belongs = np.array([[f in self.members[label] for label in self.labels] for f in fine], dtype=np.float64)
        mass = scores @ belongs
        total = mass.sum(axis=1, keepdims=True)
        uniform = np.full_like(mass, 1 / len(self.labels))
        return np.asarray(np.divide(mass, total, out=uniform, where=total > 0), dtype=np.float32)


def from_toml(path: str | Path) -> Taxonomy:
    """Reads a table of categories from a file.

    Such as::

        name = "pets"          # by default the file's name

        [labels]               # in this order
        "companion animals" = ["cat", "dog"]
        other = ["bird"]

    Raises:
        UsageError: No such file, not TOML, or not such a table.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot be read as TOML: {error}", item=str(path)) from error
    return _from_table(table, Path(path).stem)


def open_taxonomy(name: str | os.PathLike[str], folder: Path = Path()) -> Taxonomy:
    """A taxonomy that comes with the package by its name, or one's own by the path of its ``.toml``.

    Args:
        name: The name, or the path.
        folder: Where a relative path is looked for.

    Raises:
        UnknownName: There is none of that name; the message lists those there are.
        UsageError: The file cannot be read, or is no table of categories.
    """
    return from_toml(folder / name) if Path(name).suffix == ".toml" else built_in(str(name))


def identity(labels: LabelSet, name: str = "identity") -> Taxonomy:
    """Each label its own category."""
    return Taxonomy(name, labels, {label: (label,) for label in labels})


def built_in_names() -> tuple[str, ...]:
    """The taxonomies that come with the package."""
    return tuple(sorted(Path(table.name).stem for table in _TABLES.iterdir() if table.name.endswith(".toml")))


def built_in(name: str) -> Taxonomy:
    """A taxonomy that comes with the package.

    Raises:
        UnknownName: There is none of that name; the message lists those there are.
    """
    if name not in built_in_names():
        raise UnknownName(f"no taxonomy {name!r}", remedy=f"one of {', '.join(built_in_names())}, or a path to a .toml")
    return _from_table(tomllib.loads((_TABLES / f"{name}.toml").read_text(encoding="utf-8")), name)


def _from_table(table: Mapping[str, Any], stem: str) -> Taxonomy:
    name, labels = table.get("name", stem), table.get("labels")
    if not isinstance(name, str) or not isinstance(labels, dict) or not labels:
        raise UsageError("needs a table [labels] of category = [fine labels], and name, if any, a string", item=stem)
    _raise_all(
        [f"{label} must be a list of fine labels" for label, fine in labels.items() if not _is_list_of_names(fine)],
        stem,
    )
    return Taxonomy(name, LabelSet(tuple(labels)), {label: tuple(fine) for label, fine in labels.items()})


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _raise_all(faults: list[str], item: str, remedy: str | None = None) -> None:
    if faults:
        raise UsageError("; ".join(faults), item=f"taxonomy {item}", remedy=remedy)
