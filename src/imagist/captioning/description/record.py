"""The record of a description: sentences, each with the part of the image that it describes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imagist.errors import UsageError
from imagist.records.flat import shortest

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions of the upright image's width and height, 0 to 1."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
DETAILS = range(4)


@dataclass(frozen=True)
class Statement:
    """One sentence or phrase of a description.

    Attributes:
        text: Its words.
        box: The part of the image that the captioner described.
        logprob: Natural log-probability of the caption it comes from, <= 0, without what other captions added.
    """

    text: str
    box: Box
    logprob: float


@dataclass(frozen=True)
class Description:
    """The description of an image or of a region of it.

    Attributes:
        text: All sentences; written like captions at details 0 to 2, as prose at 3.
        sentences: In order; the text is these, separated by spaces.
        detail: The level of detail, 0 to 3.
        region: The box that was described; None for the whole image.
    """

    text: str
    sentences: tuple[Statement, ...]
    detail: int
    region: Box | None = None

    def fields(self) -> dict[str, object]:
        """``DESCRIPTION_FIELDS`` of a record; see `imagist.records.flat`."""
        sentences = [
            {"text": said.text, "logprob": shortest(said.logprob), "box": [*map(shortest, said.box)]}
            for said in self.sentences
        ]
        return {"description": self.text, "sentences": sentences}


def checked(region: Box) -> Box:
    """The region as four floats.

    Raises:
        UsageError: It is not a box, is empty, or is not within the image.
    """
    name = "region"
    try:
        x0, y0, x1, y1 = (float(edge) for edge in region)
    except (TypeError, ValueError):
        raise UsageError(
            f"{region!r} is not a box", item=name, remedy="four numbers: left, top, right, bottom"
        ) from None
    if not all(math.isfinite(edge) and 0 <= edge <= 1 for edge in (x0, y0, x1, y1)):
        raise UsageError(
            f"{x0:g}, {y0:g}, {x1:g}, {y1:g} reaches out of the image",
            item=name,
            remedy="give fractions of its width and height, 0 to 1; divide pixels by them",
        )
    if x0 >= x1 or y0 >= y1:
        raise UsageError(
            f"{x0:g}, {y0:g}, {x1:g}, {y1:g} is empty", item=name, remedy="left before right, top before bottom"
        )
    return x0, y0, x1, y1


def check_detail(detail: int) -> None:
    """Checks a level of detail.

    Raises:
        UsageError: It is not one of `DETAILS`.
    """
    if detail not in DETAILS:
        raise UsageError(f"0 a few words, 1 a sentence, 2 a longer one, 3 a paragraph; not {detail!r}", item="detail")
