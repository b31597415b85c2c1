"""CIFAR-100 as its authors publish it: the folder ``cifar-100-python`` with ``train``, ``test`` and ``meta``.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".

Shapes: N images of 3 colours and 32 x 32 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imagist.arrays import Pixels
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW
from imagist.datasets.labels.columns import name_of
from imagist.datasets.labels.example import Labelled
from imagist.datasets.labels.naming import label_names
from imagist.datasets.labels.opcodes import unpacked
from imagist.datasets.labels.source import Source
from imagist.errors import DataError

META = "meta"
SPLITS = ("train", "test")
_SIDE = 32
_HEADER = b"P6\n%d %d\n255\n" % (_SIDE, _SIDE)


def cifar100_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The images of the folder, or of one file of it, in order, named by file and row; encoded as PPM, without loss.

    Raises:
        DataError: No ``train`` or ``test`` there, no names of labels, or a file of another layout.
    """
    path = Path(source.path)
    column = source.columns.label or "fine_label"
    files = [file for split in SPLITS if (file := path / split).is_file()] if path.is_dir() else [path]
    if not files:
        raise DataError("neither train nor test in it", item=str(path), remedy="name the folder cifar-100-python")
    names = label_names(Path(source.names) if source.names else files[0].parent / META, column)
    for file in files:
        yield from _of_file(file, f"{column.removesuffix('s')}s".encode(), names, content, faults)


def _of_file(file: Path, key: bytes, names: tuple[str, ...], content: bool, faults: Faults) -> Iterator[Labelled]:
    try:
        batch = unpacked(file.read_bytes(), str(file))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"cannot be read: {error}", item=str(file)) from error
    labels, pixels = (batch.get(key), batch.get(b"data")) if isinstance(batch, dict) else (None, None)
    numbers = labels if isinstance(labels, list) and all(type(label) is int for label in labels) else None
    if numbers is None or not isinstance(pixels, np.ndarray) or pixels.shape != (len(numbers), 3 * _SIDE**2):
        raise DataError(
            f"no {key.decode()} with a row of {3 * _SIDE**2} bytes for each in data",
            item=str(file),
            remedy="take train or test of cifar-100-python; columns.label is fine_label or coarse_label",
        )
    split = file.name if file.name in SPLITS else None
    for number, (label, row) in enumerate(zip(numbers, pixels, strict=True)):
        try:
            name = name_of(str(label), names)
        except ValueError as error:
            faults.add(ROW, f"{file.name}, row {number}: {error}")
            continue
        held = _encoded(row) if content else None
        yield Labelled(f"row {number}", f"{file}#{number}", (), split, held, held=True, label=name)


def _encoded(row: Pixels) -> bytes:
    """PPM of ``[3072]``: a plane a colour, row by row."""
    return _HEADER + row.reshape(3, -1).T.tobytes()
