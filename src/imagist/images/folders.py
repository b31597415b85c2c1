"""The images in a folder and below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imagist.errors import SourceNotFound
from imagist.images.formats import ARCHIVES, MAGIC_BYTES, begins_like_image, has_image_suffix
from imagist.images.notices import notice_of, notice_of_archives
from imagist.records import Row

_NOT_THE_USERS = frozenset({"__MACOSX", "@eaDir"})  # what macOS and Synology add to archives and folders
_ARCHIVES = "archives"
_NOT_PERMITTED = "files without permission"
_AS_NOW = os.access in os.supports_effective_ids


def is_hidden(name: str) -> bool:
    """Whether a part of a path is left out of folders and archives: hidden files, and what systems add of their own."""
    return (name.startswith(".") and name not in (".", "..")) or name in _NOT_THE_USERS


class _Place(NamedTuple):
    path: str
    is_folder: bool
    above: frozenset[tuple[int, int]] = frozenset()  # device and inode of the folders that it is in


def folder_images(folder: str) -> Iterator[str | Row]:
    """The paths of images, sorted by name; a Row with its error for a folder that cannot be listed, or without images.

    An image is known by its suffix, or, where that is none of an image's (as downloads often have), by its first bytes.
    Hidden files and folders are left out, archives with a notice. Links are followed, but never into a folder that they
    are in.
    """
    empty = True
    left_out: dict[str, list[str]] = {_ARCHIVES: [], _NOT_PERMITTED: []}
    waiting = [_Place(folder, is_folder=True)]
    while waiting:
        place = waiting.pop()
        if not place.is_folder:
            empty = False
            yield place.path
            continue
        try:
            waiting += sorted(_listed(place, left_out), reverse=True)
        except OSError as error:
            empty = False
            problem = f"cannot be listed: {error.strerror}"
            yield Row(place.path, error=SourceNotFound(problem, item=place.path))
    notice_of_archives(left_out[_ARCHIVES], folder)
    notice_of(_NOT_PERMITTED, left_out[_NOT_PERMITTED], item=folder, remedy="chmod +r, if they are images")
    if empty:
        problem = "no images in this folder; hidden files are left out"
        yield Row(folder, error=SourceNotFound(problem, item=folder))


def is_image(path: str) -> bool:
    """Whether a regular file begins like an image."""
    if not os.path.isfile(path):  # noqa: PTH113  (a pipe would be waited for)
        return False
    try:
        with Path(path).open("rb") as file:
            return begins_like_image(file.read(MAGIC_BYTES))
    except OSError:
        return False


def _listed(folder: _Place, left_out: dict[str, list[str]]) -> Iterator[_Place]:
    """The folders and images right in a folder; nothing where it is one that it is in itself, by a link.

    Args:
        folder: Is listed.
        left_out: Gets the paths of files in it that are not read, by why they are not.
    """
    status = os.stat(folder.path)  # noqa: PTH116
    own = status.st_dev, status.st_ino
    if own in folder.above:
        return
    with os.scandir(folder.path) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if _is_folder(entry):
                yield _Place(entry.path, is_folder=True, above=folder.above | {own})
            elif has_image_suffix(entry.name) or is_image(entry.path):
                yield _Place(entry.path, is_folder=False)
            elif entry.name.lower().endswith(ARCHIVES):
                left_out[_ARCHIVES].append(entry.path)
            elif os.path.isfile(entry.path) and not os.access(entry.path, os.R_OK, effective_ids=_AS_NOW):  # noqa: PTH113
                left_out[_NOT_PERMITTED].append(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
