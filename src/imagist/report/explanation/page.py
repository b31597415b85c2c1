"""Explanations as one page: the words that decided, the captioner's attention for them, and changes without them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imagist.explanation import Explanation, Faithfulness, Region, Word
from imagist.explanation.words import words_of
from imagist.records import Failure, Photo
from imagist.report.explanation import sentences
from imagist.report.explanation.faithful import faithfulness_values
from imagist.report.explanation.sheet import FOR, attended_image, evidence_map, tint
from imagist.report.formatting import text_weight
from imagist.report.shell import SHOWN, FailedInputs, jpeg, render, render_page, thumbnail
from imagist.storage import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

IMAGE = 480  # longest side of a photo, in pixels
PANEL = 300  # longest side of a word's panel, in pixels
TOP = 3  # categories with bars


class ExplanationPage:
    """Collects explanations in bounded memory and writes the page at the end.

    Args:
        title: Heading of the page.
        model: Id of the pipeline.
        shown: Most images and most failures on the page; all are counted.
    """

    def __init__(self, title: str, *, model: str, shown: int = SHOWN) -> None:
        self._title, self._model, self._shown = title, model, shown
        self._cards: list[Markup] = []
        self._failures = FailedInputs(shown)
        self._done = 0

    def add(self, source: str, photo: Photo | None, result: Explanation | Failure) -> None:
        """Adds one result; an explanation needs its photo, which is not kept."""
        if isinstance(result, Failure):
            self._failures.add(source, result)
            return
        self._done += 1
        if photo is not None and len(self._cards) < self._shown:
            self._cards.append(_card(source, photo, result))

    def write(self, path: Path, faithful: Faithfulness | None = None) -> None:
        """Writes the page, whole or not at all.

        Args:
            path: The file; replaced if it exists.
            faithful: Faithfulness of the explanations over all images, if it was measured.

        Raises:
            OutputError: The folder cannot be written to, or the disk is full.
        """
        write_text(path, self.render(faithful))

    def render(self, faithful: Faithfulness | None = None) -> str:
        """The page as HTML."""
        return render_page(
            "explanation.html", title=self._title, maker=f"imagist with {self._model}", cards=self._cards,
            done=self._done, failures=self._failures.first, failed=self._failures.count,
            faithful=faithfulness_values(faithful) if faithful else None,
        )  # fmt: skip


def _card(source: str, photo: Photo, explanation: Explanation) -> Markup:
    image = thumbnail(photo, IMAGE)
    drops = explanation.cell_drops(explanation.category)
    evidence = Image.alpha_composite(
        image.convert("RGBA"), evidence_map(drops, image.size, sentences.slight(explanation))
    ).convert("RGB")
    return render(
        "explanation_card.html", source=source, prediction=explanation.prediction, category=explanation.category,
        top=TOP, image=jpeg(image), evidence=jpeg(evidence), marked=_marked(explanation),
        category_line=sentences.category_line(explanation), sources_line=sentences.predictions(explanation),
        weight=explanation.weight,
        weight_line=text_weight(explanation.weight), evidence_line=sentences.image_evidence(explanation),
        **_words(image, explanation),
    )  # fmt: skip


def _marked(explanation: Explanation) -> list[tuple[str, str]]:
    """The words of the caption, each with a style: its colour is how strong its evidence is, and for or against."""
    drops = explanation.word_drops(explanation.category)
    largest = float(np.abs(drops).max(initial=0))
    styles: dict[int, str] = {}
    for word, drop in zip(explanation.words, drops.tolist(), strict=True):
        (red, green, blue), share = tint(drop, largest)
        styles |= dict.fromkeys(word.positions, f"background:rgba({red},{green},{blue},{0.7 * share:.2f})")
    return [(word, styles.get(place, "")) for place, word in enumerate(words_of(explanation.prediction.caption))]


def _words(image: Image.Image, explanation: Explanation) -> dict[str, object]:
    """The table of words: a row per word, strongest evidence first."""
    missing = sentences.missing(explanation)
    category, own = explanation.category, explanation.prediction.text_label
    categories = [category] if own == category else [category, own]
    unit = "word or phrase" if explanation.prediction.caption.phrases else "word"
    heads = [unit, *(f"left out: change of {name}, text classifier" for name in categories)]
    heads += [f"attribution to {name}, text classifier" for name in categories if name in explanation.attributions]
    heads += [f"left out: change of {category}, fused"]
    if not missing:
        heads = ["attention", *heads, f"region hidden: change of {category} (same size elsewhere)"]
    panel = image.copy()
    panel.thumbnail((PANEL, PANEL), Image.Resampling.LANCZOS)
    rows = [_row(panel, explanation, word, categories) for word in explanation.by_evidence()]
    return {"missing": missing, "located": not missing, "heads": heads, "rows": rows}


def _row(image: Image.Image, explanation: Explanation, word: Word, categories: Sequence[str]) -> dict[str, object]:
    number, prediction = explanation.words.index(word), explanation.prediction
    fused = prediction.labels.index(explanation.category)
    return {
        "word": word.text,
        "similarity": word.similarity,
        "bars": [_bar(explanation.word_drops(category).tolist(), number) for category in categories],
        "attributions": [
            f"{explanation.attributions[category][number]:+.3f}"
            for category in categories
            if category in explanation.attributions
        ],
        "fused": sentences.change(float(prediction.probabilities[fused] - word.probabilities[fused])),
        "region": _region(image, explanation, word.region) if word.region else None,
    }


def _region(image: Image.Image, explanation: Explanation, region: Region) -> dict[str, object]:
    return {
        "panel": jpeg(attended_image(image, region.attention, region.cells)),
        "changes": [changes[1:] for changes in sentences.region_changes(explanation, region)],
        "extent": sentences.extent(region),
        "caption": region.removed.caption.text,
    }


def _bar(drops: Sequence[float], number: int) -> tuple[str, str, float]:
    """The change of a word in points, the colour of its bar and its share of the largest change."""
    colour, share = tint(drops[number], max(map(abs, drops)))
    return sentences.change(drops[number]), "text" if colour == FOR else "image", share
