"""From any mode of Pillow to RGB on white, scaled down in the same pass.

A large image is converted in bands, so that no second copy of it is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from imagist.arrays import AnyArray, Pixels

Size = tuple[int, int]

_WIDE = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}  # more than 8 bits a sample
_BAND_PIXELS = 4_000_000
_REDUCING_GAP = 2  # box averages first, then a bicubic filter for at least this factor


def flatten(image: Image.Image, target: Size) -> Image.Image:
    """RGB on white, scaled down to ``target`` ``(width, height)``, which is not larger than the image.

    16-bit and 32-bit samples are scaled by the smallest depth that holds them (8, 10, 12, 14 or 16 bits, or 0 to 1 for
    floats), or by their range where none does.
    """
    span = _span(image) if image.mode in _WIDE else None
    factor = max(1, min(image.width // target[0], image.height // target[1]) // _REDUCING_GAP)
    if factor == 1 and image.width * image.height <= _BAND_PIXELS:
        small = _rgb(image, span)
    else:
        small = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
        for top, band in _bands(image, multiple_of=factor):
            small.paste(_rgb(band, span).reduce(factor), (0, top // factor))
    if small.size == target:
        return small
    box = (0, 0, image.width / factor, image.height / factor)
    return small.resize(target, Image.Resampling.BICUBIC, box=box)


def _bands(image: Image.Image, multiple_of: int = 1) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _BAND_PIXELS // image.width // multiple_of) * multiple_of
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _rgb(image: Image.Image, span: tuple[float, float] | None) -> Image.Image:
    if span is not None:
        return Image.fromarray(_to_bytes(np.asarray(image), span)).convert("RGB")
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _span(image: Image.Image) -> tuple[float, float]:
    """The sample values that become black and white."""
    ends = [_finite_ends(np.asarray(band)) for _, band in _bands(image)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if low < 0:
        return low, high
    depths = (1.0,) if image.mode == "F" else ()
    return 0.0, next((top for top in (*depths, 255.0, 1023.0, 4095.0, 16383.0, 65535.0) if high <= top), high)


def _finite_ends(values: AnyArray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _to_bytes(values: AnyArray, span: tuple[float, float]) -> Pixels:
    low, high = span
    with np.errstate(all="ignore"):  # floats may be anything
        shares = (values.astype(np.float64) - low) / max(high - low, 1e-300)
        pixels: Pixels = np.nan_to_num(shares.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels
