"""CIFAR-100's binary release: the folder ``cifar-100-binary`` with ``train.bin``, ``test.bin`` and the labels' names.

A row is one byte of the coarse label, one of the fine label and 3072 of pixels. Hugging Face's release is a Parquet
table (``img``, ``fine_label``, ``coarse_label``), which `formats.tables` reads.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imagist.datasets.columns import label_name
from imagist.datasets.entries import Entry
from imagist.datasets.faults import Faults
from imagist.datasets.source import ROW, SourceFile, Wanted, list_of_names
from imagist.errors import DataError

SPLITS = ("train", "test")
_SIDE = 32
_PIXELS = 3 * _SIDE**2
_LABELS = ("coarse_label", "fine_label")  # in the order of their bytes
_ROW = len(_LABELS) + _PIXELS
_HEADER = b"P6\n%d %d\n255\n" % (_SIDE, _SIDE)
_REMEDY = "take the CIFAR-100 binary version: cifar-100-binary with train.bin and test.bin"


class Cifar100:
    """Labelled images of 32 x 32 pixels, named by file and row; encoded as PPM, without loss."""

    holds = frozenset({"labels"})
    columns = frozenset({"label"})

    def recognises(self, file: SourceFile) -> bool:
        """Whether it is ``train.bin`` or ``test.bin``, or a folder with names of labels or the pickled release."""
        if not file.is_folder:
            return file.path.name in {f"{split}.bin" for split in SPLITS}
        has_names = any((file.path / f"{column}_names.txt").is_file() for column in _LABELS)
        return has_names or _is_pickled(file.path)

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The images of the folder, or of one file of it, in order.

        Raises:
            DataError: Neither ``train.bin`` nor ``test.bin``, no names of labels, or a file of another layout.
        """
        path, source = file.path, file.source
        column = source.columns.label or "fine_label"
        if column not in _LABELS:
            raise DataError(f"no column {column!r}; it has {', '.join(_LABELS)}", item=str(path))
        if not path.exists():
            raise DataError("does not exist", item=str(path), remedy=_REMEDY)
        files = [each for split in SPLITS if (each := path / f"{split}.bin").is_file()] if file.is_folder else [path]
        if not files:
            reason = "the Python release, which is pickled," if _is_pickled(path) else "neither train.bin nor test.bin"
            raise DataError(f"{reason} is in it", item=str(path), remedy=_REMEDY)
        names_file = Path(source.names) if source.names else files[0].parent / f"{column}_names.txt"
        names = list_of_names(names_file, "give one name of a label a line")
        for each in files:
            yield from _of_file(each, _LABELS.index(column), names, wanted.content, faults)


def _is_pickled(folder: Path) -> bool:
    return (folder / "meta").is_file() and any((folder / split).is_file() for split in SPLITS)


def _of_file(file: Path, column: int, names: list[str], content: bool, faults: Faults) -> Iterator[Entry]:
    split = file.stem if file.stem in SPLITS else None
    try:
        size = file.stat().st_size
        if not size or size % _ROW:
            raise DataError(f"{size:,} bytes are not rows of {_ROW:,}", item=str(file), remedy=_REMEDY)
        with file.open("rb") as rows:
            for number in range(size // _ROW):
                row = rows.read(_ROW)
                try:
                    label = label_name(str(row[column]), names)
                except ValueError as error:
                    faults.add(ROW, f"{file.name}, row {number}: {error}")
                    continue
                held = _encoded(row[len(_LABELS) :]) if content else None
                yield Entry(f"row {number}", f"{file}#{number}", split=split, content=held, label=label, held=True)
    except OSError as error:
        raise DataError(f"cannot be read: {error}", item=str(file)) from error


def _encoded(pixels: bytes) -> bytes:
    """PPM of a plane a colour, row by row."""
    return _HEADER + np.frombuffer(pixels, np.uint8).reshape(3, -1).T.tobytes()
