"""What a description is made of: sentences, each with the part of the image that it speaks of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imagist.errors import UsageError
from imagist.records.flat import shortest

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions of the upright image's width and height, 0 to 1: the same for an image
and for any scaled copy of it."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
DETAILS = range(4)


@dataclass(frozen=True)
class Said:
    """One sentence, or one phrase.

    Attributes:
        text: As it stands in the description.
        box: The part of the image that the captioner was shown when it said so.
        logprob: Natural log-probability of the caption that it comes from, <= 0; what other captions added to that
            one is not counted.
    """

    text: str
    box: Box
    logprob: float


@dataclass(frozen=True)
class Description:
    """What is said of a photo, or of a region of one.

    Attributes:
        text: The whole; at details 0 to 2 written as captions are, at 3 as prose.
        sentences: Its parts, in order; the text is these, parted by spaces.
        detail: How much was asked for, 0 to 3.
        region: The box that was pointed at; None for the whole photo.
    """

    text: str
    sentences: tuple[Said, ...]
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
    """The region, as numbers.

    Raises:
        UsageError: It is no box, is empty, or is not within the image.
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
    """Sees that there is such a detail.

    Raises:
        UsageError: There is not.
    """
    if detail not in DETAILS:
        raise UsageError(f"0 a few words, 1 a sentence, 2 a longer one, 3 a paragraph; not {detail!r}", item="detail")
