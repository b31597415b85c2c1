"""The explanation of one photo as a single image.

Shapes: n content words; G cells a side of the grid; h, w cells of an attention map; W, H a panel's size in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imagist.arrays import Array, Bools, Floats
from imagist.explanation import Explanation, Region, Word
from imagist.explanation.record import probability
from imagist.explanation.words import words_of
from imagist.records import Photo
from imagist.report.attention import FAINT, INK, MARGIN, PAPER, TEXT, fit, overlaid, wrapped
from imagist.report.explanation import sentences
from imagist.report.formatting import text_weight

PANEL = 270  # a panel's width, and its greatest height, in pixels
COLUMNS = 4
WIDTH = COLUMNS * (PANEL + MARGIN) - MARGIN
OUTSIDE = 0.5  # brightness outside of a word's region
MOST_WORDS = 8  # panels, for the words with the strongest evidence
HEADING, SMALL = 30, 16  # font sizes, in pixels
FOR, AGAINST, JOINT = (200, 116, 42), (47, 127, 184), (77, 63, 153)

# Evidence against the category is blue, parts without effect are dimmed, evidence for it is clear and warm.
_EVIDENCE = np.array([-1.0, 0.0, 0.5, 1.0])
_RGBA = np.array([[40, 110, 225, 150], [16, 14, 30, 130], [226, 120, 40, 96], [255, 206, 60, 120]])

# The colour of each of 255 steps of evidence, from -1 to 1.
_COLOURS = np.stack([np.interp(np.linspace(-1, 1, 255), _EVIDENCE, column) for column in _RGBA.T], -1)
_COLOURS = _COLOURS.round().astype(np.uint8)

Line = tuple[str, int, tuple[int, int, int]]


def explanation_sheet(photo: Photo, explanation: Explanation) -> Image.Image:
    """Draws the category, the photo, evidence in the image and in the caption, and a panel per word.

    Args:
        photo: The classified photo.
        explanation: Of its category.
    """
    image = Image.fromarray(photo.pixels)
    image = image.resize(fit(image.size, (PANEL, PANEL)), Image.Resampling.LANCZOS, reducing_gap=3.0)
    head: list[Line] = [(sentences.category_line(explanation), HEADING, JOINT)]
    head += [(f"{sentences.predictions(explanation)} {text_weight(explanation.weight)}", TEXT, INK)]
    occluded = Image.alpha_composite(
        image.convert("RGBA"),
        evidence_map(explanation.cell_drops(explanation.category), image.size, sentences.slight(explanation)),
    )
    evidence: list[Line] = [("evidence of the image classifier: warm for the category, blue against", SMALL, INK)]
    evidence += [(sentences.image_evidence(explanation), SMALL, FAINT)]
    words = _side_by_side([
        _stack([image, _text([(Path(explanation.prediction.source).name, SMALL, FAINT)], PANEL)]),
        _stack([occluded.convert("RGB"), _text(evidence, PANEL)]),
        _words(explanation, 2 * PANEL + MARGIN),
    ])  # fmt: skip
    parts = [_text(head, WIDTH), words, *_word_panels(image, explanation)]
    if lacking := sentences.missing(explanation):
        parts.append(_text([(lacking, TEXT, FAINT)], WIDTH))
    inner = _stack(parts, 2 * MARGIN)
    sheet = Image.new("RGB", (WIDTH + 2 * MARGIN, inner.height + 2 * MARGIN), PAPER)
    sheet.paste(inner, (MARGIN, MARGIN))
    return sheet


def evidence_map(drops: Floats, size: tuple[int, int], slight: float = sentences.SLIGHT) -> Image.Image:
    """Evidence of each cell as a translucent image to lay over the photo.

    Args:
        drops: ``[G, G]``, by how much a probability drops.
        size: ``(W, H)`` of the result.
        slight: Where no drop is larger than this, all are drawn faintly.

    Returns:
        RGBA of that size: warm for evidence for the category, blue against it; slight drops are drawn faintly.
    """
    shares = drops / max(float(np.abs(drops).max()), slight)
    smooth = Image.fromarray(shares.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    steps = (np.clip(np.asarray(smooth), -1, 1) * 127 + 127).round().astype(np.uint8)
    return Image.fromarray(_COLOURS[steps])


def attended_image(image: Image.Image, attention: Array, cells: Bools) -> Image.Image:
    """The image, RGB, under a word's attention ``[h, w]``, dark outside of its region, with an outline."""
    panel = overlaid(image, attention)
    inner = Image.fromarray(cells).resize(panel.size, Image.Resampling.NEAREST)
    panel = Image.composite(panel, panel.point(lambda level: level * OUTSIDE), inner)
    draw = ImageDraw.Draw(panel)
    height, width = cells.shape
    xs = [round(column * (panel.width - 1) / width) for column in range(width + 1)]
    ys = [round(row * (panel.height - 1) / height) for row in range(height + 1)]
    inside = np.pad(cells, 1)
    edges = [
        (xs[column], ys[row], xs[column + 1], ys[row])
        for row, column in np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1]).tolist()
    ] + [
        (xs[column], ys[row], xs[column], ys[row + 1])
        for row, column in np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1]).tolist()
    ]
    for edge in edges:
        draw.line(edge, "white", 2)
    return panel


def tint(drop: float, largest: float) -> tuple[tuple[int, int, int], float]:
    """The colour of a word without which a probability drops by ``drop``, and its strength, 0..1."""
    share = sentences.strength(drop, largest)
    return (FOR if share >= 0 else AGAINST), abs(share)


def _words(explanation: Explanation, width: int) -> Image.Image:
    """The caption with its words coloured, and a bar for each content word."""
    drops = explanation.word_drops(explanation.category)
    largest = float(np.abs(drops).max(initial=0))
    colours = {
        place: tint(drop, largest)
        for word, drop in zip(explanation.words, drops.tolist(), strict=True)
        for place in word.positions
    }
    parts = [_marked(words_of(explanation.prediction.caption), colours, width)]
    own = explanation.prediction.text_label
    category = explanation.category
    parts.append(_text([(f"without a word, the text classifier's {category} changes by", SMALL, FAINT)], width))
    parts += [_bar(word.text, drop, largest, width) for word, drop in _ordered(explanation, category)]
    if own != category and explanation.words:
        parts.append(_text([(f"and its own prediction, {own}, by", SMALL, FAINT)], width))
        own_largest = float(np.abs(explanation.word_drops(own)).max())
        parts += [_bar(word.text, drop, own_largest, width) for word, drop in _ordered(explanation, own)]
    return _stack(parts, 6)


def _ordered(explanation: Explanation, category: str) -> list[tuple[Word, float]]:
    pairs = zip(explanation.words, explanation.word_drops(category).tolist(), strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])[:MOST_WORDS]


def _word_panels(image: Image.Image, explanation: Explanation) -> list[Image.Image]:
    located = [(word, word.region) for word in explanation.by_evidence() if word.region is not None][:MOST_WORDS]
    if not located:
        return []
    note = (
        "Attention of the captioner for each word. The bright part is the word's region; it is hidden, and the image "
        f"is captioned and classified again. Changes of {explanation.category} in percentage points; in brackets, with "
        "a region of the same size hidden elsewhere."
    )
    panels = [_word_panel(image, explanation, word, region) for word, region in located]
    rows = [_side_by_side(panels[start : start + COLUMNS]) for start in range(0, len(panels), COLUMNS)]
    return [_text([(note, SMALL, FAINT)], WIDTH), *rows]


def _word_panel(image: Image.Image, explanation: Explanation, word: Word, region: Region) -> Image.Image:
    prediction, category = explanation.prediction, explanation.category
    number = prediction.labels.index(category)
    text = probability(prediction, category, "text") - float(word.text_probabilities[number])
    fused = probability(prediction, category, "joint") - float(word.probabilities[number])
    lines: list[Line] = [(word.text, TEXT + 3, INK)]
    lines += [("word left out", SMALL, FAINT)]
    lines += [(f"   text {sentences.change(text)}   fused {sentences.change(fused)}", SMALL, INK)]
    lines += [(f"region hidden ({sentences.extent(region)})", SMALL, FAINT)]
    lines += [
        (f"   {name} {own} ({elsewhere})", SMALL, INK)
        for _, name, own, elsewhere in sentences.region_changes(explanation, region)
    ]
    lines += [(f"then: {region.removed.caption.text}", SMALL, FAINT)]
    return _stack([attended_image(image, region.attention, region.cells), _text(lines, PANEL)])


def _marked(words: Sequence[str], colours: dict[int, tuple[tuple[int, int, int], float]], width: int) -> Image.Image:
    """The caption, each word on its background colour."""
    font, step = _font(TEXT + 5), TEXT + 17
    places, x, y = [], 0.0, 0
    for word in words:
        length = font.getlength(word)
        if x and x + length > width:
            x, y = 0.0, y + step
        places.append((x, y, length))
        x += length + 9
    image = Image.new("RGB", (width, y + step), PAPER)
    draw = ImageDraw.Draw(image)
    for number, (word, (left, top, length)) in enumerate(zip(words, places, strict=True)):
        colour, share = colours.get(number, (PAPER, 0.0))
        blend = tuple(round(p + (c - p) * 0.75 * share) for p, c in zip(PAPER, colour, strict=True))
        draw.rounded_rectangle((left, top, left + length + 6, top + step - 6), 5, blend)
        draw.text((left + 3, top + 2), word, INK, font)
    return image


def _bar(word: str, drop: float, largest: float, width: int) -> Image.Image:
    colour, share = tint(drop, largest)
    image = Image.new("RGB", (width, SMALL + 8), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((0, 1), word, INK, _font(SMALL))
    begin, room = width * 0.28, width * 0.54
    draw.rectangle((begin, 5, begin + max(2.0, room * share), SMALL + 3), colour)
    draw.text((begin + max(2.0, room * share) + 8, 1), sentences.change(drop), INK, _font(SMALL))
    return image


def _text(lines: Sequence[Line], width: int) -> Image.Image:
    """Lines of text, broken where they are too long."""
    broken = [
        (part, size, colour)
        for text, size, colour in lines
        for part in ([text] if text.startswith(" ") else wrapped(text, width * TEXT // size))
    ]
    image = Image.new("RGB", (width, sum(size + 7 for _, size, _ in broken) + 1), PAPER)
    draw = ImageDraw.Draw(image)
    y = 0
    for text, size, colour in broken:
        draw.text((0, y), text, colour, _font(size))
        y += size + 7
    return image


def _stack(images: Sequence[Image.Image], gap: int = 6) -> Image.Image:
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    out = Image.new("RGB", (max(image.width for image in images), height), PAPER)
    y = 0
    for image in images:
        out.paste(image, (0, y))
        y += image.height + gap
    return out


def _side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """The images next to each other, each in a column of the sheet."""
    out = Image.new("RGB", (WIDTH, max(image.height for image in images)), PAPER)
    for column, image in enumerate(images):
        out.paste(image, (column * (PANEL + MARGIN), 0))
    return out


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
