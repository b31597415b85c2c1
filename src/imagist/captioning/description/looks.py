"""The parts of an image that a captioner is shown, and what it said of each.

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

MARGIN = 0.1  # of a region's sides, added all around: what is pointed at is drawn tightly
TRIM = 0.08  # cut off each side for a second look at a whole
LONG = 1.25  # long side over short side from which a part is looked at in its own proportions, too
PEAKS = 3  # most nouns that get a look of their own
PEAK_SIDE = 0.4  # smallest side of such a look
ASIDE = 0.07  # from the middle, as a share of the image: what is further off is on one side
SMALLEST = 32  # pixels a side: smaller parts show a captioner nothing that the whole does not
PEAK_LEVEL = 0.5  # of the highest cell: what is part of the peak

# Overlapping, so that what is at an edge of one is whole in another.
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


Look = tuple[Photo, Box]
"""An image for the captioner, and what part of the photo it shows."""


@dataclass(frozen=True, eq=False)
class Saying:
    """One hypothesis about one part of an image.

    Attributes:
        clause: Its chunks.
        text: Itself.
        logprob: Sum of natural log-probabilities, <= 0.
        share: Of the probability of all hypotheses about that part that are known, 0 to 1.
        box: The part.
    """

    clause: Clause
    text: str
    logprob: float
    share: float
    box: Box

    @property
    def per_word(self) -> float:
        """Log-probability a word, the end of the sentence counted as one."""
        return self.logprob / (len(self.text.split()) + 1)


def sayings(caption: Caption, box: Box) -> list[Saying]:
    """The n best of a caption, the caption first, each once; empty ones are left out."""
    found = {caption.text: caption.logprob}
    for hypothesis in caption.nbest:
        found.setdefault(hypothesis.text, hypothesis.logprob)
    best = max(found.values())
    weights = {text: math.exp(logprob - best) for text, logprob in found.items()}
    total = sum(weights.values())
    return [
        Saying(parse(text), text, logprob, weights[text] / total, box)
        for text, logprob in found.items()
        if text.strip()
    ]


def wholes(photo: Photo, region: Box | None) -> list[Look]:
    """The looks at the whole, or at a region of it with a little margin.

    The plain one, one in its own proportions where it is far from square, and one that is trimmed all around.
    """
    box = WHOLE if region is None else widened(region)
    plain = photo if region is None else part(photo, box)
    found = [(plain, box)]
    short, long = sorted(plain.pixels.shape[:2])
    if long >= LONG * short:
        found.append((Photo(letterbox(plain.pixels, long)[0], photo.source), box))
    return [*found, (part(photo, trimmed(box)), trimmed(box))]


def trimmed(box: Box) -> Box:
    """A box less `TRIM` on each side."""
    return within((TRIM, TRIM, 1 - TRIM, 1 - TRIM), box)


def parts(photo: Photo, region: Box | None) -> list[Look]:
    """The looks at `PARTS` of the whole, or of a region."""
    outer = WHOLE if region is None else widened(region)
    return _large(photo, [within(box, outer) for box in PARTS])


def peaks(photo: Photo, caption: Caption, outer: Box) -> list[Look]:
    """The looks at where the captioner looked for the nouns of its caption; none where it has no attention.

    Args:
        photo: The photo.
        caption: Of the part of it that ``outer`` is.
        outer: What the attention maps lie over.
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
    return _large(photo, [within(box, outer) for box in found[:PEAKS]])


def _large(photo: Photo, boxes: Sequence[Box]) -> list[Look]:
    cut = [(part(photo, box), box) for box in boxes]
    return [(pixels, box) for pixels, box in cut if min(pixels.pixels.shape[:2]) >= SMALLEST]


def peak(cells: Array) -> Box:
    """Where one word's attention ``[h, w]`` is: the cells around the highest that are at least half as high.

    Rows and columns are followed from the highest cell for as long as they hold one such cell.
    """
    highest = np.unravel_index(int(cells.argmax()), cells.shape)
    high = cells >= PEAK_LEVEL * cells.max()
    (y0, y1), (x0, x1) = (_span(high.any(1 - axis), int(highest[axis])) for axis in (0, 1))
    return x0, y0, x1, y1


def _span(high: Bools, at: int) -> tuple[float, float]:
    """From and to, as fractions, of the run of true cells that ``at`` is in; at least `PEAK_SIDE` long."""
    low = np.flatnonzero(~high)
    first, last = max([-1, *low[low < at]]) + 1, min([len(high), *low[low > at]])
    start, stop = first / len(high), last / len(high)
    more = max(0.0, PEAK_SIDE - (stop - start)) / 2
    start = min(max(0.0, start - more), 1 - PEAK_SIDE)
    return float(start), float(min(1.0, max(stop + more, start + PEAK_SIDE)))


def widened(region: Box) -> Box:
    """A region with `MARGIN` around it, as far as the image goes."""
    x0, y0, x1, y1 = region
    across, down = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return max(0.0, x0 - across), max(0.0, y0 - down), min(1.0, x1 + across), min(1.0, y1 + down)


def within(box: Box, outer: Box) -> Box:
    """A box that is given as fractions of another one, as fractions of the image."""
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    x0, y0, x1, y1 = box
    return outer[0] + x0 * width, outer[1] + y0 * height, outer[0] + x1 * width, outer[1] + y1 * height


def part(photo: Photo, box: Box) -> Photo:
    """The pixels of a box, without a copy; at least one. Named after the box, for it is not the photo."""
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
    """Where something is that was seen in these boxes, such as ``on the left``; empty where that is not clear.

    The mean of their centres counts, so that what was seen on both sides is on neither.
    """
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    x = sum((box[0] + box[2]) / 2 - outer[0] for box in boxes) / len(boxes) / width
    y = sum((box[1] + box[3]) / 2 - outer[1] for box in boxes) / len(boxes) / height
    side = "left" if x < 0.5 - ASIDE else "right" if x > 0.5 + ASIDE else ""
    if y > 0.5 + ASIDE:
        return f"at the bottom {side}" if side else "in the foreground"
    if y < 0.5 - ASIDE:
        return f"at the top {side}" if side else "at the top"
    return f"on the {side}" if side else ""
