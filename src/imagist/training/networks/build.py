"""Builds the decoder that a recipe names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagist.errors import UsageError
from imagist.training.captioners.gpt2 import Published, published, small_gpt2
from imagist.training.networks.attention import SAT, TUTORIAL, AttentionDecoder
from imagist.training.networks.decoder import CaptionDecoder
from imagist.training.networks.naming import NamingDecoder
from imagist.training.networks.prefix import PrefixDecoder
from imagist.training.networks.recurrent import RecurrentDecoder
from imagist.training.networks.transformer import TransformerDecoder

KINDS: dict[str, type[CaptionDecoder]] = {
    "attention": AttentionDecoder,
    "lstm": RecurrentDecoder,
    "naming": NamingDecoder,
    "prefix-gpt2": PrefixDecoder,
    "transformer": TransformerDecoder,
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "attention": {"sat": SAT, "tutorial": TUTORIAL},
    "lstm": {"inject": {"merge": False}, "merge": {"merge": True}},
}


def build(
    options: Mapping[str, Any],
    *,
    words: int,
    channels: int,
    cells: int,
    max_length: int,
    language_model: Published | None = None,
) -> CaptionDecoder:
    """Builds a decoder with random weights, except those of a published language model.

    Args:
        options: ``kind``, optional ``preset``, and arguments of the class, which override the preset's. For
            ``prefix-gpt2``, ``language_model`` is a table of arguments of `small_gpt2` or of `published`.
        words: V.
        channels: D.
        cells: L.
        max_length: Maximum number of words in a caption.
        language_model: The result of `published_of`.

    Raises:
        UsageError: The kind or preset is unknown, or the class does not take an argument.
    """
    left = dict(options)
    kind = _known(str(left.pop("kind", "")), KINDS, "decoder.kind")
    presets = PRESETS.get(kind, {})
    preset = left.pop("preset", None)
    given = {} if preset is None else dict(presets[_known(str(preset), presets, "decoder.preset")])
    given |= left
    if kind == "prefix-gpt2":
        table = dict(given.pop("language_model", {}))
        if language_model is None:
            given["language_model"] = _made(small_gpt2, table, "decoder.language_model", words=words)
        else:
            tokens = language_model.vocabulary
            given |= {
                "starts": (*tokens.starts.values(),),
                "end": tokens.end,
                "suppressed_tokens": tokens.suppressed_tokens,
            }
            given["language_model"] = language_model.model
        fixed = {"channels": channels}
    else:
        fixed = {"words": words, "channels": channels}
    if kind in ("naming", "prefix-gpt2", "transformer"):
        fixed |= {"cells": cells, "max_length": max_length}
    made: CaptionDecoder = _made(KINDS[kind], given, "decoder", **fixed)
    return made


def published_of(options: Mapping[str, Any], languages: Sequence[str]) -> Published | None:
    """The published language model of a recipe's decoder, if ``language_model`` has a ``name``.

    Args:
        options: As `build`.
        languages: Languages of the captions.

    Raises:
        UsageError: There are several languages, or `published` does not take an argument.
        BundleError: The model cannot be loaded or used; see `published`.
    """
    table = dict(options.get("language_model", {}))
    if "name" not in table:
        return None
    if len(languages) > 1:
        raise UsageError("a published language model writes one language", item="data.languages", remedy="leave it out")
    made: Published = _made(published, table, "decoder.language_model", language=languages[0])
    return made


def _made(make: Callable[..., Any], given: Mapping[str, Any], item: str, **fixed: Any) -> Any:
    known = set(inspect.signature(make).parameters) - fixed.keys()
    if unknown := sorted(set(given) - known):
        raise UsageError(f"no settings {', '.join(unknown)}", item=item, remedy=f"it takes {', '.join(sorted(known))}")
    return make(**fixed, **given)


def _known(name: str, names: Mapping[str, Any], item: str) -> str:
    if name not in names:
        raise UsageError(f"there is no {name!r}", item=item, remedy=f"one of {', '.join(names) or 'none'}")
    return name
