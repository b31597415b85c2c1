"""The formats that are decoded, how they are recognised, and what is checked in a header before Pillow sees it.

Rare formats (EPS, PSD, ICNS, DDS, ...) are left out on purpose: each is one more parser that a hostile file could
reach. Recognition is by content; names and declared types are never trusted.
"""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from imagist.errors import CorruptImage, UnknownFormat
from imagist.images import first_bytes

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Size = tuple[int, int]


@dataclass(frozen=True)
class Format:
    """One format that is decoded.

    Attributes:
        name: As users know it.
        plugin: ``module:class`` of the Pillow plugin.
        suffixes: Of its file names, lower case.
        weight: The cost of decoding a pixel, in memory or time, relative to JPEG and PNG.
        byte_weight: The cost of decoding an encoded byte, in time, relative to the same.
        peek: Reads the header: returns ``(width, height)`` where it must be checked before the plugin is called, else
            None; raises CorruptImage for a header that would exhaust the plugin.
    """

    name: str
    plugin: str
    suffixes: tuple[str, ...]
    weight: float = 1.0
    byte_weight: float = 1.0
    peek: Callable[[bytes], Size | None] = lambda content: None

    def opener(self) -> Callable[..., ImageFile]:
        """The plugin's class; calling it with a file reads the header only.

        Raises:
            UnknownFormat: The plugin is not installed; the remedy is how to install it.
        """
        module, _, name = self.plugin.partition(":")
        try:
            return cast("Callable[..., ImageFile]", getattr(importlib.import_module(module), name))
        except ImportError as error:
            remedy = "pip install 'imagist[heic]'" if self.name == "HEIC" else None
            raise UnknownFormat(f"{self.name} cannot be decoded: {error}", remedy=remedy) from error


def _webp_size(content: bytes) -> Size | None:
    """The canvas of an extended WebP, which libwebp would allocate on opening."""
    if content[12:16] != b"VP8X" or len(content) < 30:
        return None
    return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1


_BYTE_TYPES = {1, 2, 6, 7}
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_MOST_NUMBERS = 1 << 18
_LARGEST_TILE = 1 << 25


def _check_tiff(content: bytes) -> None:
    """Refuses a TIFF whose first directory holds endless lists (strip offsets, say) or vast tiles.

    Pillow turns each number into a Python object and each strip into a tuple, so 64 MiB of numbers need gigabytes.
    """
    order = "<" if content[:2] == b"II" else ">"
    offset_at, offset, total, entry = (8, "Q", "Q", "HHQ8s") if content[2] == 43 else (4, "I", "H", "HHI4s")
    size = struct.calcsize(order + entry)
    tile = {}
    try:
        (start,) = struct.unpack_from(order + offset, content, offset_at)
        (entries,) = struct.unpack_from(order + total, content, start)
        start += struct.calcsize(order + total)
        table = content[start : start + min(entries, len(content) // size) * size]
        for tag, kind, count, value in struct.iter_unpack(order + entry, table[: len(table) // size * size]):
            if kind not in _BYTE_TYPES and count > _MOST_NUMBERS:
                raise CorruptImage(f"a TIFF list of {count:,} numbers (tag {tag}) is not read")
            if tag in (_TILE_WIDTH, _TILE_LENGTH):
                (tile[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "I"), value)
    except (struct.error, OverflowError) as error:
        raise CorruptImage("a TIFF header that points outside the file") from error
    if tile.get(_TILE_WIDTH, 0) * tile.get(_TILE_LENGTH, 0) > _LARGEST_TILE:
        raise CorruptImage(f"TIFF tiles of {tile[_TILE_WIDTH]} x {tile[_TILE_LENGTH]} pixels are not read")


# Some formats are decoded in one call into C, which cannot be interrupted; weights bound their time and memory.
FORMATS = {
    each.name: each
    for each in (
        Format("AVIF", "PIL.AvifImagePlugin:AvifImageFile", (".avif", ".avifs"), weight=2, byte_weight=3),
        Format("BMP", "PIL.BmpImagePlugin:BmpImageFile", (".bmp", ".dib")),
        Format("GIF", "PIL.GifImagePlugin:GifImageFile", (".gif",)),
        Format(
            "HEIC", "pillow_heif:HeifImageFile", (".heic", ".heics", ".heif", ".heifs", ".hif"), weight=2, byte_weight=2
        ),
        Format("JPEG", "PIL.JpegImagePlugin:JpegImageFile", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
        Format(
            "JPEG 2000",
            "PIL.Jpeg2KImagePlugin:Jpeg2KImageFile",
            (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
            weight=4,
            byte_weight=4,
        ),
        Format("PNG", "PIL.PngImagePlugin:PngImageFile", (".png", ".apng")),
        Format("PPM", "PIL.PpmImagePlugin:PpmImageFile", (".ppm", ".pgm", ".pbm", ".pnm")),
        Format("TIFF", "PIL.TiffImagePlugin:TiffImageFile", (".tif", ".tiff"), weight=2, peek=_check_tiff),
        Format("WebP", "PIL.WebPImagePlugin:WebPImageFile", (".webp",), weight=2, byte_weight=2, peek=_webp_size),
    )
}

_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"MM*\0": "TIFF",
    b"II\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    **{b"P%d%c" % (kind, space): "PPM" for kind in range(1, 7) for space in b" \t\r\n"},
}
MAGIC_BYTES = 256
"""First bytes of a file by which it is recognised."""

_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # the sizes of the header that follows "BM" and 12 bytes more
_PPM_HEADER = re.compile(rb"P[1-6]\s+(?:#[^\n]*\s+)*\d+\s+(?:#[^\n]*\s+)*\d+\s")
_REFUSED = {
    b"8BPS": "PSD",
    b"icns": "ICNS",
    b"\0\0\1\0": "ICO",
    b"%!PS": "EPS",
    b"DDS ": "DDS",
    b"BLP1": "BLP",
    b"BLP2": "BLP",
    b"\x01\xda": "SGI",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"<svg": "SVG",
}
_ARCHIVES = {first_bytes.ZIP: ".zip", first_bytes.GZIP: ".tar.gz", first_bytes.TAR: ".tar"}  # those that are read
ARCHIVES = (
    *(".zip", ".cbz", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"),
    *(".7z", ".rar", ".cbr"),
)
"""Suffixes of archives, those included that are not read."""


_DECODED_SUFFIXES = tuple(suffix for each in FORMATS.values() for suffix in each.suffixes)
# Images that are not decoded: in a folder they become errors instead of being left out silently.
_REFUSED_SUFFIXES = (
    *(".ai", ".blp", ".dcx", ".dds", ".emf", ".eps", ".fli", ".flc", ".icns", ".ico", ".jxl", ".pcx", ".psd", ".sgi"),
    *(".svg", ".svgz", ".tga", ".wmf", ".xcf"),
    *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"),
)


def has_image_suffix(name: str) -> bool:
    """Whether a file name has the suffix of an image, in any case."""
    return name.lower().endswith(_DECODED_SUFFIXES + _REFUSED_SUFFIXES)


def recognise(content: bytes) -> Format | None:
    """The format of encoded bytes, by their first bytes; None where it is none of ``FORMATS``."""
    for magic, name in _MAGIC.items():
        if content.startswith(magic):
            return FORMATS[name]
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return FORMATS["WebP"]
    if content[4:8] == b"ftyp":
        return _iso_media(content)
    return None


def _iso_media(content: bytes) -> Format | None:
    """AVIF and HEIC share a container: the brands after ``ftyp`` distinguish them."""
    length = min(int.from_bytes(content[:4], "big"), 256)
    brands = {content[8:12], *(content[at : at + 4] for at in range(16, length, 4))}
    if brands & {b"avif", b"avis"}:
        return FORMATS["AVIF"]
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}:
        return FORMATS["HEIC"]
    return None


def begins_like_image(head: bytes) -> bool:
    """Whether a file whose name tells nothing is an image: as `recognise`, where text may begin like BMP and PPM, too.

    Args:
        head: Its first `MAGIC_BYTES`.
    """
    kind = recognise(head)
    if kind is None:
        return False
    if kind.name == "BMP":
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return kind.name != "PPM" or _PPM_HEADER.match(head) is not None


def unknown(content: bytes) -> UnknownFormat:
    """The error for bytes of none of ``FORMATS``; names their type where it is a known one."""
    kind = first_bytes.kind_of(content)
    if kind in _ARCHIVES or kind in first_bytes.PACKED:
        read = f"; imagist.images.rows reads archives of images, on disks and in stores, named {_ARCHIVES.get(kind)}"
        remedy = f"unpack it{read if kind in _ARCHIVES else ''}"
        return UnknownFormat(f"a file of type {kind} is not an image", remedy=remedy)
    if kind == first_bytes.HTML:
        remedy = "give the image itself, not the page that shows it"
        return UnknownFormat("a page (HTML), not an image", remedy=remedy)
    looks = next((name for magic, name in _REFUSED.items() if content.startswith(magic)), None)
    return UnknownFormat(
        f"a file of type {looks} is not decoded" if looks else "not an image in a format that is decoded",
        remedy=f"convert it to one of {', '.join(sorted(FORMATS))}",
    )
