import importlib
import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from imagist.errors import (
    CorruptImage,
    DecodeTimeout,
    EmptyFile,
    ImageTooLarge,
    ItemError,
    UnknownFormat,
)
from imagist.images.decode import DecodeLimits, decode, from_image

DECODE = importlib.import_module("imagist.images.decode")  # the package has a function of that name
RED, GREEN, BLUE = (254, 0, 0), (0, 128, 1), (0, 0, 254)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def made_image(width: int = 48, height: int = 32, mode: str = "RGB") -> Image.Image:
    """Smooth, with different corners, so that turning and mirroring show."""
    corners = np.array([[RED, GREEN], [BLUE, (250, 250, 250)]], np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR).convert(mode)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


LOSSLESS = [
    ("PNG", {}),
    ("BMP", {}),
    ("PPM", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", {"tile": (16, 16)}),
    ("TIFF", {"big_tiff": True}),
    ("WEBP", {"lossless": True}),
    ("JPEG2000", {}),
    ("JPEG2000", {"no_jp2": True}),
    ("PNG", {"interlace": 1}),
]
LOSSY = [
    ("JPEG", {"quality": 95}),
    ("JPEG", {"progressive": True}),
    ("MPO", {}),
    ("WEBP", {}),
    ("AVIF", {"speed": 10}),
    ("GIF", {}),
]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_keep_every_pixel(kind, options):
    photo = decode(encoded(made_image(), kind, **options))
    np.testing.assert_array_equal(photo.pixels, np.asarray(made_image()))
    assert photo.size == (48, 32)


@pytest.mark.parametrize(("kind", "options"), LOSSY)
def test_lossy_formats_stay_near(kind, options):
    photo = decode(encoded(made_image(), kind, **options))
    assert photo.pixels.shape == (32, 48, 3)
    assert distance(photo.pixels, np.asarray(made_image())) < 8


def test_heic_where_it_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(made_image(64, 64)).save(file, quality=90)
    assert distance(decode(file.getvalue()).pixels, np.asarray(made_image(64, 64))) < 8


def test_heic_where_it_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnknownFormat, match=r"pip install 'imagist\[heic\]'"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


def test_pixels_are_read_only_and_the_source_is_kept():
    photo = decode(encoded(made_image(), "PNG"), source="holiday.png")
    assert photo.source == "holiday.png"
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(made_image(), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    photo = decode(content)
    assert photo.size == expected.size
    assert distance(photo.pixels, np.asarray(expected.convert("RGB"))) < 1
    assert (photo.pixels.shape[1] > photo.pixels.shape[0]) == (orientation < 5)


def test_size_of_a_turned_and_scaled_image_is_upright_and_full():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(made_image(1600, 1200), "JPEG", exif=exif)
    photo = decode(content, limits=DecodeLimits(work_side=150))
    assert photo.size == (1200, 1600)
    assert photo.pixels.shape == (200, 150, 3)


@pytest.mark.parametrize("exif", [b"Exif\0\0junk", b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_a_broken_exif_block_does_not_cost_the_image(exif):
    assert decode(encoded(made_image(), "JPEG", exif=exif)).size == (48, 32)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("L", "JPEG"), ("L", "JPEG2000"), ("P", "BMP"), ("P", "TIFF"), ("YCbCr", "TIFF")],
)
def test_modes_become_rgb(mode, kind):
    image = made_image(mode=mode)
    assert distance(decode(encoded(image, kind)).pixels, np.asarray(image.convert("RGB"))) < 3


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")])
def test_transparency_becomes_white(mode, kind):
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 10, 10))
    pixels = decode(encoded(image.convert(mode), kind)).pixels
    assert pixels[:, :9].max() < 8
    assert pixels[:, 11:].min() > 247


@pytest.mark.parametrize("mode", ["RGBA", "LA", "La", "RGBa", "PA"])
def test_modes_with_alpha_are_mixed_with_white(mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    image = image.convert("LA").convert("La") if mode == "La" else image.convert(mode)
    assert abs(int(from_image(image).pixels.mean()) - 127) <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(kind):
    image = Image.new("P", (20, 10), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (10, 0, 20, 10))
    pixels = decode(encoded(image, kind, transparency=0)).pixels
    assert (pixels[0, 0] == 255).all()
    assert pixels[0, 15].tolist() == [255, 0, 0]


def test_palette_with_a_share_of_alpha():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0])
    assert abs(int(decode(encoded(image, "PNG", transparency=bytes([64]))).pixels[0, 0, 0]) - 191) <= 1


def test_a_transparent_colour_of_rgb_becomes_white():
    assert decode(encoded(Image.new("RGB", (4, 4), RED), "PNG", transparency=RED)).pixels.min() == 255


def test_cmyk_of_adobe_is_not_inverted():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red = decode(encoded(image, "JPEG", quality=95)).pixels.mean(axis=(0, 1))
    assert red[0] > 230
    assert red[1:].max() < 40


def test_lab_becomes_rgb():
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    image = made_image()
    content = encoded(ImageCms.applyTransform(image, to_lab), "TIFF")
    assert distance(decode(content).pixels, np.asarray(image)) < 3


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 65535), (np.uint16, 4095), (np.uint16, 255), (np.int32, 65535)])
def test_deep_greys_are_scaled_by_their_depth(dtype, top):
    grey = np.linspace(0, top, 64).astype(dtype).reshape(8, 8)
    photo = decode(encoded(Image.fromarray(grey), "TIFF"))
    np.testing.assert_allclose(photo.pixels[..., 0], np.linspace(0, 255, 64).reshape(8, 8), atol=1)


def test_a_dark_deep_grey_stays_dark():
    grey = np.full((8, 8), 3000, np.uint16)  # of 4095
    assert abs(int(decode(encoded(Image.fromarray(grey), "PNG")).pixels[0, 0, 0]) - 187) <= 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 128.0, 255.0], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, np.nan, 1.0], [0, 0, 255]),
        ([-np.inf, 0.0, np.inf], [0, 0, 255]),
        ([0.0, 0.0, 1e30], [0, 0, 255]),
    ],
)
def test_floats_are_scaled_by_their_range(values, expected):
    image = Image.fromarray(np.array([values], np.float32))
    np.testing.assert_allclose(decode(encoded(image, "TIFF")).pixels[0, :, 0], expected, atol=1)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_first_frame_of_several_is_taken(kind):
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode(content).pixels.mean(axis=(0, 1)), RED, atol=12)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_large_images_are_scaled_to_the_working_side(kind):
    image = made_image(900, 600)
    photo = decode(encoded(image, kind), limits=DecodeLimits(work_side=100))
    assert photo.pixels.shape == (100, 150, 3)
    assert photo.size == (900, 600)
    expected = image.resize((150, 100), Image.Resampling.BICUBIC, reducing_gap=2.0)
    assert distance(photo.pixels, np.asarray(expected)) < 2


def test_small_images_are_not_enlarged():
    assert decode(encoded(made_image(3, 2), "PNG")).pixels.shape == (2, 3, 3)


def test_a_image_is_scaled_alike_in_bands_and_in_one_go(monkeypatch):
    content = encoded(made_image(801, 533, "RGBA"), "PNG")
    limits = DecodeLimits(work_side=64)
    whole = decode(content, limits=limits)
    monkeypatch.setattr("imagist.images.flatten._BAND_PIXELS", 801 * 10)
    np.testing.assert_array_equal(decode(content, limits=limits).pixels, whole.pixels)


def test_bands_keep_every_pixel_where_nothing_is_scaled(monkeypatch):
    monkeypatch.setattr("imagist.images.flatten._BAND_PIXELS", 100)
    np.testing.assert_array_equal(decode(encoded(made_image(), "PNG")).pixels, np.asarray(made_image()))


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 1000))
def test_working_size(width, height, side):
    out = DecodeLimits(work_side=side).work_size((width, height))
    assert all(1 <= new <= old for new, old in zip(out, (width, height), strict=True))
    assert min(out) <= side
    assert max(out) <= 8 * side
    if min(width, height) <= side and max(width, height) <= 8 * side:
        assert out == (width, height)


def test_extreme_proportions_are_bounded():
    photo = decode(encoded(Image.new("L", (1, 20_000)), "PNG"))
    assert photo.pixels.shape == (5120, 1, 3)
    assert photo.size == (1, 20_000)


def test_zero_bytes():
    with pytest.raises(EmptyFile, match=r"^a\.jpg: "):
        decode(b"", source="a.jpg")


def test_too_many_bytes():
    with pytest.raises(ImageTooLarge, match="over the limit of") as caught:
        decode(encoded(made_image(), "PNG"), source="a.png", limits=DecodeLimits(max_bytes=100))
    assert caught.value.item == "a.png"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF"])
def test_too_many_megapixels_by_the_header(kind, monkeypatch):
    content = encoded(made_image(200, 100), kind)
    monkeypatch.setattr(DECODE, "flatten", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageTooLarge, match=r"200 x 100 is 0\.0 megapixels"):
        decode(content, limits=DecodeLimits(max_megapixels=0.019))


def test_pixels_of_costly_formats_count_for_more():
    limits = DecodeLimits(max_megapixels=0.03)
    assert decode(encoded(made_image(200, 100), "PNG"), limits=limits).size == (200, 100)
    with pytest.raises(ImageTooLarge, match="of WebP, which count 2 times"):
        decode(encoded(made_image(200, 100), "WEBP"), limits=limits)


def test_what_pillow_itself_holds_for_a_bomb():
    bomb = b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + b","
    bomb += struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x01\0\0;"
    with pytest.raises(ImageTooLarge):
        decode(bomb)


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"8BPS\0\1" + bytes(50), "PSD"),
        (b"%PDF-1.7", "PDF"),
        (b"icns\0\0\0\x08", "ICNS"),
    ],
)
def test_refused_formats_are_named(content, looks):
    with pytest.raises(UnknownFormat, match=f"type {looks} is not decoded.*AVIF.*JPEG.*WebP"):
        decode(content)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><p>", b"\n <HTML lang=en>", b"\xef\xbb\xbf<head>"])
def test_pages_have_a_remedy(content):
    with pytest.raises(UnknownFormat, match=r"a page \(HTML\), not an image \(give the image itself"):
        decode(content)


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (
            b"PK\3\4" + bytes(50),
            r"ZIP is not an image \(unpack it; .* named \.zip\)",
        ),
        (bytes(257) + b"ustar" + bytes(99), r"TAR is not an image \(unpack it; .* named \.tar\)"),
        (b"7z\xbc\xaf'\x1c", r"7z is not an image \(unpack it\)"),
    ],
)
def test_archives_have_a_remedy(content, remedy):
    with pytest.raises(UnknownFormat, match=remedy):
        decode(content)


def test_no_image_at_all():
    with pytest.raises(UnknownFormat, match="not an image"):
        decode(b"hello, world")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "PPM", "TIFF", "JPEG2000", "AVIF"])
def test_truncated(kind):
    content = encoded(made_image(200, 160), kind)
    with pytest.raises(CorruptImage, match=r"^half: cannot be decoded"):
        decode(content[: len(content) // 2], source="half")


def test_out_of_memory_is_an_error_of_the_image(monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(DECODE, "flatten", no_memory)
    with pytest.raises(ImageTooLarge, match="out of memory"):
        decode(encoded(made_image(), "PNG"))


def test_a_progressive_jpeg_with_endless_scans_is_refused(monkeypatch):
    content = encoded(made_image(64, 64), "JPEG", progressive=True)
    monkeypatch.setattr(DECODE, "_SCAN_MEGAPIXELS", 64 * 64 * 11 / 1e6)
    assert decode(content).size == (64, 64)
    header = content.rindex(b"\xff\xda")
    scan = content[header : header + 2 + int.from_bytes(content[header + 2 : header + 4], "big")]
    with pytest.raises(CorruptImage, match="scans is not decoded"):
        decode(content[:-2] + 5 * (scan + b"\0") + content[-2:])


def test_one_scan_of_baseline_jpeg_needs_no_search(monkeypatch):
    content = encoded(made_image(64, 64), "JPEG") + b"\xff\xda" * 100
    monkeypatch.setattr(DECODE, "_SCAN_MEGAPIXELS", 0)
    assert decode(content).size == (64, 64)


def test_a_parser_that_reads_for_ever_is_ended():
    with pytest.raises(DecodeTimeout, match="processor time"):
        decode(b"\xff\xd8" + b"\xff" * 10_000_000, limits=DecodeLimits(timeout_s=0.01))


def test_a_pillow_image_is_not_changed():
    image = made_image(mode="RGBA")
    before = image.tobytes(), image.size, image.mode
    from_image(image, limits=DecodeLimits(work_side=10))
    assert (image.tobytes(), image.size, image.mode) == before


def test_a_damaged_pillow_image():
    content = encoded(made_image(200, 160), "PNG")
    with Image.open(io.BytesIO(content[:300])) as image, pytest.raises(ItemError):
        from_image(image)


def test_importing_imagist_needs_no_pillow_and_images_needs_no_pyarrow():
    code = "import sys, imagist; print('PIL' in sys.modules); import imagist.images; print('pyarrow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_a_pillow_image_without_pixels():
    with pytest.raises(CorruptImage):
        from_image(Image.new("RGB", (0, 5)))
