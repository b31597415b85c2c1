"""Interrogations as one page, with the phrases of each image as chips, and as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.captioning.interrogation.record import Interrogation
from imagist.records import Failure, Photo
from imagist.report.shell import SHOWN, FailedInputs, jpeg, render, render_page, thumbnail
from imagist.storage import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

IMAGE = 480  # longest side, in pixels
OFTEN = 24  # phrases listed that are most often found


class InterrogationPage:
    """Collects results in bounded memory and writes the page at the end.

    Args:
        title: Heading of the page.
        model: Id of the interrogator.
        shown: Most images and most failures on the page; all are counted.
    """

    def __init__(self, title: str, *, model: str, shown: int = SHOWN) -> None:
        self._title, self._model, self._shown = title, model, shown
        self._cards: list[Markup] = []
        self._failures = FailedInputs(shown)
        self._phrases: Counter[str] = Counter()
        self._done = 0

    def add(self, source: str, photo: Photo | None, result: Interrogation | Failure) -> None:
        """Adds one result; an interrogation needs its photo, which is not kept."""
        if isinstance(result, Failure):
            self._failures.add(source, result)
            return
        self._done += 1
        self._phrases.update(phrase.text for phrase in result.phrases)
        if photo is not None and len(self._cards) < self._shown:
            self._cards.append(_card(source, photo, result))

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
        facts = [(f"{self._done:,}", "images" if self._done != 1 else "image")]
        facts.append((f"{len(self._phrases):,}", "different phrases"))
        if self._failures.count:
            facts.append((f"{self._failures.count:,}", "failed"))
        return render_page(
            "interrogation.html", title=self._title, maker=f"imagist with {self._model}", cards=self._cards,
            done=self._done, earlier=earlier, facts=facts, often=self._phrases.most_common(OFTEN),
            failures=self._failures.first, failed=self._failures.count,
        )  # fmt: skip


def lines_of(result: Interrogation | Failure) -> Iterable[str] | Failure:
    """The text of an interrogation, then a line for each phrase: its cosine with the image, and its gain."""
    if isinstance(result, Failure):
        return result
    width = max((len(phrase.text) for phrase in result.phrases), default=0)
    lines = [result.text if result.similarity is None else f"{result.text}  ({result.similarity:.3f})"]
    for phrase in result.phrases:
        gain = "" if phrase.gain is None else f"  {phrase.gain:+.3f}"
        lines.append(f"  {phrase.text:<{width}}  {phrase.similarity:.3f}{gain}")
    return lines


def _card(source: str, photo: Photo, result: Interrogation) -> Markup:
    image = thumbnail(photo, IMAGE)
    return render(
        "interrogation_card.html", source=source, image=jpeg(image), text=result.text,
        sentence=result.caption.text if result.caption else None, similarity=result.similarity, phrases=result.phrases,
    )  # fmt: skip
