"""A run as one page: images, captions, attention of the captioner, and probabilities of both classifiers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from imagist.records import Failure, Photo, Prediction
from imagist.report.attention import fit, heat
from imagist.report.formatting import text_weight
from imagist.report.shell import SHOWN, FailedInputs, jpeg, png, render, render_page, thumbnail
from imagist.storage import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

IMAGE = 480  # longest side, in pixels
STRIP = (104, 140)  # largest size of the panel of one word, in pixels
HEAT = 32  # longest side of a heat map, in pixels; the browser smooths it


class RunPage:
    """Collects results in bounded memory and writes the page at the end.

    Args:
        title: Heading of the page.
        model: Id of the pipeline.
        weight: Of the text classifier, 0..1; None where the fusion is not a weighted mean.
        top: Number of categories with bars, per image.
        shown: Most images and most failures on the page; all are counted.
    """

    def __init__(
        self, title: str, *, model: str, weight: float | None = None, top: int = 3, shown: int = SHOWN
    ) -> None:
        self._title, self._model, self._weight, self._top, self._shown = title, model, weight, top, shown
        self._cards: list[Markup] = []
        self._failures = FailedInputs(shown)
        self._labels: Counter[str] = Counter()
        self._agreed = 0

    def add(self, source: str, photo: Photo | None, result: Prediction | Failure) -> None:
        """Adds one result; a prediction needs its photo, which is not kept."""
        if isinstance(result, Failure):
            self._failures.add(source, result)
            return
        self._labels[result.label or "undecided"] += 1
        self._agreed += result.image_label == result.text_label
        if photo is not None and len(self._cards) < self._shown:
            self._cards.append(_card(source, photo, result, self._top, self._weight))

    def write(self, path: Path, *, earlier: int = 0) -> None:
        """Writes the page, whole or not at all.

        Args:
            path: The file; replaced if it exists.
            earlier: Number of inputs that an earlier run had done; the page states that they are missing.

        Raises:
            OutputError: The folder cannot be written to, or the disk is full.
        """
        write_text(path, self.render(earlier))

    def render(self, earlier: int = 0) -> str:
        """The page as HTML."""
        done = self._labels.total()
        facts = [(f"{done:,}", "images" if done != 1 else "image")]
        if done:
            facts.append((f"{self._agreed / done:.0%}", "agreement of image and text classifier"))
        if self._failures.count:
            facts.append((f"{self._failures.count:,}", "failed"))
        return render_page(
            "run.html", title=self._title, maker=f"imagist with {self._model}", cards=self._cards, done=done,
            earlier=earlier, facts=facts, labels=self._labels.most_common(), failures=self._failures.first,
            failed=self._failures.count, weight=self._weight, weight_line=text_weight(self._weight),
        )  # fmt: skip


def _card(source: str, photo: Photo, prediction: Prediction, top: int, weight: float | None) -> Markup:
    image = thumbnail(photo, IMAGE)
    return render(
        "run_card.html", source=source, prediction=prediction, top=top, weight=weight, image=jpeg(image),
        **_strip(image, prediction),
    )  # fmt: skip


def _strip(image: Image.Image, prediction: Prediction) -> dict[str, object]:
    """One panel per word. The photo is in the page once, as a background; only the small heat maps differ."""
    maps = prediction.caption.attention
    if maps is None or not len(maps):
        return {"panels": []}
    width, height = fit(image.size, STRIP)
    size = fit(image.size, (HEAT, HEAT))
    return {
        "photo": jpeg(image.resize((2 * width, 2 * height), Image.Resampling.LANCZOS)), "width": width,
        "height": height,
        "panels": [(png(heat(m, size)), word) for m, word in zip(maps, prediction.caption.tokens, strict=False)],
    }  # fmt: skip
