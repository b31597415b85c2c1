"""Where the image of a row lies."""

from __future__ import annotations

import os
from pathlib import Path

from imagist.datasets.captions.record import Entry
from imagist.images.fetch import is_url


def image_of(entry: Entry, path: str | Path, images: str | Path | None) -> str:
    """Names the image of a row.

    Args:
        entry: The row.
        path: Of its file.
        images: The folder of the images; where it is None they may lie beside the file.

    Returns:
        The address; or the path, in ``images`` where that is given, else beside the file where it is there; else the
        name that the row gives, or ``address_of`` it.
    """
    image = entry.image or address_of(entry, path)
    if entry.held or is_url(image):
        return image
    folder = os.path.dirname(path) if images is None else images  # noqa: PTH120
    located = os.path.join(folder, image)  # noqa: PTH118  (a Path would drop a leading "./")
    return located if images is not None or os.path.isfile(located) else image  # noqa: PTH113


def address_of(entry: Entry, path: str | Path) -> str:
    """The file and the row in it, such as ``a.parquet#7``."""
    return f"{path}#{entry.place.split()[-1]}"
