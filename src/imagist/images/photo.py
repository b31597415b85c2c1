"""From an image in any form (path, address, bytes, array, ...) to a Photo."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagist.errors import SourceNotFound, UnknownFormat, UsageError
from imagist.images.addresses import data_content, is_data, is_stored, is_url, local_path, not_found, not_regular, shown
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits, decode, from_image
from imagist.images.fetch import fetch
from imagist.images.stored import read_stored
from imagist.records import Photo, Row

Item = Row | Photo | str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[np.generic]
"""One image in any form that `as_photo` reads."""

AnyItem = TypeVar("AnyItem", bound=Item)
_CHANNELS = (1, 3, 4)
_LAST = {(channels,) for channels in _CHANNELS}
_SHAPES = "pass uint8, or floats in 0..1, as [H, W] or [H, W, 1|3|4]"
_CHANNELS_LAST = "move channels to the end, array.transpose(1, 2, 0), or pass grey images in a list"
_REMEDY = "pass a path, bytes, an open file, a Pillow image or an array, or several in a list"


class ImageSource(Protocol):
    """An image of a data set, such as `imagist.datasets.entries.Example` and `imagist.datasets.entries.Record`."""

    @property
    def image(self) -> str:
        """Its path, address or name."""
        ...

    @property
    def content(self) -> bytes | None:
        """Its encoded bytes if the data set holds them; None if they are to be read from ``image``."""
        ...


def photo_of(image: ImageSource) -> Photo:
    """Decodes the image. The photo and any error name it by its ``image``.

    Raises:
        ItemError: It cannot be read or decoded.
    """
    return as_photo(Row(image.image, image.content))


def as_photo(item: Item, *, limits: DecodeLimits = DEFAULT_LIMITS) -> Photo:
    """Reads and decodes one image.

    Args:
        item: A row, a path, an http(s), ``data:`` or ``file:`` address, encoded bytes, a file opened for reading bytes
            (read from its start where it can be), a Pillow image, an array (uint8 or floats in 0..1; ``[H, W]`` or
            ``[H, W, 1|3|4]``), or a Photo, which is returned as it is.
        limits: Bounds on bytes, pixels and time.

    Raises:
        ItemError: The image cannot be read or decoded, or the row has an error already.
        UnknownFormat: Also for an item of any other type, shape or range.
    """
    match item:
        case Photo():
            return item
        case Row():
            if item.error is not None:
                raise item.error
            content = item.content if item.content is not None else _read(item.source, limits)
            return decode(content, source=item.source, limits=limits)
        case str() | os.PathLike():
            return decode(_read(item, limits), source=name_of(item), limits=limits)
        case bytes() | bytearray() | memoryview():
            return decode(bytes(item), limits=limits)
        case Image.Image():
            return from_image(item, source=str(getattr(item, "filename", "") or "<image>"), limits=limits)
        case np.ndarray():
            return from_image(_image(item), source="<array>", limits=limits)
    if hasattr(item, "read"):
        return decode(_read_open(item, limits), source=name_of(item), limits=limits)
    raise UnknownFormat(f"not an image: {type(item).__name__}", remedy=_REMEDY)


def items(images: object) -> Iterable[Any]:
    """Images as they are, and one image alone as a list of one.

    Raises:
        UsageError: Neither an image nor several.
    """
    match images:
        case Photo() | Row() | str() | os.PathLike() | bytes() | bytearray() | memoryview() | Image.Image():
            return [images]
        case np.ndarray() if images.ndim < 3 or images.shape[2:] in _LAST or _has_channels_first(images):
            return [images]
    if hasattr(images, "read"):
        return [images]
    if not isinstance(images, Iterable) or isinstance(images, Mapping):
        raise UsageError(f"not an image, nor several: {type(images).__name__}", remedy=_REMEDY)
    return images


def name_of(item: Item) -> str:
    """The name of an image before it is read."""
    match item:
        case Photo() | Row():
            return item.source
        case str() | os.PathLike():
            return shown(os.fspath(item))
    name = getattr(item, "name", None)  # of an open file
    if isinstance(name, str) and hasattr(item, "read"):
        return name
    return f"<{type(item).__name__}>"


def _read_open(file: IO[bytes], limits: DecodeLimits) -> bytes:
    """The bytes of an open file, from its start where it can be read again."""
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)
        content = bytearray()
        while part := file.read(limits.max_bytes + 1 - len(content)):  # a part at a time where it is not buffered
            if not isinstance(part, bytes | bytearray | memoryview):
                problem = f"a file of {type(part).__name__}, not of bytes"
                raise UnknownFormat(problem, item=name_of(file), remedy="open it with mode 'rb'")
            content += part
            limits.check_bytes(len(content), name_of(file))
    except (OSError, ValueError) as error:  # ValueError: it is closed, or its text is not UTF-8
        raise SourceNotFound(f"cannot be read: {error}", item=name_of(file)) from error
    return bytes(content)


def _read(source: str | os.PathLike[str], limits: DecodeLimits) -> bytes:
    """The bytes of an image at a path or an address."""
    if is_url(source):
        return fetch(source, limits)
    if is_data(source):
        return data_content(source)
    if is_stored(source):
        return read_stored(source, limits)
    return read_file(local_path(source) if isinstance(source, str) else source, limits)


def read_file(path: str | os.PathLike[str], limits: DecodeLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a regular file, whose size is checked before it is read.

    Raises:
        SourceNotFound: There is no such file, it cannot be opened, or it is a folder, device or pipe.
        ImageTooLarge: Over ``limits.max_bytes``.
    """
    name = os.fspath(path)
    try:
        status = os.stat(name)  # noqa: PTH116  (a Path would be built for every image of a run)
        if not stat.S_ISREG(status.st_mode):
            raise _no_file(name, status.st_mode)
        limits.check_bytes(status.st_size, name)
        with Path(name).open("rb") as file:
            content = file.read(limits.max_bytes + 1)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise not_found(name) from error
        raise SourceNotFound((error.strerror or str(error)).lower(), item=name) from error
    except ValueError as error:  # a NUL in the name
        raise SourceNotFound("not a file name", item=ascii(name)) from error
    limits.check_bytes(len(content), name)
    return content


def _no_file(name: str, mode: int) -> SourceNotFound:
    if stat.S_ISDIR(mode):
        return SourceNotFound("a folder", item=name, remedy="imagist.images.rows([folder]) lists its images")
    return not_regular(name)


def _has_channels_first(array: NDArray[np.generic]) -> bool:
    """Whether an array is rather one image of the wrong layout than a few grey ones."""
    if array.ndim != 3 or array.shape[2] in _CHANNELS:
        return False
    return array.shape[0] in _CHANNELS and array.shape[0] < min(array.shape[1:])


def _image(array: NDArray[np.generic]) -> Image.Image:
    unit_floats = array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1
    shaped = array.size and (array.ndim == 2 or array.shape[2:] in _LAST)
    if not shaped or not (unit_floats or array.dtype == np.uint8):
        raise UnknownFormat(
            f"an array of {array.dtype} {list(array.shape)} is not an image",
            item="<array>",
            remedy=_CHANNELS_LAST if _has_channels_first(array) else _SHAPES,
        )
    if unit_floats:
        array = (array.astype(np.float32) * 255).round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array))
