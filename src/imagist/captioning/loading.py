"""Opens any captioner by name: shipped, trained here, published checkpoints, a table of captions, plugins."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from imagist import registry
from imagist.bundle import ENCODER, SPACE, Folder, open_part
from imagist.captioning import published
from imagist.captioning.cache import CachedCaptioner
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions
from imagist.errors import UsageError
from imagist.protocols import Captioner

_DECODINGS = {kind: Decoding(beam=1, max_length=64) for kind in ("endpoint", "vlm")}  # they write whole sentences


def open_captioner(
    model: str | os.PathLike[str] | None = None,
    options: CaptionOptions | None = None,
    *,
    kind: str | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Captioner:
    """Opens a captioner.

    Args:
        model: A shipped model by name, a model folder, or the folder of a captioner; with ``kind``, what that kind
            takes: a checkpoint's name or folder for ``blip``, ``blip2``, ``git`` and ``vlm``, an address for
            ``endpoint``, a table of captions for ``recorded``. None is ``embedded``, or the default model of the kind.
        options: How to caption; by default the settings on the captioner's card. ``max_length`` and ``length_penalty``
            of a captioner that was trained here always come from its card.
        kind: A name of `imagist.registry`; by default the one on the captioner's card.
        cache: An SQLite file that keeps captions, so that no image is captioned twice with the same settings.

    Raises:
        UnknownName: No captioner has that kind.
        UsageError: Also a kind without a model that has no default.
        BundleError: The model cannot be used.
        UsageError: The captioner does not accept a setting.
    """
    chosen = options or CaptionOptions(default_decoding(kind))
    if kind == "recorded" and cache is not None:
        raise UsageError(
            "recorded captions are found by name, a cache finds them by pixels", item="cache", remedy="leave it out"
        )
    if model is None:
        model = "embedded" if kind is None else registry.DEFAULT_MODELS["captioners"].get(kind)
    published.check(kind, os.fspath(model or ""))
    loader = None if kind is None else registry.find("captioners", kind)
    if model is None:
        raise UsageError("needs a model", item=str(kind), remedy="name it")
    if kind is None:
        folder = open_part(model, "captioner")
        decoding = card_decoding(folder) if options is None else with_card_lengths(folder, chosen.decoding)
        kind, model, chosen = folder.kind, folder.path, replace(chosen, decoding=decoding)
    loader = loader or registry.find("captioners", kind)
    own = _own_settings(kind, loader, chosen.settings)
    captioner: Captioner = loader(os.fspath(model), chosen, **own)
    return captioner if cache is None else CachedCaptioner(captioner, Path(cache))


def default_decoding(kind: str | None) -> Decoding:
    """The decoding of a kind of captioner where none is asked for and no card has one."""
    return _DECODINGS.get(kind or "", Decoding())


def _own_settings(kind: str, loader: Callable[..., Any], asked: Mapping[str, object]) -> dict[str, Any]:
    """The keyword arguments of a loader that are asked for, each as its type.

    Raises:
        UsageError: The loader has no such argument, or a value is not of its type or bounds.
    """
    if not asked:
        return {}
    from pydantic import TypeAdapter, ValidationError  # only where settings are read

    names = [each.name for each in inspect.signature(loader).parameters.values() if each.kind is each.KEYWORD_ONLY]
    types = get_type_hints(loader, include_extras=True)
    found = {}
    for name, value in asked.items():
        if name not in names:
            remedy = f"one of {', '.join(names)}" if names else "leave it out"
            raise UsageError(f"is no setting of the captioner {kind}", item=name, remedy=remedy)
        try:
            found[name] = TypeAdapter(types.get(name, object)).validate_python(value)
        except ValidationError as error:
            raise UsageError(f"{value!r} is no value: {error.errors()[0]['msg']}", item=name) from error
    return found


def with_card_lengths(folder: Folder, decoding: Decoding) -> Decoding:
    """The decoding with the maximum length and the length penalty of a captioner's card, where it has them."""
    own = {name: folder.card[name] for name in ("max_length", "length_penalty") if name in folder.card}
    return replace(decoding, **own)


def card_decoding(folder: Folder) -> Decoding:
    """The decoding by which a captioner was evaluated or saved: its card's."""
    return Decoding.from_card(folder.card)


def card_threads(folder: Folder, cores: int) -> int:
    """Threads within one run of a saved captioner.

    Several runs of a captioner that shares an encoder go side by side, each on one thread; any other gets all cores.
    """
    return 1 if {ENCODER, SPACE} & {*folder.card} else cores


def cores(asked: int | None = None) -> int:
    """The number of processor cores asked for; by default all that this process may use.

    Raises:
        UsageError: Fewer than one is asked for.
    """
    if asked is not None and asked < 1:
        raise UsageError(f"at least one thread is needed, not {asked}", item="threads")
    if asked is None and hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return asked or os.cpu_count() or 1
