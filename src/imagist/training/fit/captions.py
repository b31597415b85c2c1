"""The captioner of a fit: any captioner, or the captions that the labelled table carries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from imagist.bundle import open_part
from imagist.captioning.loading import card_decoding, cores, default_decoding, open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.datasets.entries import Example
from imagist.errors import DataError
from imagist.images.encoder import Encoders
from imagist.protocols import Captioner
from imagist.training.fit.settings import CaptionerSettings

RECORDED = "recorded"


def open_fit_captioner(
    settings: CaptionerSettings,
    items: Sequence[Example],
    scratch: Path,
    cache: Path | None,
    encoders: Encoders,
    encoder: str | None = None,
) -> Captioner:
    """Opens the captioner that the settings name.

    Args:
        settings: Which.
        items: Whose captions are taken where the kind is ``recorded`` without a table.
        scratch: A folder for the table of those captions.
        cache: An SQLite file that keeps captions.
        encoders: Shared with the image classifier.
        encoder: By name, for a captioner that works with several; None takes the default one.

    Raises:
        DataError: The captions are to be taken from the examples, and some have none.
        ImagistError: The captioner cannot be opened.
    """
    if settings.kind == RECORDED and settings.model is None:
        return open_captioner(_table(items, scratch), kind=RECORDED)
    if settings.kind is not None:
        decoding, threads = default_decoding(settings.kind).returning(1, settings.beam), cores()
        options = CaptionOptions(
            decoding, settings=settings.settings, threads=threads, encoders=encoders, encoder=encoder
        )
        return open_captioner(settings.model, options, kind=settings.kind, cache=cache)
    folder = open_part(settings.model or "embedded", "captioner")
    decoding = card_decoding(folder).returning(1, settings.beam)
    options = CaptionOptions(decoding, settings=settings.settings, encoders=encoders, encoder=encoder)
    return open_captioner(folder.path, options, cache=cache)


def _table(items: Sequence[Example], scratch: Path) -> Path:
    if missing := [item.image for item in items if not item.caption]:
        raise DataError(
            f"{len(missing):,} images have no caption",
            item=missing[0],
            remedy="fill the caption column, or leave --captioner out: then captions are written",
        )
    path = scratch / "captions.jsonl"
    lines = (json.dumps({"source": item.image, "caption": item.caption}, ensure_ascii=False) for item in items)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path
