"""Archives of images to rows: WebDataset shards (tar) and zip.

The parts of one sample share their key: a member's path up to the first dot of its name. Images become rows; ``.json``
objects of the same key become carried columns, and ``.txt``, ``.cls`` and other JSON one column each, named after the
suffix. The parts of a sample follow each other in a shard; where they lie apart they are found, too. Hidden members,
and those that macOS adds (``._a.jpg``, ``__MACOSX``), are left out.
"""

from __future__ import annotations

import json
import lzma
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from tarfile import TarError
from zipfile import BadZipFile

from imagist.errors import ItemError, ManifestError, SourceNotFound
from imagist.images.archives import Member, is_zip, members
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.folders import is_hidden
from imagist.images.formats import MAGIC_BYTES, begins_like_image, has_image_suffix
from imagist.images.stored import AnyPath
from imagist.records import Row

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
_SIDECARS = ("json", "txt", "cls")
_LARGEST_SIDECAR = 1 << 20
_LARGEST_SAMPLE = 32
_UNREADABLE = (TarError, BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError)

_Columns = Mapping[str, object]


def is_shard(path: AnyPath) -> bool:
    """Whether the suffix is that of an archive of images."""
    return path.name.lower().endswith(_SUFFIXES)


def check_shard(path: AnyPath) -> None:
    """Raises ManifestError where nothing can be read from the archive."""
    try:
        next(members(path), None)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def shard_rows(path: AnyPath, limits: DecodeLimits = DEFAULT_LIMITS) -> Iterator[Row]:
    """The images of an archive, in order, named ``shard.tar#member``, in constant memory.

    An archive that is damaged on the way gives the rows before the damage, then one with its ``error`` set; so does one
    without images.
    """
    apart = _columns_apart(path)
    sample, empty = _Sample(""), True
    try:
        for member in _visible(path):
            key, suffix = _split(member.name)
            if key != sample.key or len(sample.images) == _LARGEST_SAMPLE:
                yield from sample.rows(apart)
                sample = _Sample(key)
            if suffix in _SIDECARS:
                sample.columns |= _columns(member, suffix)
            elif (row := _image(member, f"{path}#{member.name}", limits)) is not None:
                sample.images.append(row)
                empty = False
    except _UNREADABLE as error:
        yield from sample.rows(apart)
        yield Row(str(path), error=_unreadable(path, error))
        return
    yield from sample.rows(apart)
    if empty:
        yield Row(str(path), error=SourceNotFound("no images in this archive", item=str(path)))


class _Sample:
    """Members that follow each other and share their key: images and their columns."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.images: list[Row] = []
        self.columns: dict[str, object] = {}

    def rows(self, apart: Mapping[str, _Columns]) -> Iterator[Row]:
        columns = {**apart.get(self.key, {}), **self.columns}
        for row in self.images:
            yield Row(row.source, row.content, columns, row.error)


def _columns_apart(path: AnyPath) -> dict[str, dict[str, object]]:
    """By key, the columns of sidecars that do not follow or precede their image; up to the first damage."""
    apart: defaultdict[str, dict[str, object]] = defaultdict(dict)
    last, with_image, columns = "", True, dict[str, object]()
    try:
        for member in _visible(path):
            key, suffix = _split(member.name)
            if key != last:
                if columns and not with_image:
                    apart[last] |= columns
                last, with_image, columns = key, False, {}
            if suffix in _SIDECARS:
                columns |= _columns(member, suffix)
            else:
                with_image = True
    except _UNREADABLE:
        pass  # it is reported where the images are read
    if columns and not with_image:
        apart[last] |= columns
    return dict(apart)


def _visible(path: AnyPath) -> Iterator[Member]:
    return (each for each in members(path) if not any(map(is_hidden, each.name.split("/"))))


def _split(name: str) -> tuple[str, str]:
    """The key and the suffix of a member."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return folder + slash + stem, suffix.lower()


def _image(member: Member, name: str, limits: DecodeLimits) -> Row | None:
    """The row of a member, with its error where it cannot be read; None where it is no image."""
    known = has_image_suffix(member.name)
    try:
        if not known and (member.is_link or not begins_like_image(member.read(MAGIC_BYTES))):
            return None
        limits.check_bytes(member.size, name)
        content = member.read(limits.max_bytes + 1)
        limits.check_bytes(len(content), name)
    except ItemError as error:
        return Row(name, error=error) if known else None
    return Row(name, content)


def _columns(member: Member, suffix: str) -> dict[str, object]:
    if member.size > _LARGEST_SIDECAR or member.is_link:
        return {}
    try:
        text = member.read(_LARGEST_SIDECAR).decode("utf-8", "replace").strip()
    except ItemError:
        return {}
    if suffix == "json":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {suffix: text}
        return value if isinstance(value, dict) else {suffix: value}
    is_class = suffix == "cls" and text.isdecimal()
    return {suffix: int(text) if is_class else text}


def _unreadable(path: AnyPath, error: BaseException) -> ManifestError:
    kind = "zip" if is_zip(path) else "tar"
    return ManifestError(f"not a readable {kind} file: {error}", item=str(path), remedy="get it, or pack it, again")
