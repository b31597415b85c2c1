"""A run as one page that stands alone: images, captions, where the captioner looked, and who said what.

The page loads nothing from anywhere: styles and images are inside, there are no scripts, and all text is escaped.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PIL import Image

from imagist.arrays import Array
from imagist.records import Failure, Photo, Prediction
from imagist.report.attention import fit, heat
from imagist.report.markup import SHOWN, bars, document, escaped, failure_row, failures, jpeg, legend, png
from imagist.storage import write_text

IMAGE = 480  # longest side, in pixels
STRIP = (104, 140)  # the box that one word's panel fits in, in pixels
HEAT = 32  # longest side of a heat map, in pixels; the browser smooths it


class Page:
    """Collects results as they come, in bounded memory, and writes the page at the end.

    Args:
        title: Its heading.
        model: What made the results, as the pipeline names itself.
        top: Categories to draw bars for, an image.
        shown: Most images and most failures to show; all are counted.
    """

    def __init__(self, title: str, *, model: str, top: int = 3, shown: int = SHOWN) -> None:
        self._title, self._model, self._top, self._shown = title, model, top, shown
        self._cards: list[str] = []
        self._failures: list[str] = []
        self._labels: Counter[str] = Counter()
        self._failed = self._agreed = 0

    def add(self, source: str, photo: Photo | None, result: Prediction | Failure) -> None:
        """Adds one result; the photo is needed with a prediction, and is not kept."""
        if isinstance(result, Failure):
            self._failed += 1
            if len(self._failures) < self._shown:
                self._failures.append(failure_row(source, result))
            return
        self._labels[result.label or "undecided"] += 1
        self._agreed += result.image_label == result.text_label
        if photo is not None and len(self._cards) < self._shown:
            self._cards.append(_card(source, photo, result, self._top))

    def write(self, path: Path, *, earlier: int = 0) -> None:
        """Writes the page, whole or not at all.

        Args:
            path: The file; replaced where it exists.
            earlier: Inputs that were done before this page began to collect; it says that they are missing.

        Raises:
            OutputError: The folder cannot be written to, or the disk is full.
        """
        write_text(path, self.render(earlier))

    def render(self, earlier: int = 0) -> str:
        """The page as HTML."""
        return document(
            self._title,
            self._summary(earlier),
            "".join(self._cards) + failures(self._failures, self._failed),
            f"Made by imagist with {self._model}. This file holds everything it shows.",
        )

    def _summary(self, earlier: int) -> str:
        done = self._labels.total()
        facts = [(f"{done:,}", "images" if done != 1 else "image")]
        if done:
            facts.append((f"{self._agreed / done:.0%}", "image and words agree"))
        if self._failed:
            facts.append((f"{self._failed:,}", "could not be done"))
        shown = f" Shown are the first {len(self._cards):,} of {done:,}." if len(self._cards) < done else ""
        if earlier:
            shown += f" The {earlier:,} inputs done before this run was resumed are not on this page."
        counts = "".join(f"<li>{escaped(name)} <b>{n:,}</b></li>" for name, n in self._labels.most_common())
        return (
            '<p class="soft">Each image is described in a sentence. One classifier looks at the image, another '
            f"reads only the sentence, and their probabilities are joined.{shown}</p>"
            f'<ul class="facts">{"".join(f"<li><b>{n}</b>{said}</li>" for n, said in facts)}</ul>'
            f'<ul class="counts">{counts}</ul><p class="soft">{legend()}</p>'
        )


def _card(source: str, photo: Photo, result: Prediction, top: int) -> str:
    image = Image.fromarray(photo.pixels)
    image.thumbnail((IMAGE, IMAGE), Image.Resampling.LANCZOS)
    likeliest, probability = result.top(1)[0]
    undecided = f"undecided; likeliest {escaped(likeliest)}"
    verdict = f"<b>{escaped(likeliest) if result.label else undecided}</b> {probability:.0%}"
    said = (
        f'<span class="key image"></span>the image says {escaped(result.image_label)} '
        f'<span class="key words"></span>the words say {escaped(result.text_label)}'
    )
    return (
        f'<article class="card"><div class="both"><img src="{jpeg(image)}" alt="{escaped(result.caption.text)}">'
        f'<div><p class="caption">{escaped(result.caption.text)}</p>'
        f'<p class="verdict{"" if result.label else " undecided"}">{verdict}<br><span class="soft">{said}</span></p>'
        f"{bars(result, top)}</div></div>"
        f'<p class="source">{escaped(source)}</p>{_strip(image, result)}</article>\n'
    )


def _strip(image: Image.Image, result: Prediction) -> str:
    """One panel a word. The photo is in the page once, as a background; only the small heat maps differ."""
    maps = result.caption.attention
    if maps is None or not len(maps):
        return ""
    width, height = fit(image.size, STRIP)
    photo = jpeg(image.resize((2 * width, 2 * height), Image.Resampling.LANCZOS))
    panels = "".join(
        f'<li><div><img src="{_heat(cells, image)}" alt=""></div>{escaped(word)}</li>'
        for cells, word in zip(maps, result.caption.tokens, strict=False)
    )
    return f'<ol class="strip" style="--photo:url({photo});--w:{width}px;--h:{height}px">{panels}</ol>'


def _heat(cells: Array, image: Image.Image) -> str:
    return png(heat(cells, fit(image.size, (HEAT, HEAT))))
