"""Step 3: one table of labelled images from several data sets, with a weight for each image.

The images of the main set have weight 1. Auxiliary sets have other labels, or only captions; a configuration says which
of their labels, or which words of their captions, belong to a class of the main set.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import PositiveInt

from imagist.errors import DataError, UsageError
from imagist.images import read_file
from imagist.matching.zero_shot import NONE
from imagist.records import Row
from imagist.settings import PositiveShare
from imagist.storage import atomic_write
from imagist.training.image_rows import ImageSource, read_rows

log = logging.getLogger("imagist.training")

Names = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Auxiliary:
    """Images of another data set that count as further training images of some classes.

    Attributes:
        sources: Its files; with a column ``label`` for ``labels`` or ``captions`` for ``words``.
        weight: Weight of each image, relative to the main set's.
        max_per_class: The first images of each class that are taken.
        max_per_label: The first images of each label of this set that are taken; None for all.
        labels: For each class of the main set, and for `imagist.matching.zero_shot.NONE`, labels of this one.
        words: For each class, words of captions. An image belongs to a class if ``min_captions`` of its captions
            have a word of the class and none has a word of another class.
        min_captions: See ``words``.
    """

    sources: tuple[ImageSource, ...]
    weight: PositiveShare = 0.4
    max_per_class: PositiveInt = 200
    max_per_label: PositiveInt | None = None
    labels: Names = field(default_factory=dict)
    words: Names = field(default_factory=dict)
    min_captions: PositiveInt = 4

    def __post_init__(self) -> None:
        if bool(self.labels) == bool(self.words):
            raise UsageError("give either labels or words", item="labels")

    def label_of(self, row: Row) -> str | None:
        """The class of the main set that an image belongs to, or None."""
        if self.labels:
            label = str(row.columns.get("label"))
            return next((name for name, others in self.labels.items() if label in others), None)
        captions = row.columns.get("captions")
        return self._by_words([str(c) for c in captions] if isinstance(captions, Sequence) else [])

    def _by_words(self, captions: Sequence[str]) -> str | None:
        votes: Counter[str] = Counter()
        for caption in captions:
            votes.update(name for name, words in self.words.items() if {*words} & {*caption.lower().split()})
        return next(iter(votes)) if len(votes) == 1 and votes.total() >= self.min_captions else None


@dataclass(frozen=True)
class LabelledSets:
    """The data sets of the table.

    Attributes:
        main: Files with the columns ``label`` and ``split`` (``train`` and ``dev``).
        auxiliary: Further training images.
    """

    main: tuple[ImageSource, ...]
    auxiliary: tuple[Auxiliary, ...] = ()


def write_labelled(sets: LabelledSets, data: Path, path: Path) -> None:
    """Writes a Parquet table with the columns ``image``, ``label``, ``split`` and ``weight``.

    Args:
        sets: What to read.
        data: Folder of relative paths.
        path: The table.

    Raises:
        DataError: A source cannot be read, or an auxiliary set names a class that the main set does not have.
        OutputError: The table cannot be written.
    """
    records = [
        _record(row, str(row.columns["label"]), str(row.columns["split"]), 1.0) for row in read_rows(sets.main, data)
    ]
    classes = {str(record["label"]) for record in records}
    for auxiliary in sets.auxiliary:
        if unknown := sorted({*auxiliary.labels, *auxiliary.words} - classes - {NONE}):
            raise DataError(f"not among the classes of the main set: {', '.join(unknown)}", item="auxiliary")
        chosen = [*_chosen(auxiliary, data)]
        log.info("%d auxiliary images from %s", len(chosen), auxiliary.sources[0].path)
        records += [_record(row, label, "train", auxiliary.weight) for row, label in chosen]
    with atomic_write(path) as draft:
        pq.write_table(pa.Table.from_pylist(records), draft)


def _chosen(auxiliary: Auxiliary, data: Path) -> Iterator[tuple[Row, str]]:
    number: Counter[str] = Counter()
    own: Counter[str] = Counter()  # of the labels of this set
    for row in read_rows(auxiliary.sources, data):
        label, of = auxiliary.label_of(row), str(row.columns.get("label"))
        if label is None or number[label] >= auxiliary.max_per_class:
            continue
        if auxiliary.max_per_label is None or own[of] < auxiliary.max_per_label:
            number[label] += 1
            own[of] += 1
            yield row, label


def _record(row: Row, label: str, split: str, weight: float) -> dict[str, object]:
    content = read_file(row.source) if row.content is None else row.content
    return {"image": {"bytes": content, "path": row.source}, "label": label, "split": split, "weight": weight}
