"""Labels of examples as categories of a taxonomy, and as numbers.

Shapes: N examples; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import Ints
from imagist.datasets.entries import Example
from imagist.errors import DataError
from imagist.records import LabelSet

if TYPE_CHECKING:
    from imagist.classifiers.taxonomy import Taxonomy


def map_labels(examples: Sequence[Example], taxonomy: Taxonomy | None) -> list[Example]:
    """The examples that have a category, in their order, labelled with it; None keeps all labels as they are.

    Raises:
        DataError: Categories without an example, all of them.
    """
    if taxonomy is None:
        return list(examples)
    category = {fine: taxonomy.target(fine) for fine in {each.label for each in examples}}
    mapped = [replace(each, label=label) for each in examples if (label := category[each.label]) is not None]
    found = {each.label for each in mapped}
    if missing := [label for label in taxonomy.labels if label not in found]:
        raise DataError(
            f"no example of {', '.join(missing)}",
            item=f"taxonomy {taxonomy.name}",
            remedy="spell its fine labels as the data does, or choose another taxonomy",
        )
    return mapped


def label_set(examples: Sequence[Example], taxonomy: Taxonomy | None = None) -> LabelSet:
    """The C labels, in the order of the taxonomy, else sorted."""
    return taxonomy.labels if taxonomy else LabelSet(tuple(sorted({example.label for example in examples})))


def targets(examples: Sequence[Example], labels: LabelSet) -> Ints:
    """The place of each example's label among the labels, int64 ``[N]``.

    Raises:
        DataError: Examples of other labels; the message names these.
    """
    place = {label: i for i, label in enumerate(labels)}
    if strange := sorted({example.label for example in examples} - {*place}):
        raise DataError(f"labels {', '.join(map(repr, strange))} are not among {', '.join(labels)}")
    return np.array([place[example.label] for example in examples], np.int64)
