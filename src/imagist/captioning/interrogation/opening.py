"""Opens interrogators from the parts of models, by kind and name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imagist.bundle import Folder, open_part
from imagist.captioning.decoding import Decoding
from imagist.captioning.interrogation.interrogator import MAX_MEMORY, Interrogator
from imagist.captioning.interrogation.settings import InterrogationSettings
from imagist.captioning.loading import card_decoding, card_threads, default_decoding, open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.images.encoder import Encoders
from imagist.matching.opening import MATCHER, Matchers, open_matcher
from imagist.matching.phrases import EMBEDDED, PhraseTables, open_tables
from imagist.protocols import Captioner, Matcher, PartOptions

Choice = str | os.PathLike[str] | tuple[str, str | os.PathLike[str]]
"""A model or a folder that has the part, or its kind and what that kind opens."""


def open_interrogator(
    model: str | os.PathLike[str] = "embedded",
    settings: InterrogationSettings | None = None,
    options: CaptionOptions | None = None,
    *,
    captioner: Choice | None = None,
    matcher: Choice | None = None,
    tables: PhraseTables | Sequence[str | os.PathLike[str]] = (EMBEDDED,),
    captions: str | os.PathLike[str] | None = None,
    embeddings: str | os.PathLike[str] | None = None,
    max_memory: int = MAX_MEMORY,
) -> Interrogator:
    """Opens an interrogator.

    Args:
        model: A shipped model by name, or a model folder; captioner and matcher are its own where no other is named.
        settings: Mode and numbers of phrases.
        options: How to caption, where and on how many threads; a decoding that is all default is the captioner's own.
        captioner: Instead of the model's own: see `Choice`.
        matcher: The same.
        tables: Phrases, or the names of tables: see `imagist.matching.phrases.open_tables`.
        captions: An SQLite file that keeps the captions that texts begin with.
        embeddings: Folder of the phrases' embeddings; None is the user's.
        max_memory: Most bytes of embeddings of phrases, and of products with them, in memory.

    Raises:
        UnknownName: No part has that kind.
        BundleError: A model cannot be used, or lacks the part.
        UsageError: No such table, or a mode without what it needs.
    """
    chosen, looked_for = options or CaptionOptions(), settings or InterrogationSettings()
    chosen = replace(chosen, encoders=chosen.encoders or Encoders())  # captioner and matcher share grids
    words = _captioner(model, captioner, chosen, captions) if looked_for.begins_with_caption else None
    return Interrogator(
        words,
        matcher_for(model, matcher, chosen),
        tables if isinstance(tables, PhraseTables) else open_tables(tables),
        looked_for,
        cache=None if embeddings is None else Path(embeddings),
        max_memory=max_memory,
    )


def options_for(folder: Folder, options: CaptionOptions) -> CaptionOptions:
    """The options for a saved captioner: its own decoding where the options name none, and its own threads."""
    own = options.decoding == Decoding().returning(options.decoding.nbest)
    decoding = card_decoding(folder).returning(options.decoding.nbest) if own else options.decoding
    return replace(options, decoding=decoding, threads=card_threads(folder, options.threads))


def _captioner(
    model: str | os.PathLike[str],
    choice: Choice | None,
    options: CaptionOptions,
    captions: str | os.PathLike[str] | None,
) -> Captioner:
    if isinstance(choice, tuple):
        kind, name = choice
        if options.decoding == Decoding():
            options = replace(options, decoding=default_decoding(kind))
        return open_captioner(name, options, kind=kind, cache=captions)
    folder = open_part(choice or model, "captioner")
    return open_captioner(folder.path, options_for(folder, options), cache=captions)


def matcher_for(model: str | os.PathLike[str], choice: Choice | None, options: PartOptions) -> Matcher:
    """The matcher of a choice, else that of a model.

    Raises:
        BundleError: It cannot be used, or there is none.
    """
    if isinstance(choice, tuple):
        return open_matcher(choice[1], options, kind=choice[0])
    folder = open_part(choice or model, MATCHER)
    pool = options.matchers or Matchers()
    return pool.open(folder.path, replace(options, threads=card_threads(folder, options.threads)))
