"""A photo in as many words as are wanted: a few, a sentence, a longer one, a paragraph; or a part that one points at.

Works over any captioner: what it cannot say of the whole, it may say of a part, so the parts are photos to it. Nothing
is said that it did not say of the photo or of a part. The more hypotheses it gives (``nbest``), the more there is to
choose from, and the better what is chosen is backed.
"""

from __future__ import annotations

from collections.abc import Sequence

from imagist.captioning.description import looks
from imagist.captioning.description.evidence import Looks
from imagist.captioning.description.looks import Look, Saying, sayings
from imagist.captioning.description.paragraph import paragraph
from imagist.captioning.description.record import Box, Description, Said, check_detail, checked
from imagist.captioning.description.sentence import enriched, headline, spelled
from imagist.errors import UsageError
from imagist.protocols import Captioner
from imagist.records import Caption, Photo

Heard = tuple[Caption, Box]
"""What the captioner said of a part."""

FEW_WORDS, LONGER, PARAGRAPH = 0, 2, 3
"""Details; 1 is the best caption."""


def describe(captioner: Captioner, photo: Photo, *, detail: int = 1, region: Box | None = None) -> Description:
    """Describes one photo, or a region of it.

    Args:
        captioner: Writes English captions; of others see `describe_all`.
        photo: The photo.
        detail: 0 a few words, 1 the best caption, 2 that with attributes and surroundings, 3 a paragraph.
        region: The part that is pointed at, as fractions of width and height: left, top, right, bottom. It is
            described on its own, with a little margin; *on the left* is then its left.

    Raises:
        UsageError: There is no such detail, or the region is empty or not within the image.
    """
    return describe_all(captioner, [photo], detail=detail, region=region)[0]


def describe_all(
    captioner: Captioner,
    photos: Sequence[Photo],
    *,
    detail: int = 1,
    region: Box | None = None,
    batch_size: int = 32,
) -> list[Description]:
    """Describes photos, each as it would be alone; parts of different photos go through the captioner together.

    Captions that are not English are given as they are: at details 0 and 2 as at 1, for where their nouns and verbs are
    is not known, and at 3 one caption after the other, each different one once.

    Args:
        captioner: Writes the captions; for details 2 and 3 it should give several hypotheses.
        photos: N photos.
        detail: As for `describe`.
        region: As for `describe`; the same for all.
        batch_size: Most images that the captioner gets at a time, >= 1.

    Returns:
        N descriptions, in order.

    Raises:
        UsageError: As `describe`.
    """
    check_detail(detail)
    if batch_size < 1:
        raise UsageError(f"must be at least 1, not {batch_size}", item="batch_size")
    region = None if region is None else checked(region)
    first = [[*_wholes(photo, detail, region), *_parts(photo, detail, region)] for photo in photos]
    heard = _captioned(captioner, first, batch_size)
    peaks: list[list[Look]] = [[] for _ in photos]
    if detail == PARAGRAPH:
        peaks = [looks.peaks(photo, said[0][0], said[0][1]) for photo, said in zip(photos, heard, strict=True)]
    noticed = _captioned(captioner, peaks, batch_size)
    return [_description(said, more, detail, region) for said, more in zip(heard, noticed, strict=True)]


def _wholes(photo: Photo, detail: int, region: Box | None) -> list[Look]:
    """The looks at the whole: the plain one alone where nothing is chosen from several."""
    found = looks.wholes(photo, region)
    return found if detail >= LONGER else [look for look in found if look[1] == found[0][1]][: 2 if region else 1]


def _parts(photo: Photo, detail: int, region: Box | None) -> list[Look]:
    return looks.parts(photo, region) if detail >= LONGER else []


def _captioned(captioner: Captioner, cut: Sequence[Sequence[Look]], batch_size: int) -> list[list[Heard]]:
    """The captions of the parts of all photos, photo by photo."""
    images = [image for parts in cut for image, _ in parts]
    batches = (images[at : at + batch_size] for at in range(0, len(images), batch_size))
    captions = (caption for batch in batches for caption in captioner.caption(batch))
    return [[(next(captions), box) for _, box in parts] for parts in cut]


def _description(said: Sequence[Heard], noticed: Sequence[Heard], detail: int, region: Box | None) -> Description:
    """From what was said of the whole and the parts, the whole first, and where the captioner looked for its nouns.

    The last has no part in the first sentence, so that it is the same at details 2 and 3.
    """
    outer = said[0][1]
    trimmed = looks.trimmed(outer)
    found = [sayings(caption, box) for caption, box in said]
    wholes = [look for look in found if look and look[0].box in (outer, trimmed)]
    parts = [look for look in found if look and look[0].box not in (outer, trimmed)]
    plain = [look[0] for look in wholes if look[0].box == outer]
    if not plain:
        return Description("", (), detail, region)
    best = plain[0] if region is None else max(plain, key=lambda saying: saying.per_word)
    if detail == PARAGRAPH:
        more = [look for look in (sayings(caption, box) for caption, box in noticed) if look]
        first = enriched(best, wholes, [*wholes, *parts])
        sentences = paragraph(best, first, [*parts, *more], [*wholes, *parts, *more])
    else:
        sentences = [Said(_sentence(best, wholes, parts, detail), best.box, best.logprob)]
    return Description(" ".join(sentence.text for sentence in sentences), tuple(sentences), detail, region)


def _sentence(best: Saying, wholes: Looks, parts: Looks, detail: int) -> str:
    if detail == FEW_WORDS:
        return headline(best)
    return best.text if detail < LONGER else spelled(enriched(best, wholes, [*wholes, *parts]).words)
