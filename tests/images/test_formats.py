import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import CorruptImage
from imagist.images.formats import FORMATS, has_image_suffix, recognise


def tiff(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + b"".join(struct.pack(order + "HHII", *entry) for entry in entries) + bytes(4)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"P6\n1 1", "PPM"),
        (b"\xff\x4f\xff\x51\0", "JPEG 2000"),
    ],
)
def test_formats_are_known_by_their_first_bytes(content, name):
    known = recognise(content)
    assert known is not None
    assert known.name == name


@pytest.mark.parametrize("content", [b"", b"P6x", b"P9 1 1", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypisom", b"GIF88a"])
def test_others_are_not(content):
    assert recognise(content) is None


@given(st.binary(max_size=64))
def test_any_bytes_can_be_asked_about(content):
    recognise(content)
    for prefix in (b"\0\0\xff\xffftyp", b"RIFF1234WEBPVP8X"):
        recognise(prefix + content)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_sane_tiff_header_passes(order):
    FORMATS["TIFF"].peek(tiff((256, 4, 1, 10), (273, 4, 1000, 8), (37724, 7, 2**31, 8), order=order))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_with_endless_strips_is_refused(order):
    with pytest.raises(CorruptImage, match=r"10,000,000 numbers \(tag 273\)"):
        FORMATS["TIFF"].peek(tiff((256, 4, 1, 10), (273, 4, 10_000_000, 8), order=order))


def test_a_tiff_with_vast_tiles_is_refused():
    with pytest.raises(CorruptImage, match="tiles of 100000 x 60000"):
        FORMATS["TIFF"].peek(tiff((322, 4, 1, 100_000), (323, 3, 1, 60_000)))


@given(st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM*\0"]), st.binary(max_size=200))
def test_any_tiff_header_passes_or_is_refused(magic, rest):
    with contextlib.suppress(CorruptImage):
        FORMATS["TIFF"].peek(magic + rest)


def test_the_canvas_of_an_extended_webp():
    header = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (9).to_bytes(3, "little") + (4).to_bytes(3, "little")
    assert FORMATS["WebP"].peek(header) == (10, 5)
    assert FORMATS["WebP"].peek(header[:20]) is None


def test_suffixes_in_any_case_and_refused_ones_too():
    assert all(has_image_suffix(name) for name in ("a.jpg", "b.JPEG", "c.Png", "d.psd", "e.f.CR2"))
    assert not any(has_image_suffix(name) for name in ("a.txt", "jpg", "a.jpg.json", "a"))
