"""No bytes whatever crash, hang, flood or warn: they end as a Photo or an ItemError."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagist.errors import CorruptImage, ItemError
from imagist.images.decode import decode
from imagist.records import Photo

DECODE = importlib.import_module("imagist.images.decode")  # the package has a function of that name


def _encode(kind: str, mode: str = "RGB", **options: object) -> bytes:
    ramp = np.arange(24 * 20 * 3, dtype=np.uint8).reshape(20, 24, 3)
    file = io.BytesIO()
    Image.fromarray(ramp).convert(mode).save(file, kind, **options)
    return file.getvalue()


VALID = {
    "jpeg": _encode("JPEG"),
    "jpeg-progressive": _encode("JPEG", progressive=True),
    "jpeg-cmyk": _encode("JPEG", "CMYK"),
    "jpeg-exif": _encode("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
    "mpo": _encode("MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "png": _encode("PNG", "RGBA"),
    "png-16": _encode("PNG", "I;16"),
    "png-palette": _encode("PNG", "P", transparency=0),
    "apng": _encode("PNG", save_all=True, append_images=[Image.new("RGB", (24, 20))] * 2),
    "gif": _encode("GIF", save_all=True, append_images=[Image.new("RGB", (24, 20))] * 2),
    "webp": _encode("WEBP", "RGBA"),
    "webp-lossless": _encode("WEBP", lossless=True),
    "webp-animated": _encode("WEBP", save_all=True, append_images=[Image.new("RGB", (24, 20))] * 2),
    "avif": _encode("AVIF", speed=10),
    "bmp": _encode("BMP"),
    "ppm": _encode("PPM"),
    "jp2": _encode("JPEG2000"),
    "j2k": _encode("JPEG2000", no_jp2=True, tile_size=(8, 8)),
    "tiff": _encode("TIFF"),
    "tiff-lzw": _encode("TIFF", compression="tiff_lzw"),
    "tiff-jpeg": _encode("TIFF", compression="jpeg"),
    "tiff-g4": _encode("TIFF", "1", compression="group4"),
    "tiff-float": _encode("TIFF", "F"),
    "tiff-lab": _encode("TIFF", "LAB"),
    "tiff-tiled": _encode("TIFF", tile=(16, 16)),
}


def photo_or_error(content: bytes) -> Photo | ItemError:
    try:
        return decode(content, source="x")
    except ItemError as raised:
        error = raised
    assert error.item == "x"
    assert str(error).startswith("x: ")
    return error


@pytest.mark.parametrize("name", VALID)
def test_the_files_to_be_damaged_are_valid(name):
    assert decode(VALID[name]).size == ((20, 24) if name == "jpeg-exif" else (24, 20))


@given(st.binary(max_size=300))
def test_random_bytes(content):
    assert isinstance(photo_or_error(content), ItemError)


@given(st.sampled_from(sorted({content[:24] for content in VALID.values()})), st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_after_a_valid_start(start, rest):
    photo_or_error(start + rest)


@given(st.sampled_from(sorted(VALID)), st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_truncations(name, share):
    content = VALID[name]
    photo_or_error(content[: int(share * len(content))])


@given(
    st.sampled_from(sorted(VALID)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
@settings(deadline=None, max_examples=600)
def test_changed_bytes(name, changes):
    content = bytearray(VALID[name])
    for share, byte in changes:
        content[int(share**2 * len(content))] = byte  # mostly in the header
    photo_or_error(bytes(content))


def test_whatever_a_decoder_raises_is_typed(monkeypatch):
    for failure in (RecursionError("deep"), AttributeError("None"), KeyError("x"), SystemError("error return")):

        def fail(*_, failure=failure):
            raise failure

        monkeypatch.setattr(DECODE, "flatten", fail)
        assert isinstance(photo_or_error(VALID["png"]), CorruptImage)


# One process for all files of the folder: half the memory that is allowed, every warning an error, and an alarm that
# kills it where a file does not end. It prints the name before and "ok" after each.
_CHILD = """
import resource, signal, sys, warnings
from pathlib import Path
from imagist.errors import ItemError
from imagist.images.decode import DecodeLimits, decode

warnings.simplefilter("error")
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path.name, end=" ", flush=True)
    signal.alarm(60)
    content = path.read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    try:
        decode(content)
    except ItemError:
        pass
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    print("ok" if spent < 5 else f"took {spent} s", flush=True)
"""


def run_apart(folder: Path) -> list[str]:
    """What the child says of each file; fails where it dies or anything reaches stderr."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", _CHILD, str(folder)], capture_output=True, text=True, env=environment
    )
    assert (child.returncode, child.stderr) == (0, ""), child.stdout[-500:]
    return child.stdout.splitlines()


@pytest.mark.data
def test_the_hostile_folder():
    if "IMAGIST_DATA" not in os.environ:
        pytest.skip("IMAGIST_DATA is not set")
    folder = Path(os.environ["IMAGIST_DATA"]) / "hostile"
    said = run_apart(folder)
    assert [line for line in said if not line.endswith(" ok")] == []
    assert len(said) == len(list(folder.iterdir()))


def test_bombs_of_our_own(tmp_path):
    """Small files that ask for gigabytes or hours."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\x15\x4a" + b"".join(
        tag.to_bytes(2, "big") + b"\0\2" + (65_000).to_bytes(4, "big") + bytes(4) for tag in range(5450)
    )
    segments = (
        b"\xff\xe1"
        + (len(exif) + 2).to_bytes(2, "big")
        + exif
        + (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)) * 50
    )
    bombs = {
        "exif.jpg": VALID["jpeg"][:2] + segments + VALID["jpeg"][2:],
        "strips.tif": b"II*\0\x08\0\0\0\1\0\x11\1\4\0\0\0\0\1\x08\0\0\0" + bytes(1 << 24),
        "tags.tif": b"II*\0\x08\0\0\0\xff\xff"
        + b"".join(tag.to_bytes(2, "little") + b"\2\0\0\0\x0a\0\x08\0\0\0" for tag in range(65_535)),
        "canvas.webp": b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0" + b"\xff" * 6 + bytes(200),
        "markers.jpg": b"\xff\xd8" + b"\xff" * (4 << 20),
        "comments.gif": b"GIF89a\x0a\0\x0a\0\0\0\0" + b"!\xfe\1a\0" * (1 << 18) + b";",
        "plain.ppm": b"P3 5000 5000 255\n" + b"1 " * (1 << 20),
        "j2k.jp2": VALID["j2k"].replace((24).to_bytes(4, "big"), b"\0\1\0\0"),
    }
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    assert [line for line in run_apart(tmp_path) if not line.endswith(" ok")] == []


def test_nothing_is_printed_by_libtiff(capfd):
    content = VALID["tiff-lzw"]
    for cut in range(8, len(content), 97):
        with contextlib.suppress(ItemError):
            decode(content[:cut] + b"\xff" * (len(content) - cut))
    with contextlib.suppress(ItemError):
        decode(VALID["tiff-g4"].replace(VALID["tiff-g4"][8:20], b"\x5a" * 12))
    assert capfd.readouterr().err == ""
