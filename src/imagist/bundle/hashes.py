"""Which images a model learnt from: their perceptual hashes, in a file of the model's folder that no part depends on.

A study compares them with its test images. Eight bytes an image; images cannot be restored from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imagist.bundle.folders import AGAIN
from imagist.bundle.models import SHIPPED
from imagist.errors import BundleError
from imagist.storage import atomic_write

FILE = "trained_on.npy"
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
"""64-bit hashes as `imagist.datasets.near_duplicates` computes them, uint64 ``[N]``, in ascending order."""


def write_trained_on(folder: Path, *hashes: Hashes | None) -> None:
    """Writes the hashes of the images that a model learnt from; what is there is replaced.

    Args:
        folder: Of the model, or of a file of weights.
        hashes: Of its own training images, and of those that its parts learnt from before, where these are known.

    Raises:
        OutputError: The folder cannot be written to.
    """
    known = [each for each in hashes if each is not None]
    if known:
        with atomic_write(folder / FILE) as draft, draft.open("wb") as file:
            np.save(file, np.unique(np.concatenate(known)).astype(np.uint64))


def trained_on(model: str | os.PathLike[str]) -> Hashes | None:
    """The hashes of the images that a model learnt from; None where it does not say.

    Args:
        model: A shipped model by name, a model's folder, that of one of its parts, or a file of weights.

    Raises:
        BundleError: They cannot be read.
    """
    path = next((place / FILE for place in _places(model) if (place / FILE).is_file()), None)
    if path is None:
        return None
    try:
        hashes = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise BundleError(f"cannot be read: {error}", item=str(path), remedy=AGAIN) from error
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise BundleError("needs uint64 [N]", item=str(path), remedy=AGAIN)
    found: Hashes = hashes
    return found


def _places(model: str | os.PathLike[str]) -> Iterator[Path]:
    path = Path(model)
    if path.is_dir():
        yield path
    if path.exists():
        yield path.parent
    else:
        yield SHIPPED / str(model)
