"""Explanations as one page that stands alone: the words that decided, where they were seen, what goes without them.

The page loads nothing from anywhere: styles and images are inside, there are no scripts, and all text is escaped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from imagist.arrays import Floats
from imagist.explanation import Explanation, Faithfulness, Region, Word
from imagist.explanation.words import spoken
from imagist.records import Failure, Photo
from imagist.report.explanation import sentences
from imagist.report.explanation.faithful import faithfulness_section
from imagist.report.explanation.sheet import FOR, attended_image, evidence_map, tint
from imagist.report.markup import SHOWN, bars, document, escaped, failure_row, failures, jpeg, legend
from imagist.storage import write_text

IMAGE = 480  # longest side of a photo, in pixels
PANEL = 300  # longest side of a word's panel, in pixels
TOP = 3  # categories with bars


class ExplanationPage:
    """Collects explanations as they come, in bounded memory, and writes the page at the end.

    Args:
        title: Its heading.
        model: What is explained, as the pipeline names itself.
        shown: Most images and most failures to show; all are counted.
    """

    def __init__(self, title: str, *, model: str, shown: int = SHOWN) -> None:
        self._title, self._model, self._shown = title, model, shown
        self._cards: list[str] = []
        self._failures: list[str] = []
        self._done = self._failed = 0

    def add(self, source: str, photo: Photo | None, result: Explanation | Failure) -> None:
        """Adds one result; the photo is needed with an explanation, and is not kept."""
        if isinstance(result, Failure):
            self._failed += 1
            if len(self._failures) < self._shown:
                self._failures.append(failure_row(source, result))
            return
        self._done += 1
        if photo is not None and len(self._cards) < self._shown:
            self._cards.append(_card(source, photo, result))

    def write(self, path: Path, faithful: Faithfulness | None = None) -> None:
        """Writes the page, whole or not at all.

        Args:
            path: The file; replaced where it exists.
            faithful: What the explanations are worth over the set, where that was measured.

        Raises:
            OutputError: The folder cannot be written to, or the disk is full.
        """
        write_text(path, self.render(faithful))

    def render(self, faithful: Faithfulness | None = None) -> str:
        """The page as HTML."""
        section = faithfulness_section(faithful) if faithful else ""
        return document(
            self._title,
            self._summary(),
            section + "".join(self._cards) + failures(self._failures, self._failed),
            f"Made by imagist with {self._model}. This file holds everything it shows.",
            styles=("explanation/style.css",),
        )

    def _summary(self) -> str:
        shown = f" Shown are the first {len(self._cards):,} of {self._done:,}." if len(self._cards) < self._done else ""
        return (
            '<p class="soft">Each image is described in a sentence. One classifier looks at the image, another '
            "reads only the sentence, and their probabilities are joined. To explain a category, words are left out of "
            "the sentence and parts of the image are hidden, and all are asked again. Changes are in percentage "
            f"points of the category's probability: below zero is what spoke for it.{shown}</p>"
        )


def _card(source: str, photo: Photo, explanation: Explanation) -> str:
    image = Image.fromarray(photo.pixels)
    image.thumbnail((IMAGE, IMAGE), Image.Resampling.LANCZOS)
    caption = escaped(explanation.prediction.caption.text)
    undecided = " undecided" if explanation.prediction.abstained else ""
    return (
        f'<article class="card explained"><div class="both"><img src="{jpeg(image)}" alt="{caption}"><div>'
        f'<p class="caption marked">{_marked(explanation)}</p>'
        f'<p class="verdict{undecided}"><b>{escaped(sentences.verdict(explanation))}</b><br><span class="soft">'
        f"{escaped(sentences.opinions(explanation))} {escaped(sentences.weighing(explanation))}</span></p>"
        f'{bars(explanation.prediction, TOP)}<p class="soft">{legend()}</p></div></div>'
        f'<p class="source">{escaped(source)}</p>{_words(image, explanation)}{_image(image, explanation)}'
        "</article>\n"
    )


def _marked(explanation: Explanation) -> str:
    """The caption, each word that says something on a colour: how much it speaks for the category, or against."""
    drops = explanation.word_drops(explanation.category)
    largest = float(np.abs(drops).max(initial=0))
    styles: dict[int, str] = {}
    for word, drop in zip(explanation.words, drops.tolist(), strict=True):
        (red, green, blue), share = tint(drop, largest)
        styles |= dict.fromkeys(word.positions, f"background:rgba({red},{green},{blue},{0.7 * share:.2f})")
    return " ".join(
        f'<span style="{styles[place]}">{escaped(word)}</span>' if place in styles else escaped(word)
        for place, word in enumerate(spoken(explanation.prediction.caption))
    )


def _words(image: Image.Image, explanation: Explanation) -> str:
    lacking = sentences.missing(explanation)
    note = f'<p class="soft">{escaped(lacking)}</p>' if lacking else ""
    if not explanation.words:
        return f"<section><h3>The words</h3>{note}</section>"
    category, own = explanation.category, explanation.prediction.text_label
    categories = [category] if own == category else [category, own]
    heads = ["word"] + [f"left out: what the words give {name} changes by" for name in categories]
    heads += [f"the classifier's own account of {name}" for name in categories if name in explanation.attributions]
    heads += [f"left out: together, {category}"]
    if not lacking:
        heads = ["where the captioner looked", *heads, f"region hidden: {category} (and with as much elsewhere)"]
    rows = [
        _row(image, explanation, explanation.words.index(word), word, categories, located=not lacking)
        for word in explanation.by_evidence()
    ]
    return (
        f'<section><h3>The words</h3>{note}<div class="scroll"><table class="evidence">'
        f"<thead><tr>{''.join(f'<th>{escaped(head)}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _row(
    image: Image.Image, explanation: Explanation, number: int, word: Word, categories: list[str], *, located: bool
) -> str:
    said = explanation.prediction
    cells = [f"<th>{escaped(word.text)}</th>"]
    cells += [f"<td>{_bar(explanation.word_drops(category), number)}</td>" for category in categories]
    cells += [
        f"<td>{explanation.attributions[category][number]:+.3f}</td>"
        for category in categories
        if category in explanation.attributions
    ]
    both = said.labels.index(explanation.category)
    cells.append(f"<td>{sentences.change(float(said.probabilities[both] - word.probabilities[both]))}</td>")
    if word.region is not None and located:
        cells.insert(0, f"<td>{_panel(image, word, word.region)}</td>")
        cells.append(f"<td>{_region(explanation, word.region)}</td>")
    return f"<tr>{''.join(cells)}</tr>\n"


def _bar(drops: Floats, number: int) -> str:
    colour, share = tint(float(drops[number]), float(np.abs(drops).max()))
    filled = f'<i class="{"words" if colour == FOR else "image"}" style="width:{share:.1%}"></i>'
    return f'{sentences.change(float(drops[number]))}<div class="rail">{filled}</div>'


def _panel(image: Image.Image, word: Word, region: Region) -> str:
    small = image.copy()
    small.thumbnail((PANEL, PANEL), Image.Resampling.LANCZOS)
    drawn = attended_image(small, region.attention, region.cells)
    return f'<img src="{jpeg(drawn)}" alt="where the captioner looked for {escaped(word.text)}">'


def _region(explanation: Explanation, region: Region) -> str:
    changes = "<br>".join(
        f"{name} {own} ({elsewhere})" for _, name, own, elsewhere in sentences.region_changes(explanation, region)
    )
    then = f"{sentences.extent(region)} hidden, the caption is: {escaped(region.removed.caption.text)}"
    return f'{changes}<br><span class="said">{then}</span>'


def _image(image: Image.Image, explanation: Explanation) -> str:
    drops = explanation.cell_drops(explanation.category)
    laid = Image.alpha_composite(image.convert("RGBA"), evidence_map(drops, image.size)).convert("RGB")
    return (
        '<section><h3>The image</h3><div class="pair">'
        f'<img src="{jpeg(laid)}" alt="which parts speak for {escaped(explanation.category)}"><p>'
        f"{escaped(sentences.image_evidence(explanation))} Warm parts speak for {escaped(explanation.category)}, "
        "blue ones against it, dim ones neither.</p></div></section>"
    )
