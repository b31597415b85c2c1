"""Which examples of those read a study is made on, and their labels as numbers.

Shapes: N examples; C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import Ints
from imagist.datasets.entries import Example
from imagist.errors import DataError, UsageError
from imagist.records import LabelSet

if TYPE_CHECKING:
    from imagist.classifiers.taxonomy import Taxonomy


def choose(examples: Sequence[Example], *, taxonomy: Taxonomy | None = None, first: int | None = None) -> list[Example]:
    """The examples of some categories, no more than so many of each, in their order.

    Args:
        examples: All there are; those of one split where the number is to hold for that split.
        taxonomy: Maps their labels to categories; examples without a category are left out. None keeps labels.
        first: How many of each class are kept: the first ones, or all where there are fewer.

    Raises:
        DataError: Categories without an example, all of them.
        UsageError: None of each class.
    """
    if first is not None and first < 1:
        raise UsageError(f"the first {first} of each class are none", item="first", remedy="1 or more")
    if taxonomy is not None:
        category = {fine: taxonomy.target(fine) for fine in {each.label for each in examples}}
        examples = [replace(each, label=label) for each in examples if (label := category[each.label]) is not None]
        there = {each.label for each in examples}
        if missing := [label for label in taxonomy.labels if label not in there]:
            raise DataError(
                f"no example of {', '.join(missing)}",
                item=f"taxonomy {taxonomy.name}",
                remedy="spell its fine labels as the data does, or choose another taxonomy",
            )
    seen: Counter[str] = Counter()
    kept = []
    for example in examples:
        seen[example.label] += 1
        if first is None or seen[example.label] <= first:
            kept.append(example)
    return kept


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
