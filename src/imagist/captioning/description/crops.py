"""The crops of an image that a captioner describes, and its hypotheses about each.

Shapes: H, W the photo's height and width in pixels; T words; h, w cells of an attention map. Boxes are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Array, Bools
from imagist.captioning.description import english
from imagist.captioning.description.chunker import parse
from imagist.captioning.description.chunks import Clause
from imagist.captioning.description.record import WHOLE, Box
from imagist.images.views import letterbox
from imagist.records import Caption, Photo

MARGIN = 0.1  # added around a region, as a share of its sides
TRIMMED = 0.08  # cut off each side for a second crop of the whole
LONG = 1.25  # ratio of the sides from which an image is also shown letterboxed
PEAKS = 3  # most nouns that get a crop of their own
PEAK_SIDE = 0.4  # smallest side of such a crop
CENTRE = 0.07  # distance from the middle, as a share of the image, up to which a thing is on no side
SMALLEST = 32  # pixels a side of the smallest crop
PEAK_LEVEL = 0.5  # share of the highest attention that a cell of the peak has at least

# They overlap, so that a thing at an edge of one is whole in another.
PARTS: tuple[Box, ...] = (
    (0.0, 0.0, 0.6, 1.0),
    (0.4, 0.0, 1.0, 1.0),
    (0.0, 0.0, 1.0, 0.6),
    (0.0, 0.4, 1.0, 1.0),
    (0.2, 0.2, 0.8, 0.8),
    (0.0, 0.0, 0.6, 0.6),
    (0.4, 0.0, 1.0, 0.6),
    (0.0, 0.4, 0.6, 1.0),
    (0.4, 0.4, 1.0, 1.0),
)


Crop = tuple[Photo, Box]
"""A cropped photo, and its box in the original."""


@dataclass(frozen=True, eq=False)
class CropHypothesis:
    """One hypothesis about one crop.

    Attributes:
        clause: The parsed text.
        text: The hypothesis.
        logprob: Sum of natural log-probabilities, <= 0.
        share: Its probability over the sum of all hypotheses about that crop, 0 to 1.
        box: Of the crop.
    """

    clause: Clause
    text: str
    logprob: float
    share: float
    box: Box

    @property
    def per_word(self) -> float:
        """Log-probability a word, counting the end of the sentence as one."""
        return self.logprob / (len(self.text.split()) + 1)


def hypotheses_of(caption: Caption, box: Box) -> list[CropHypothesis]:
    """The different hypotheses of a caption, the caption first; empty ones are left out."""
    found = {caption.text: caption.logprob}
    for hypothesis in caption.nbest:
        found.setdefault(hypothesis.text, hypothesis.logprob)
    best = max(found.values())
    weights = {text: math.exp(logprob - best) for text, logprob in found.items()}
    total = sum(weights.values())
    return [
        CropHypothesis(parse(text), text, logprob, weights[text] / total, box)
        for text, logprob in found.items()
        if text.strip()
    ]


def whole_crops(photo: Photo, region: Box | None) -> list[Crop]:
    """The crops of the whole image, or of a region with its margin.

    The plain one, a letterboxed one if it is far from square, and one trimmed on all sides.
    """
    box = WHOLE if region is None else widened(region)
    plain = photo if region is None else crop(photo, box)
    found = [(plain, box)]
    short, long = sorted(plain.pixels.shape[:2])
    if long >= LONG * short:
        found.append((Photo(letterbox(plain.pixels, long)[0], photo.source), box))
    return [*found, (crop(photo, trimmed(box)), trimmed(box))]


def trimmed(box: Box) -> Box:
    """A box without `TRIMMED` on each side."""
    return within((TRIMMED, TRIMMED, 1 - TRIMMED, 1 - TRIMMED), box)


def part_crops(photo: Photo, region: Box | None) -> list[Crop]:
    """The crops at `PARTS` of the whole image or of a region."""
    outer = WHOLE if region is None else widened(region)
    return _cropped(photo, [within(box, outer) for box in PARTS])


def attention_crops(photo: Photo, caption: Caption, outer: Box) -> list[Crop]:
    """The crops around the attention peaks of a caption's nouns; none for a captioner without attention.

    Args:
        photo: The photo.
        caption: Of the crop ``outer``.
        outer: The box that the attention maps cover.
    """
    if caption.attention is None:
        return []
    heads = {noun.head[-1] for noun in parse(caption.text).nouns}
    found: list[Box] = []
    for word, cells in zip(caption.tokens, caption.attention, strict=False):
        if word in heads and english.is_content(word) and english.stem(word) not in english.UNPLACED:
            box = peak(cells)
            if all(overlap(box, other) < 0.5 for other in found) and box != WHOLE:
                found.append(box)
    return _cropped(photo, [within(box, outer) for box in found[:PEAKS]])


def _cropped(photo: Photo, boxes: Sequence[Box]) -> list[Crop]:
    cut = [(crop(photo, box), box) for box in boxes]
    return [(pixels, box) for pixels, box in cut if min(pixels.pixels.shape[:2]) >= SMALLEST]


def peak(cells: Array) -> Box:
    """The box of one word's attention ``[h, w]``: the cells around the highest with at least `PEAK_LEVEL` of its value.

    It includes the neighbouring rows and columns that contain such a cell.
    """
    highest = np.unravel_index(int(cells.argmax()), cells.shape)
    high = cells >= PEAK_LEVEL * cells.max()
    (y0, y1), (x0, x1) = (_span(high.any(1 - axis), int(highest[axis])) for axis in (0, 1))
    return x0, y0, x1, y1


def _span(high: Bools, at: int) -> tuple[float, float]:
    """Start and end, as fractions, of the run of true cells around ``at``; at least `PEAK_SIDE` long."""
    low = np.flatnonzero(~high)
    first, last = max([-1, *low[low < at]]) + 1, min([len(high), *low[low > at]])
    start, stop = first / len(high), last / len(high)
    more = max(0.0, PEAK_SIDE - (stop - start)) / 2
    start = min(max(0.0, start - more), 1 - PEAK_SIDE)
    return float(start), float(min(1.0, max(stop + more, start + PEAK_SIDE)))


def widened(region: Box) -> Box:
    """A region with `MARGIN` around it, clipped to the image."""
    x0, y0, x1, y1 = region
    across, down = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return max(0.0, x0 - across), max(0.0, y0 - down), min(1.0, x1 + across), min(1.0, y1 + down)


def within(box: Box, outer: Box) -> Box:
    """Converts a box from fractions of ``outer`` to fractions of the image."""
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    x0, y0, x1, y1 = box
    return outer[0] + x0 * width, outer[1] + y0 * height, outer[0] + x1 * width, outer[1] + y1 * height


def crop(photo: Photo, box: Box) -> Photo:
    """The pixels of a box, at least one, without a copy. The source names the box."""
    height, width = photo.pixels.shape[:2]
    left, top = min(math.floor(box[0] * width), width - 1), min(math.floor(box[1] * height), height - 1)
    right, bottom = max(left + 1, math.ceil(box[2] * width)), max(top + 1, math.ceil(box[3] * height))
    edges = ",".join(f"{edge:.3g}" for edge in box)
    return Photo(photo.pixels[top:bottom, left:right], f"{photo.source}#{edges}")


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down / max(areas - across * down, 1e-12)


def position(boxes: Sequence[Box], outer: Box) -> str:
    """The position of a thing found in these boxes, such as ``on the left``, by the mean of their centres.

    Empty near the middle, and so also for a thing found on both sides.
    """
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    x = sum((box[0] + box[2]) / 2 - outer[0] for box in boxes) / len(boxes) / width
    y = sum((box[1] + box[3]) / 2 - outer[1] for box in boxes) / len(boxes) / height
    side = "left" if x < 0.5 - CENTRE else "right" if x > 0.5 + CENTRE else ""
    if y > 0.5 + CENTRE:
        return f"at the bottom {side}" if side else "in the foreground"
    if y < 0.5 - CENTRE:
        return f"at the top {side}" if side else "at the top"
    return f"on the {side}" if side else ""
