"""The names of labels that a file gives as numbers."""

from __future__ import annotations

from pathlib import Path

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import lines
from imagist.datasets.labels.opcodes import MAGIC, unpacked
from imagist.errors import DataError

_REMEDY = "give one name a line, or CIFAR-100's meta"


def label_names(path: Path, column: str) -> tuple[str, ...]:
    """Reads the names, in the order of their numbers.

    Args:
        path: Text with one name a line, or CIFAR-100's ``meta``.
        column: That they are of; of ``meta`` decides between fine and coarse labels.

    Raises:
        DataError: It cannot be read, or has no names, or not of that column.
    """
    try:
        content = path.read_bytes()
        if content.startswith(MAGIC):
            return _of_meta(unpacked(content, str(path)), column, str(path))
        faults = Faults()
        names = tuple(name for _, line in lines(path, faults) if (name := line.strip()))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"cannot be read: {error}", item=str(path), remedy=_REMEDY) from error
    faults.raise_any(item=str(path), remedy=_REMEDY)
    if not names:
        raise DataError("no names of labels in it", item=str(path), remedy=_REMEDY)
    return names


def _of_meta(meta: object, column: str, item: str) -> tuple[str, ...]:
    key = f"{column.removesuffix('s')}_names".encode()
    names = meta.get(key) if isinstance(meta, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"no {key.decode()} in it", item=item, remedy="take fine_label or coarse_label for the label")
    return tuple(name.decode("utf-8", "replace") for name in names)
