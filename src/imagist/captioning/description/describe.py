"""Describes an image, or a region of it, at four levels of detail, with any captioner.

The captioner also captions crops of the image, in which it finds what the caption of the whole leaves out. Every word
of a description is from a caption of the image or of a crop. More hypotheses a caption (``nbest``) give more to choose
from, and more evidence for each choice. A matcher that tells how far captions can be trusted
(`imagist.matching.confidence`) leaves out what is said of a part and is not seen there.
"""

from __future__ import annotations

from collections.abc import Sequence

from imagist.captioning.description import crops
from imagist.captioning.description.crops import Crop, CropHypothesis, hypotheses_of
from imagist.captioning.description.evidence import Evidence
from imagist.captioning.description.paragraph import paragraph
from imagist.captioning.description.record import Box, Description, Statement, check_detail, checked
from imagist.captioning.description.sentence import enriched, headline, to_text
from imagist.errors import UsageError
from imagist.matching.confidence import caption_confidences
from imagist.protocols import Captioner, Matcher
from imagist.records import Caption, Photo

CaptionedCrop = tuple[Caption, Box]
"""The caption of a crop, and the box of the crop."""

UNSUPPORTED = 0.15  # confidence below which the caption of a part is left out
FEW_WORDS, LONGER, PARAGRAPH = 0, 2, 3
"""Levels of detail; 1 is the best caption."""


def describe(captioner: Captioner, photo: Photo, *, detail: int = 1, region: Box | None = None) -> Description:
    """Describes one photo, or a region of it.

    Args:
        captioner: Writes English captions; for other languages see `describe_all`.
        photo: The photo.
        detail: 0 a few words, 1 the best caption, 2 the best caption with attributes and surroundings, 3 a paragraph.
        region: A box as fractions of width and height: left, top, right, bottom. It is cropped with a small margin and
            described on its own; *on the left* then means left in the region.

    Raises:
        UsageError: An unknown level of detail, or a region that is empty or not within the image.
    """
    return describe_all(captioner, [photo], detail=detail, region=region)[0]


def describe_all(
    captioner: Captioner,
    photos: Sequence[Photo],
    *,
    detail: int = 1,
    region: Box | None = None,
    batch_size: int = 32,
    matcher: Matcher | None = None,
) -> list[Description]:
    """Describes photos. Each description is as for the photo alone; crops of different photos share batches.

    Captions that are not English are not parsed: details 0 and 2 give the best caption as 1 does, and 3 gives one
    caption after the other, without repetitions.

    Args:
        captioner: Writes the captions; for details 2 and 3 it should return several hypotheses.
        photos: N photos.
        detail: As for `describe`.
        region: As for `describe`; the same for all.
        batch_size: Most crops that the captioner gets at a time, >= 1.
        matcher: For details 2 and 3, leaves out captions of parts that it does not support; None leaves out none.

    Returns:
        N descriptions, in order.

    Raises:
        UsageError: As `describe`.
    """
    check_detail(detail)
    if batch_size < 1:
        raise UsageError(f"must be at least 1, not {batch_size}", item="batch_size")
    region = None if region is None else checked(region)
    matcher = matcher if detail >= LONGER else None
    first = [[*_wholes(photo, detail, region), *_parts(photo, detail, region)] for photo in photos]
    captioned = _captioned(captioner, first, batch_size, matcher)
    further: list[list[Crop]] = [[] for _ in photos]
    if detail == PARAGRAPH:
        further = [crops.attention_crops(photo, *of[0]) for photo, of in zip(photos, captioned, strict=True)]
    more = _captioned(captioner, further, batch_size, matcher, whole=False)
    return [_description(of, also, detail, region) for of, also in zip(captioned, more, strict=True)]


def _wholes(photo: Photo, detail: int, region: Box | None) -> list[Crop]:
    """The crops of the whole; only those of the plain box where the detail needs no evidence."""
    found = crops.whole_crops(photo, region)
    return found if detail >= LONGER else [crop for crop in found if crop[1] == found[0][1]][: 2 if region else 1]


def _parts(photo: Photo, detail: int, region: Box | None) -> list[Crop]:
    return crops.part_crops(photo, region) if detail >= LONGER else []


def _captioned(
    captioner: Captioner,
    of: Sequence[Sequence[Crop]],
    batch_size: int,
    matcher: Matcher | None,
    *,
    whole: bool = True,
) -> list[list[CaptionedCrop]]:
    """The captions of the crops of each photo, without those that the matcher does not support.

    The caption of the first crop, where that is the whole, always stays.
    """
    images = [image for crops_ in of for image, _ in crops_]
    batches = [images[at : at + batch_size] for at in range(0, len(images), batch_size)]
    captions, supported = [], []
    for batch in batches:
        found = captioner.caption(batch)
        sure = caption_confidences(matcher, captioner.id, batch, [caption.sentence for caption in found])
        captions += found
        supported += [each is None or each >= UNSUPPORTED for each in sure]
    rows = iter(zip(captions, supported, strict=True))
    told = [[(*next(rows), box) for _, box in crops_] for crops_ in of]
    return [
        [(caption, box) for place, (caption, kept, box) in enumerate(each) if kept or (whole and place == 0)]
        for each in told
    ]


def _description(
    captioned: Sequence[CaptionedCrop], more: Sequence[CaptionedCrop], detail: int, region: Box | None
) -> Description:
    """The description from the captions of the whole, which come first, and of parts.

    ``more`` are the crops that attention chose. They have no part in the first sentence, so that it is the same at
    details 2 and 3.
    """
    outer = captioned[0][1]
    trimmed = crops.trimmed(outer)
    found = [hypotheses for caption, box in captioned if (hypotheses := hypotheses_of(caption, box))]
    wholes = [hypotheses for hypotheses in found if hypotheses[0].box in (outer, trimmed)]
    parts = [hypotheses for hypotheses in found if hypotheses[0].box not in (outer, trimmed)]
    plain = [hypotheses[0] for hypotheses in wholes if hypotheses[0].box == outer]
    if not plain:
        return Description("", (), detail, region)
    best = plain[0] if region is None else max(plain, key=lambda hypothesis: hypothesis.per_word)
    if detail == PARAGRAPH:
        further = [hypotheses for caption, box in more if (hypotheses := hypotheses_of(caption, box))]
        first = enriched(best, wholes, [*wholes, *parts])
        sentences = paragraph(best, first, [*parts, *further], [*wholes, *parts, *further])
    else:
        sentences = [Statement(_sentence(best, wholes, parts, detail), best.box, best.logprob)]
    return Description(" ".join(sentence.text for sentence in sentences), tuple(sentences), detail, region)


def _sentence(best: CropHypothesis, wholes: Evidence, parts: Evidence, detail: int) -> str:
    if detail == FEW_WORDS:
        return headline(best)
    return best.text if detail < LONGER else to_text(enriched(best, wholes, [*wholes, *parts]).words)
