"""A pipeline whose reasons are known: one quadrant of a grey image is red, and of the words only two decide.

The captioner says "a red thing lies here" where anything is red, and for "red" it looks at what is red. The words alone
give fire 0.2, and 0.6 more for "red", 0.1 more for "thing"; the image alone 0.05, and 0.9 more for a red quadrant.
"""

from __future__ import annotations

import numpy as np

from imagist.classifiers.fusion import ScoreFusion
from imagist.classifiers.taxonomy import identity
from imagist.pipeline import Pipeline
from imagist.records import Caption, LabelSet, Photo

LABELS = LabelSet(("fire", "stone"))
CELLS = 4  # a side of the grid that the captioner and the image's classifier see
SIDE = 40  # of an image, in pixels


def image(row=0, column=1, source="<memory>"):
    """Grey, with one quadrant red."""
    pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
    half = SIDE // 2
    pixels[row * half : (row + 1) * half, column * half : (column + 1) * half] = (250, 10, 10)
    return Photo(pixels, source)


def quadrant(row=0, column=1, cells=CELLS):
    """Which cells lie in it: bool ``[cells, cells]``."""
    places = np.arange(cells) * 2 // cells
    return (places == row)[:, None] & (places == column)


class Quadrants:
    """All the parts at once."""

    id = "quadrants"
    concurrent = True
    labels = LABELS

    def __init__(self, *, attention=True):
        self.attention = attention
        self.batches = []

    def caption(self, photos):
        return [self._caption(red(photo)) for photo in photos]

    def scores(self, items):
        self.batches.append(len(items))
        fire = [words_say(item) if isinstance(item, str) else 0.05 + 0.9 * red(item).sum() / 4 for item in items]
        return np.array([[p, 1 - p] for p in fire], np.float32).reshape(len(items), 2)

    def _caption(self, cells):
        tokens = ("a", "red" if cells.any() else "grey", "thing", "lies", "here")
        maps = np.full((len(tokens), CELLS, CELLS), 1 / CELLS**2, np.float32)
        if cells.any():
            maps[1] = cells / cells.sum()
        return Caption(" ".join(tokens), -1.0, tokens, attention=maps if self.attention else None)


class Accounting(Quadrants):
    """A text classifier that tells what it did, too."""

    def attributions(self, texts, targets):
        reranker_score = {"red": 0.6, "thing": 0.1}
        return [
            tuple((word.upper(), (1 - 2 * target) * reranker_score.get(word, 0.0)) for word in text.split())
            for text, target in zip(texts, targets.tolist(), strict=True)
        ]


def red(photo):
    """Which cells are red: bool ``[CELLS, CELLS]``."""
    cells = photo.pixels.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS, 3).mean((1, 3))
    return cells[..., 0] - cells[..., 1] > 150


def words_say(text):
    words = text.split()
    return 0.2 + 0.6 * ("red" in words) + 0.1 * ("thing" in words)


def pipeline(weight=0.25, part=None):
    """Its verdict on `image` is fire, 0.95 by the image and 0.9 by the words."""
    own = part or Quadrants()
    return Pipeline(own, own, own, identity(own.labels), ScoreFusion(weight))
