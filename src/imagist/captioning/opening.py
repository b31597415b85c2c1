"""Opens any captioner by name: shipped, trained here, published checkpoints, a table of captions, plugins."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from imagist import registry
from imagist.bundle import Folder, open_part
from imagist.captioning.cache import CachedCaptioner
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions
from imagist.errors import UsageError
from imagist.protocols import Captioner


def open_captioner(
    model: str | os.PathLike[str] = "embedded",
    options: CaptionOptions | None = None,
    *,
    kind: str | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Captioner:
    """Opens a captioner, ready to use.

    Args:
        model: A shipped model by name, a model folder, or the folder of a captioner; with ``kind``, what that kind
            takes: a checkpoint's name or folder for ``blip``, ``blip2`` and ``git``, a table of captions for
            ``recorded``.
        options: How to caption; by default as the card of the captioner says. The maximum length and the length
            penalty of a captioner that was trained here are always its card's.
        kind: A name of `imagist.registry`; by default the one on the captioner's card.
        cache: An SQLite file that keeps captions, so that no image is captioned twice with the same settings.

    Raises:
        UnknownName: No captioner of that kind.
        BundleError: The model cannot be used.
        UsageError: Settings that the captioner does not take.
    """
    asked = options or CaptionOptions()
    if kind == "recorded" and cache is not None:
        raise UsageError(
            "recorded captions are found by name, a cache finds them by pixels", item="cache", remedy="leave it out"
        )
    if kind is None:
        folder = open_part(model, "captioner")
        search = search_of(folder) if options is None else as_carded(folder, asked.decoding)
        kind, model, asked = folder.kind, folder.path, replace(asked, decoding=search)
    made: Captioner = registry.find("captioners", kind)(os.fspath(model), asked)
    return made if cache is None else CachedCaptioner(made, Path(cache))


def as_carded(folder: Folder, decoding: Decoding) -> Decoding:
    """The decoding with the maximum length and the length penalty of a captioner's card, where it has them."""
    own = {name: folder.card[name] for name in ("max_length", "length_penalty") if name in folder.card}
    return replace(decoding, **own)


def search_of(folder: Folder) -> Decoding:
    """The decoding by which a captioner was evaluated: its card's."""
    card = folder.card
    return as_carded(folder, Decoding(card.get("beam", Decoding.beam), mbr=card.get("mbr", False)))
