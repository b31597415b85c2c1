"""Any captioner by name: what ships, what was trained here, published checkpoints, a file of captions, plugins."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from imagist import registry
from imagist.bundle import Bundle, open_bundle
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
    """A captioner, ready to use.

    Args:
        model: A shipped model by name, or a model folder; with ``kind``, what that kind takes: a checkpoint's name or
            folder for ``blip``, ``blip2`` and ``git``, a table of captions for ``recorded``.
        options: How to caption; by default as the card of a model folder says. The longest sentence and the length
            power of a model folder are always its card's.
        kind: A name of `imagist.registry`; by default what the model's card says.
        cache: An SQLite file that remembers captions, so that no image is captioned twice by the same settings.

    Raises:
        UnknownName: No captioner of that kind.
        BundleError: The model cannot be used.
        UsageError: Settings that the captioner does not take.
    """
    asked = options or CaptionOptions()
    if kind == "recorded" and cache is not None:
        raise UsageError("recorded captions go by names, and a cache by pixels", item="cache", remedy="leave it out")
    if kind is None:
        bundle = open_bundle(model)
        search = search_of(bundle) if options is None else as_carded(bundle, asked.decoding)
        kind, asked = bundle.card["captioner"]["kind"], replace(asked, decoding=search)
    made: Captioner = registry.find("captioners", kind)(os.fspath(model), asked)
    return made if cache is None else CachedCaptioner(made, Path(cache))


def as_carded(bundle: Bundle, decoding: Decoding) -> Decoding:
    """The search with what is the model's own: the longest sentence and the length power of its card."""
    card = bundle.card["captioner"]
    return replace(decoding, max_length=card["max_length"], length_penalty=card["length_penalty"])


def search_of(bundle: Bundle) -> Decoding:
    """The search by which a model was judged: its card's."""
    card = bundle.card["captioner"]
    return as_carded(bundle, Decoding(card.get("beam", Decoding.beam), mbr=card.get("mbr", False)))
