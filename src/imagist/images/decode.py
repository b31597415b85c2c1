"""Encoded bytes to a Photo: bounded before pixels are allocated, upright, RGB on white, scaled to a working size.

No file can crash, hang or flood a run. A thread cannot interrupt a decoder, so its work is bounded beforehand: few
formats, sizes checked in headers, one frame, limited scans and tiles, and a clock in the file that the decoder reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from imagist.errors import CorruptImage, EmptyFile, ImageTooLarge, ItemError
from imagist.images.flatten import flatten
from imagist.images.formats import Format, Size, recognise, unknown
from imagist.images.guarded import TimedBytes, quiet
from imagist.records import Photo

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {5, 6, 7, 8}
_LONGEST_ASPECT = 8
_SCAN_MEGAPIXELS = 10_000


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds on the bytes, the pixels and the time of one image.

    Attributes:
        max_bytes: Largest encoded size, in bytes. Bytes of slow formats count several times: WebP and HEIC
            twice, AVIF three times, JPEG 2000 four times.
        max_megapixels: Largest image, in millions of pixels, as its header states. Pixels of formats that need
            more memory count several times: WebP, AVIF, HEIC and TIFF twice, JPEG 2000 four times.
        timeout_s: Most processor time for decoding, in seconds.
        work_side: The short side of the decoded photo, in pixels; the long side is at most eight times that. Larger
            images are scaled down, smaller ones are not scaled.
        requests_per_s: Most requests a second to one host on the web; None asks as soon as threads are free.
        patience_s: Longest time, in seconds, that all wait for a host that says when it will answer again
            (``Retry-After``), beside the time of a download.
    """

    max_bytes: int = 64 << 20
    max_megapixels: float = 100.0
    timeout_s: float = 4.0
    work_side: int = 640
    requests_per_s: float | None = None
    patience_s: float = 0.0

    def check_bytes(self, size: int, source: str, kind: Format | None = None) -> None:
        """Raises ImageTooLarge, naming the source, for an encoded size, in bytes, over the limit."""
        weight = kind.byte_weight if kind else 1
        if size * weight > self.max_bytes:
            counted = f" of {kind.name}, which count {weight:g} times" if kind and weight > 1 else ""
            limit = f"{self.max_bytes / 2**20:g} MiB"
            raise ImageTooLarge(
                f"{size / 2**20:.1f} MiB{counted}, over the limit of {limit}", item=source, remedy="raise max_bytes"
            )

    def check_size(self, size: Size, kind: Format) -> None:
        """Raises ImageTooLarge for a ``(width, height)`` over the limit."""
        megapixels = size[0] * size[1] / 1e6
        if megapixels * kind.weight > self.max_megapixels:
            counted = f" of {kind.name}, which count {kind.weight:g} times" if kind.weight > 1 else ""
            stated = f"{size[0]} x {size[1]} is {megapixels:.1f} megapixels{counted}"
            raise ImageTooLarge(f"{stated}, over the limit of {self.max_megapixels:g}", remedy="raise max_megapixels")

    def work_size(self, size: Size) -> Size:
        """The ``(width, height)`` to which an image is scaled down."""
        scale = min(1.0, self.work_side / min(size), _LONGEST_ASPECT * self.work_side / max(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


DEFAULT_LIMITS = DecodeLimits()


def decode(content: bytes, *, source: str = "<memory>", limits: DecodeLimits = DEFAULT_LIMITS) -> Photo:
    """Decodes an image.

    Takes the first frame of an animation, applies the EXIF orientation, puts transparent pixels on white, and scales
    down (JPEG while decoding) to the working size. Colour profiles are not applied.

    Args:
        content: The encoded file.
        source: How the photo and any error name it.
        limits: Bounds on bytes, pixels and time.

    Returns:
        A Photo whose pixels are read-only and whose ``size`` is the upright image's before scaling.

    Raises:
        EmptyFile: There are no bytes.
        ImageTooLarge: Over a limit, or out of memory.
        UnknownFormat: Not one of the formats that are decoded; the message lists these.
        CorruptImage: Truncated, damaged, or of an unsupported variant of its format.
        DecodeTimeout: Decoding took longer than ``limits.timeout_s``.
    """
    with quiet(), _typed(source):
        if not content:
            raise EmptyFile("the file is empty")
        limits.check_bytes(len(content), source)
        kind = recognise(content)
        if kind is None:
            raise unknown(content)
        limits.check_bytes(len(content), source, kind)
        if size := kind.peek(content):
            limits.check_size(size, kind)
        file = TimedBytes(content, limits.timeout_s)
        with kind.opener()(file) as image:
            limits.check_size(image.size, kind)
            if kind.name == "JPEG":
                _check_scans(content, file.tell(), image)
            return _upright(image, source, limits)


def from_image(image: Image.Image, *, source: str = "<image>", limits: DecodeLimits = DEFAULT_LIMITS) -> Photo:
    """As ``decode``, for a Pillow image. Loads the image if necessary, and does not change it.

    Raises:
        ImageTooLarge: Out of memory.
        CorruptImage: It has no pixels, or its file is damaged.
    """
    with quiet(), _typed(source):
        image.load()
        return _upright(image, source, limits)


def _upright(image: Image.Image, source: str, limits: DecodeLimits) -> Photo:
    size = image.size
    target = limits.work_size(size)
    image.draft(None, target)
    image.load()
    small = flatten(image, target)
    orientation = _orientation(image)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    pixels = np.asarray(small)
    pixels.flags.writeable = False
    return Photo(pixels, source, size[::-1] if orientation in _SIDEWAYS else size)


def _orientation(image: Image.Image) -> int | None:
    if not image.info:
        return None
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # a damaged EXIF block does not make the image unusable
        return None


def _check_scans(content: bytes, first_scan: int, image: Image.Image) -> None:
    """Refuses a JPEG with too many scans for its size: 10 bytes of a file can cost a pass over the image.

    Args:
        content: The encoded file.
        first_scan: Where the header of the first scan ends.
        image: The opened image.
    """
    bands = len(image.getbands())
    header = content[first_scan - 8 - 2 * bands : first_scan]
    in_one_scan = header[:2] == b"\xff\xda" and header[4:5] == bytes([bands])
    if in_one_scan and not image.info.get("progressive"):
        return
    scans = content.count(b"\xff\xda")
    if scans * image.width * image.height > _SCAN_MEGAPIXELS * 1e6:
        raise CorruptImage(f"{image.width} x {image.height} JPEG with {scans:,} scans is not decoded")


@contextmanager
def _typed(source: str) -> Iterator[None]:
    """Turns every error inside the block into an ItemError that names the source."""
    try:
        yield
    except ItemError as error:
        error.item = error.item or source
        raise
    except MemoryError as error:
        raise ImageTooLarge("out of memory", item=source, remedy="lower max_megapixels") from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(str(error), item=source, remedy="raise PIL.Image.MAX_IMAGE_PIXELS") from error
    except Exception as error:  # decoders raise all kinds on damaged bytes, and one file must not end a run
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptImage(f"cannot be decoded: {reason}", item=source) from error
