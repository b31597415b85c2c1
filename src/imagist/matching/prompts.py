"""Categories as sentences, and those as vectors of a matcher or a sentence encoder.

A classifier without training is a linear layer whose rows are those vectors (Radford et al. 2021, section 3.1.2).

Shapes: C labels; M sentences; D width of embeddings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagist.arrays import Array, unit_sums
from imagist.errors import UsageError
from imagist.images.tables.cells import spelling
from imagist.images.tables.text import whole
from imagist.records import LabelSet

_SHIPPED = Path(__file__).parent / "label_sets"
LABEL_SETS = tuple(sorted(path.stem for path in _SHIPPED.glob("*.toml")))
"""Names of the categories that ship."""

TEMPLATE = "a photo of {label}"
PLACE = "{label}"

Labels = str | os.PathLike[str] | Sequence[str] | Mapping[str, str | Sequence[str]]
"""Categories: names parted by commas, the path of a ``.toml`` file or the name of one that ships (``everyday``), the
path of a ``.txt`` file of names, one a line, a list of names, or names with descriptions."""
_FILES = (".toml", ".txt")


@dataclass(frozen=True)
class Descriptions:
    """Categories, each with sentences about it.

    Attributes:
        labels: The C names, in order.
        told: Sentences about some of them.
    """

    labels: LabelSet
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    labels: Mapping[str, str | tuple[str, ...]]


def read_labels(given: Labels) -> Descriptions:
    """The categories that a user names.

    Such a file as::

        [labels]
        temple = ["a Buddhist temple", "a shrine in a garden"]
        beach = "a sandy beach by the sea"
        coffee = []                             # described by its name alone

    Args:
        given: See `Labels`. A string is a file where it ends in ``.toml`` or ``.txt``, or the name of one in
            `LABEL_SETS`, else names parted by commas.

    Raises:
        UsageError: The file cannot be read, a name is empty or there twice, in any case, or there is none.
    """
    if isinstance(given, str | os.PathLike):
        text = os.fspath(given)
        if text in LABEL_SETS:
            text = str(_SHIPPED / f"{text}.toml")
        given = _of_file(Path(text)) if Path(text).suffix.lower() in _FILES else _names(text)
    if not isinstance(given, Mapping):
        given = [*given]
        return Descriptions(_distinct(given))
    told = {name: (each,) if isinstance(each, str) else tuple(each) for name, each in given.items()}
    return Descriptions(_distinct([*told]), {name: each for name, each in told.items() if each})


def _names(text: str) -> list[str]:
    if Path(text).is_file():
        raise UsageError("is a file of another kind", item=text, remedy=f"name the labels, or a {' or '.join(_FILES)}")
    return [name.strip() for name in text.split(",")]


def _of_file(path: Path) -> Mapping[str, str | Sequence[str]] | list[str]:
    """The descriptions in a TOML file, or the names in a file of lines."""
    if path.suffix.lower() == ".toml":
        from imagist import settings  # pydantic takes as long to import as all else that predicting needs

        return settings.read(path, _File).labels
    try:
        return [name for line in whole(path).splitlines() if (name := line.strip())]
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise UsageError(reason, item=str(path), remedy="name the labels, parted by commas") from error


def _distinct(names: Sequence[str]) -> LabelSet:
    """The labels, of which no two may differ by case or blanks alone."""
    labels, known = LabelSet(tuple(names)), dict[str, str]()
    for label in labels:
        if (other := known.setdefault(spelling(label), label)) != label:
            raise UsageError(f"labels that differ by case or blanks alone: {other!r}, {label!r}", remedy="name one")
    return labels


def sentences(
    labels: LabelSet, descriptions: Mapping[str, Sequence[str]], templates: Sequence[str] = (TEMPLATE,)
) -> list[tuple[str, ...]]:
    """What describes each of the C labels.

    Args:
        labels: The C names.
        descriptions: Sentences about some of them.
        templates: The sentences about any other, each with ``{label}`` in the place of its name.

    Raises:
        UsageError: Descriptions of what is no label, a label with none, or a template without a place for the name.
    """
    unknown = sorted(set(descriptions) - set(labels))
    if unknown:
        raise UsageError(
            f"descriptions of what is no label: {', '.join(unknown)}", remedy=f"the labels are {', '.join(labels)}"
        )
    empty = sorted(label for label, told in descriptions.items() if not any(each.strip() for each in told))
    if empty:
        raise UsageError(f"no sentence describes {', '.join(empty)}", remedy="give one, or leave the label out")
    if not templates or any(PLACE not in template for template in templates):
        raise UsageError("names no place for the label", item="template", remedy=f"such as {TEMPLATE!r}")
    named = (tuple(template.replace(PLACE, label) for template in templates) for label in labels)
    return [tuple(descriptions.get(label, ())) or told for label, told in zip(labels, named, strict=True)]


def label_vectors(embed: Callable[[Sequence[str]], Array], described: Sequence[Sequence[str]]) -> Array:
    """The mean of the embeddings of each label's sentences, 1 long again: float32 ``[C, D]``.

    Args:
        embed: Sentences to float32 ``[M, D]``, each 1 long.
        described: The sentences about each of the C labels, as `sentences` gives them.
    """
    return unit_sums(embed([sentence for told in described for sentence in told]), described)
