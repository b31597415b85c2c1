"""Archives of images to rows: WebDataset shards (tar) and zip.

Images become rows; the ``.json`` objects that belong to them (see ``samples``) become carried columns, and ``.txt``,
``.cls`` and other JSON one column each, named after the suffix. Sidecars follow or precede their image in a shard;
where they lie apart they are found, too. Hidden members, and those that macOS adds (``._a.jpg``, ``__MACOSX``), are
left out. Sidecars that belong to no image, and archives and tables in the archive, are left out with a notice.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from tarfile import TarError
from zipfile import BadZipFile

from imagist.errors import ItemError, ManifestError, SourceNotFound
from imagist.images.archives import Member, is_zip, members
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.folders import is_hidden
from imagist.images.formats import ARCHIVES, MAGIC_BYTES, begins_like_image, has_image_suffix
from imagist.images.notices import notice_of
from imagist.images.samples import Sample, Sidecar, is_sidecar, key_of, read_sidecar, stems
from imagist.images.stored import AnyPath
from imagist.records import Row

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
_TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".parquet", ".xlsx")
_LARGEST_SAMPLE = 32
_UNREADABLE = (TarError, BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError)


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
    apart, used, empty = _Apart(path), set[str](), True
    try:
        for sample in _samples(path, lambda member: _image(member, f"{path}#{member.name}", limits)):
            used |= {stem for name, _ in sample.images for stem in stems(name) if stem in apart.sidecars}
            empty = empty and not sample.images
            yield from sample.rows(apart.sidecars)
    except _UNREADABLE as error:
        yield Row(str(path), error=_unreadable(path, error))
        return
    apart.say(used)
    if empty:
        yield Row(str(path), error=SourceNotFound("no images in this archive", item=str(path)))


def _samples(path: AnyPath, image: Callable[[Member], Row | None]) -> Iterator[Sample]:
    """The samples of an archive; one of many members, as its parts.

    Args:
        path: The archive.
        image: Makes the row of a member; None where it is no image.
    """
    sample = Sample("")
    try:
        for member in members(path):
            if any(map(is_hidden, member.name.split("/"))):
                continue
            key = key_of(member.name)
            if key != sample.key or len(sample) == _LARGEST_SAMPLE:
                goes_on = sample.is_part = key == sample.key
                yield sample
                sample = Sample(key, is_part=goes_on)
            if is_sidecar(member.name):
                sample.sidecars.append(read_sidecar(member, str(path)))
            elif (row := image(member)) is not None:
                sample.images.append((member.name, row))
            else:
                sample.others.append(member.name)
    except _UNREADABLE:
        yield sample
        raise
    yield sample


class _Apart:
    """What of an archive does not follow or precede its image; up to the first damage.

    Attributes:
        sidecars: By their stems.
    """

    def __init__(self, path: AnyPath) -> None:
        self.sidecars: dict[str, list[Sidecar]] = {}
        self._path = str(path)
        self._lost: dict[str, str] = {}  # stem and name of sidecars that are of no other file
        self._not_read: list[str] = []
        try:
            for sample in _samples(path, lambda member: Row(member.name) if _is_image(member) else None):
                self._add(sample)
        except _UNREADABLE:
            pass  # it is reported where the images are read

    def _add(self, sample: Sample) -> None:
        others = [name for name in sample.others if not name.lower().endswith(ARCHIVES + _TABLES)]
        self._not_read += (name for name in sample.others if name not in others)
        for each in sample.apart():
            self.sidecars.setdefault(each.stem, []).append(each)
            if not others:
                self._lost.setdefault(each.stem, each.name)

    def say(self, used: set[str]) -> None:
        """Says what was left out.

        Args:
            used: The stems of sidecars that belong to an image.
        """
        lost = [name for stem, name in self._lost.items() if stem not in used]
        remedy = "name each like its image, such as x.txt beside x.jpg, and pack the archive again"
        notice_of("texts that belong to no image", lost, item=self._path, remedy=remedy)
        remedy = "unpack it, and name them as sources"
        notice_of("archives and tables in it", self._not_read, item=self._path, remedy=remedy)


def _image(member: Member, name: str, limits: DecodeLimits) -> Row | None:
    """The row of a member, with its error where it cannot be read; None where it is no image."""
    if not _is_image(member):
        return None
    try:
        limits.check_bytes(member.size, name)
        content = member.read(limits.max_bytes + 1)
        limits.check_bytes(len(content), name)
    except ItemError as error:
        return Row(name, error=error)
    return Row(name, content)


def _is_image(member: Member) -> bool:
    """Whether a member is an image by its suffix or by its first bytes."""
    if has_image_suffix(member.name):
        return True
    try:
        return begins_like_image(member.read(MAGIC_BYTES))
    except ItemError:
        return False


def _unreadable(path: AnyPath, error: BaseException) -> ManifestError:
    try:
        kind = "zip" if is_zip(path) else "tar"
    except OSError:
        kind = path.suffix.lower().removeprefix(".")
    return ManifestError(f"not a readable {kind} file: {error}", item=str(path), remedy="get it, or pack it, again")
